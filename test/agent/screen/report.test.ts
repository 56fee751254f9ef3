import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reading } from '../../../agent/reading.ts';
import type { ReportRule } from '../../../agent/screen/report.ts';
import { Screen } from '../../../agent/screen/screen.ts';
import { pointInfo, reading } from '../../support/readings.ts';

const everyMs = 10_000;
const info = pointInfo({ point: 'flow', kind: 'gauge' });

const nothingKnown = { lastTotal: () => undefined, serialSeen: () => undefined };

function seen(value: number | string | null, bootMs: number, some: Partial<Reading> = {}): Reading {
  const bad = typeof value === 'string';
  return reading({
    point: info,
    value: bad ? null : value,
    quality: bad ? 'bad' : 'good',
    status: bad ? value : 'Good',
    at: { boot: 'b', bootMs, wallMs: bootMs, trust: 'synced' },
    ...some,
  });
}

function screen(report: ReportRule | null): Screen {
  return new Screen([{ info, schedule: { everyMs }, report }], nothingKnown);
}

/** One reading each 10 s; those that were sent. */
function sent(report: ReportRule | null, values: readonly (number | string)[]): (number | string)[] {
  const all = screen(report).pass(values.map((value, index) => seen(value, index * everyMs))).kept;
  return all.map(({ value, status }) => value ?? status);
}

const change = (deadband = 0, maxAgeMs: number | null = null): ReportRule => ({ deadband, maxAgeMs });

describe('a point that reports changes', () => {
  test.each<[string, ReportRule | null, (number | string)[], (number | string)[]]>([
    ['sends each reading without that rule', null, [1, 1, 1], [1, 1, 1]],
    ['sends the first value and what differs', change(), [1, 1, 2, 2, 1], [1, 2, 1]],
    [
      'holds back up to the deadband, counted from what was sent',
      change(0.5),
      [1, 1.4, 1.5, 1.6, 2, 2.1, 2.11],
      [1, 1.6, 2.11],
    ],
    ['counts in decimals', change(0.1), [20.2, 20.3, 20.1, 20.31], [20.2, 20.31]],
    [
      'sends each bad one that it is given, and the good one after it',
      change(5),
      [1, 'BadTimeout', 'BadTimeout', 1, 1],
      [1, 'BadTimeout', 'BadTimeout', 1],
    ],
    ['sends again when maxAge has passed', change(0, 30_000), [1, 1, 1, 1, 1, 1, 1], [1, 1, 1]],
    ['counts maxAge from what was sent', change(0, 30_000), [1, 1, 2, 2, 2, 2, 2], [1, 2, 2]],
    ['sends each when maxAge is one `every`', change(9, 10_000), [1, 1, 1], [1, 1, 1]],
  ])('%s', (_, report, values, expected) => expect(sent(report, values)).toEqual(expected));

  test('sends a change of status or text though the value is the same', () => {
    const one = screen(change(10));
    const doubtful = { quality: 'uncertain', status: 'UncertainEngineeringUnitsExceeded' } as const;
    const passed = [
      seen(1, 0),
      seen(2, 1, doubtful),
      seen(2, 2, doubtful),
      seen(2, 3, { ...doubtful, status: 'UncertainSubNormal' }),
      seen(2, 4),
      seen(2, 5, { text: 'open' }),
      seen(2, 6, { text: 'open' }),
    ].map((each) => one.pass([each]).kept.length);
    expect(passed).toEqual([1, 1, 0, 1, 1, 1, 0]);
  });

  test('sends texts when they differ', () => {
    const one = screen(change());
    const texts = ['a', 'a', 'b'].map((text, index) => one.pass([seen(null, index, { text })]).kept.length);
    expect(texts).toEqual([1, 0, 1]);
  });

  test('is not late because answers come a little earlier or later', () => {
    const one = screen(change(0, 60_000));
    const passed = Array.from({ length: 19 }, (_, index) => index * everyMs + (index % 2 === 0 ? 40 : 0)).filter(
      (bootMs) => one.pass([seen(1, bootMs)]).kept.length > 0,
    );
    expect(passed).toEqual([40, 60_040, 120_040, 180_040]);
  });

  test('sends what comes after a reading that the buffer refused', () => {
    const one = screen(change());
    const { kept } = one.pass([seen(1, 0)]);
    one.refused(kept);
    expect(one.pass([seen(1, 1)]).kept).toHaveLength(1);
    expect(one.pass([seen(1, 2)]).kept).toHaveLength(0);
  });

  test('remembers what was sent in the screen that takes its place, unless the point is described in another way', () => {
    const one = screen(change());
    one.pass([seen(1, 0)]);
    const next = new Screen([{ info, schedule: { everyMs }, report: change() }], nothingKnown, one);
    expect(next.pass([seen(1, 1)]).kept).toHaveLength(0);
    const other = { ...info, unit: 'L/s', hash: 'another' };
    const changed = new Screen([{ info: other, schedule: { everyMs }, report: change() }], nothingKnown, next);
    expect(changed.pass([seen(1, 2, { point: other })]).kept).toHaveLength(1);
  });
});

test('whoever fills the holes with what was sent last is never further off than the deadband, nor older than maxAge', () => {
  const walk = fc.array(
    fc.oneof({ arbitrary: fc.integer({ min: -30, max: 30 }), weight: 5 }, fc.constant('BadTimeout')),
    {
      minLength: 1,
      maxLength: 60,
    },
  );
  fc.assert(
    fc.property(walk, fc.nat(40), fc.option(fc.integer({ min: 1, max: 12 })), (steps, band, age) => {
      const one = screen(change(band / 10, age === null ? null : age * everyMs));
      let tenths = 0;
      let known: Reading | null = null;
      for (const [index, step] of steps.entries()) {
        if (typeof step === 'number') tenths += step;
        const now = seen(typeof step === 'number' ? tenths / 10 : step, index * everyMs);
        const { kept } = one.pass([now]);
        expect(kept.every((each) => each === now)).toBe(true);
        const before: Reading | null = known;
        known = kept[0] ?? known;
        if (known === null) throw new Error('the first one was not sent');
        expect([known.quality, known.status]).toEqual([now.quality, now.status]);
        if (now.value !== null)
          expect(Math.abs((known.value ?? NaN) - now.value)).toBeLessThanOrEqual(band / 10 + 1e-9);
        if (age !== null) expect(now.at.bootMs - known.at.bootMs).toBeLessThan(age * everyMs);
        // Nothing is sent without need.
        if (kept.length > 0 && before !== null && now.quality !== 'bad' && before.quality !== 'bad') {
          const far = Math.abs((before.value ?? NaN) - (now.value ?? NaN)) > band / 10 - 1e-9;
          expect(far || (age !== null && now.at.bootMs - before.at.bootMs >= age * everyMs)).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
});
