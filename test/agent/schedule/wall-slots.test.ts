import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { atLocalTimes, MONTH_MS, scheduleMaker } from '../../../agent/schedule/wall-slots.ts';
import type { Schedule } from '../../../agent/schedule/slots.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const everyMs: Readonly<Record<string, number>> = {
  '1h': hourMs,
  '90m': 1.5 * hourMs,
  '2h': 2 * hourMs,
  '6h': 6 * hourMs,
  '8h': 8 * hourMs,
  '12h': 12 * hourMs,
  '1d': dayMs,
  '1mo': MONTH_MS,
};

function schedule(timezone: string, every: string, at: string): Schedule {
  const [hours = 0, minutes = 0] = at.split(':').map(Number);
  return atLocalTimes(everyMs[every] ?? Number.NaN, { timezone, atMs: (hours * 60 + minutes) * 60_000 });
}

const ms = (utc: string): number => Date.parse(`${utc}Z`);
const utc = (wallMs: number): string => new Date(wallMs).toISOString().replace(':00.000Z', '');

/** Made by test/cases/slots/slots.py with Python's own time zones. */
const cases = readFileSync('test/cases/slots/slots.csv', 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',') as [string, string, string, string, string, string]);

describe('slots at local times are those that Python finds', () => {
  test.each(cases)('%s every %s at %s after %s', (zone, every, at, from, to, slots) => {
    const forwards = schedule(zone, every, at);
    const found: number[] = [];
    for (let slotMs = forwards.slotAfter(ms(from)); slotMs <= ms(to); slotMs = forwards.slotAfter(slotMs))
      found.push(slotMs);
    expect(found.map(utc)).toEqual(slots.split(' '));
    const backwards = schedule(zone, every, at);
    const again: number[] = [];
    for (
      let slotMs = backwards.slotAtOrBefore(ms(to));
      slotMs > ms(from);
      slotMs = backwards.slotAtOrBefore(slotMs - 1)
    )
      again.unshift(slotMs);
    expect(again).toEqual(found);
  });
});

describe('whatever the zone, the rule and the instant', () => {
  const zones = [
    'Europe/Madrid',
    'America/Santiago',
    'Australia/Lord_Howe',
    'Pacific/Apia',
    'Africa/Casablanca',
    'UTC',
  ];
  const rule = fc.record({
    timezone: fc.constantFrom(...zones),
    every: fc.constantFrom(...Object.keys(everyMs)),
    atMs: fc.integer({ min: 0, max: 1439 }).map((minutes) => minutes * 60_000),
  });
  const wallMs = fc.integer({ min: 0, max: Date.UTC(2037, 11, 31) });

  test('slots rise, each is its own newest, and none lies between neighbours', () => {
    fc.assert(
      fc.property(rule, wallMs, fc.double({ min: 0, max: 1, noNaN: true }), ({ every, ...local }, wall, part) => {
        const one = atLocalTimes(everyMs[every] ?? 0, local);
        const before = one.slotAtOrBefore(wall);
        const after = one.slotAfter(wall);
        expect(before).toBeLessThanOrEqual(wall);
        expect(after).toBeGreaterThan(wall);
        expect(after - before).toBeLessThanOrEqual(every === '1mo' ? 33 * dayMs : (everyMs[every] ?? 0) + 25 * hourMs);
        expect(one.slotAtOrBefore(before)).toBe(before);
        expect(one.slotAtOrBefore(after)).toBe(after);
        expect(one.slotAfter(before)).toBe(after);
        expect(one.slotAtOrBefore(after - 1)).toBe(before);
        const between = Math.min(after - 1, Math.floor(before + part * (after - before)));
        expect([one.slotAtOrBefore(between), one.slotAfter(between)]).toEqual([before, after]);
      }),
      { numRuns: 300 },
    );
  });

  test('what was asked before changes no answer', () => {
    fc.assert(
      fc.property(rule, fc.array(wallMs, { minLength: 2, maxLength: 6 }), ({ every, ...local }, walls) => {
        const used = atLocalTimes(everyMs[every] ?? 0, local);
        for (const wall of walls.flatMap((each) => [each, each + 20 * hourMs, each - 3 * dayMs])) {
          const fresh = atLocalTimes(everyMs[every] ?? 0, local);
          expect(used.slotAtOrBefore(wall)).toBe(fresh.slotAtOrBefore(wall));
          expect(used.slotAfter(wall)).toBe(fresh.slotAfter(wall));
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('equal rules share one schedule, others have keys of their own', () => {
  const make = scheduleMaker();
  const madrid = { timezone: 'Europe/Madrid', atMs: 0 };
  const rules = [
    { everyMs: 900_000, local: null },
    { everyMs: hourMs, local: madrid },
    { everyMs: hourMs, local: { ...madrid, atMs: 60_000 } },
    { everyMs: hourMs, local: { ...madrid, timezone: 'Asia/Kolkata' } },
    { everyMs: dayMs, local: madrid },
    { everyMs: MONTH_MS, local: madrid },
  ];
  for (const rule of rules) expect(make(structuredClone(rule))).toBe(make(rule));
  expect(new Set(rules.map((rule) => make(rule).key)).size).toBe(rules.length);
});

test.each([1_800_000, 7 * hourMs, 2 * dayMs, Number.NaN])('%d ms is refused with what is allowed', (every) => {
  expect(() => atLocalTimes(every, { timezone: 'UTC', atMs: 0 })).toThrow(
    /allowed: 1 h or more and a divisor of a day/,
  );
});
