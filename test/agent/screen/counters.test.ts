import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CounterWatch, type CounterRule } from '../../../agent/screen/counters.ts';
import type { Trust } from '../../../agent/clock.ts';
import type { GatewayEvent, Reading } from '../../../agent/reading.ts';
import type { LastTotal } from '../../../buffer/buffer.ts';
import { pointInfo, reading } from '../../support/readings.ts';

const quarterMs = 900_000;
const hourMs = 3_600_000;
const none: CounterRule = { modulus: null, maxRate: null, decreases: false };
const meter: CounterRule = { modulus: 1_000_000, maxRate: { amount: 40, perMs: hourMs }, decreases: false };

function good(value: number, bootMs: number): Reading {
  return reading({
    point: pointInfo({ unit: 'm3' }),
    value,
    at: { boot: 'b', bootMs, wallMs: 0, trust: 'synced' },
  });
}

/** One reading each 15 min. `good`, `jump`; a number in brackets was not good before. */
function run(rule: CounterRule, values: readonly (number | string)[]): { marks: string[]; events: GatewayEvent[] } {
  const watch = new CounterWatch(undefined, pointInfo({}));
  const events: GatewayEvent[] = [];
  const marks = values.map((value, index) => {
    const bootMs = index * quarterMs;
    const seen =
      typeof value === 'number'
        ? good(value, bootMs)
        : { ...good(7, bootMs), value: null, quality: 'bad' as const, status: value };
    const { reading: passed, event } = watch.check(seen, rule);
    if (event !== null) events.push(event);
    expect({ ...passed, quality: seen.quality, status: seen.status }).toEqual(seen);
    return passed.status;
  });
  return { marks, events };
}

const G = 'Good';
const J = 'UncertainSensorNotAccurate';

describe('a counter', () => {
  test.each<[string, CounterRule, (number | string)[], string[], string[]]>([
    ['that goes on is good', meter, [100, 105, 115, 115], [G, G, G, G], []],
    ['may rise by maxRate and no faster', meter, [100, 110, 121.5], [G, G, J], ['counter-jump']],
    ['without maxRate may rise by anything', none, [100, 900_000], [G, G], []],
    ['that falls is marked, with or without modulus', none, [100, 99.9], [G, J], ['counter-jump']],
    ['is counted on over its modulus', meter, [999_995, 3], [G, G], ['counter-rollover']],
    ['is not counted on over its modulus faster than maxRate', meter, [999_995, 30], [G, J], ['counter-jump']],
    ['that was replaced is no rollover', meter, [500_000, 0], [G, J], ['counter-jump']],
    [
      'without maxRate rolls over if it was near its modulus',
      { modulus: 1000, maxRate: null, decreases: false },
      [960, 20, 15],
      [G, G, J],
      ['counter-rollover', 'counter-jump'],
    ],
    [
      'without maxRate and far from its modulus fell',
      { modulus: 1000, maxRate: null, decreases: false },
      [600, 20],
      [G, J],
      ['counter-jump'],
    ],
    ['below zero is no rollover', meter, [999_995, -3], [G, J], ['counter-jump']],
    [
      'that jumps once and comes back is good again, held against what was good',
      meter,
      [100, 9000, 101],
      [G, J, G],
      ['counter-jump'],
    ],
    [
      'at a new level is believed at the third reading in a row',
      meter,
      [100, 5000, 5005, 5009, 5012],
      [G, J, J, G, G],
      ['counter-jump', 'believed'],
    ],
    [
      'that jumps about is never believed',
      meter,
      [100, 5000, 90_000, 7000, 60_000],
      [G, J, J, J, J],
      ['counter-jump', 'counter-jump', 'counter-jump', 'counter-jump'],
    ],
    [
      'that was replaced is believed at the third reading',
      none,
      [100, 0, 1, 2, 3],
      [G, J, J, G, G],
      ['counter-jump', 'believed'],
    ],
    [
      'that was bad in between is held against what was good, over all the time',
      meter,
      [100, 'BadTimeout', 'BadTimeout', 128],
      [G, 'BadTimeout', 'BadTimeout', G],
      [],
    ],
    [
      'that was bad in between keeps its doubt',
      meter,
      [100, 5000, 'BadTimeout', 5005, 5010],
      [G, J, 'BadTimeout', J, G],
      ['counter-jump', 'believed'],
    ],
    ['that may fall is good either way', { ...none, decreases: true }, [100, -50, 3, 900], [G, G, G, G], []],
    [
      'that may fall may do it by maxRate and no faster',
      { ...meter, modulus: null, decreases: true },
      [100, 90, 78, 90, 105],
      [G, G, J, G, J],
      ['counter-jump', 'counter-jump'],
    ],
    [
      'whose last digit is coarse may make one step of it',
      { modulus: null, maxRate: { amount: 1, perMs: hourMs }, decreases: false },
      [100, 101],
      [G, G],
      [],
    ],
  ])('%s', (_, rule, values, marks, events) => {
    const told = run(rule, values);
    expect(told.marks).toEqual(marks);
    expect(told.events.map(({ event, facts }) => (facts?.['newBaseline'] === true ? 'believed' : event))).toEqual(
      events,
    );
  });

  test('that may fall says which way it was too fast', () => {
    const [fell] = run({ ...meter, modulus: null, decreases: true }, [100, 70]).events;
    expect(fell?.message).toContain('energy fell faster than maxRate, from 100 to 70 m3 in 900 s');
  });

  test('that is out of its range already is left as it is and says nothing', () => {
    const watch = new CounterWatch(undefined, pointInfo({}));
    watch.check(good(100, 0), meter);
    const outside: Reading = {
      ...good(9_000_000, quarterMs),
      quality: 'uncertain',
      status: 'UncertainEngineeringUnitsExceeded',
    };
    expect(watch.check(outside, meter)).toEqual({ reading: outside, event: null });
    expect(watch.check(good(101, 2 * quarterMs), meter).reading.status).toBe('Good');
  });

  test('says what it was and what it became', () => {
    expect(run(meter, [4711.25, 12]).events).toEqual([
      {
        event: 'counter-jump',
        severity: 'warning',
        device: 'EM-1',
        point: 'energy',
        message:
          'Device EM-1: energy fell, from 4711.25 to 12 m3 in 900 s; it is sent as uncertain until 3 readings in a row fit each other. Compare with the meter; check its modulus and maxRate.',
        facts: { old: 4711.25, new: 12, elapsedMs: 900_000, untold: 0 },
      },
    ]);
    expect(run(meter, [100, 5000, 5005, 5009]).events.at(-1)).toEqual({
      event: 'counter-jump',
      severity: 'info',
      device: 'EM-1',
      point: 'energy',
      message:
        'Device EM-1: energy is believed again at 5009 m3, 100 before: 3 readings in a row fit each other. The difference is no consumption.',
      facts: { old: 100, new: 5009, newBaseline: true },
    });
    expect(run(meter, [999_999.5, 0.25]).events).toMatchObject([
      {
        event: 'counter-rollover',
        severity: 'info',
        message: 'Device EM-1: energy began again, from 999999.5 to 0.25 m3; its modulus is 1000000.',
        facts: { old: 999_999.5, new: 0.25, modulus: 1_000_000 },
      },
    ]);
  });

  test('that runs backwards is told each 15 min, with how many were not', () => {
    const watch = new CounterWatch(undefined, pointInfo({}));
    const told: GatewayEvent[] = [];
    for (let second = 0; second <= 1_800; second++) {
      const { reading: passed, event } = watch.check(good(10_000 - second, second * 1000), none);
      expect(passed.quality).toBe(second === 0 ? 'good' : 'uncertain');
      if (event !== null) told.push(event);
    }
    expect(told.map(({ facts }) => facts?.['untold'])).toEqual([0, 899]);
  });

  test('is never changed in its number, and marked exactly when it cannot follow what was good or three in a row', () => {
    const values = fc.array(
      fc.oneof(fc.nat(2_000), fc.integer({ min: 999_000, max: 999_999 }), fc.constant('BadTimeout')),
      {
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(values, fc.boolean(), (some, rated) => {
        const rule: CounterRule = {
          modulus: 1_000_000,
          maxRate: rated ? { amount: 4_000, perMs: hourMs } : null,
          decreases: false,
        };
        const { marks } = run(rule, some);
        // The same rule told by another hand: the rise in the ring of the modulus.
        const isStep = (from: [number, number], to: [number, number]): boolean => {
          const most = rated ? (to[1] - from[1]) * 1_000 + 1 : 100_000;
          if (to[0] >= from[0]) return !rated || to[0] - from[0] <= most;
          return (to[0] - from[0] + 1_000_000) % 1_000_000 <= most;
        };
        let base: [number, number] | null = null;
        let chain: [number, number][] = [];
        for (const [index, value] of some.entries()) {
          if (typeof value !== 'number') continue;
          const here: [number, number] = [value, index];
          const last = chain.at(-1);
          if (base === null || isStep(base, here)) chain = [];
          else chain = last !== undefined && isStep(last, here) ? [...chain, here] : [here];
          const isGood = chain.length === 0 || chain.length === 3;
          expect([index, marks[index]]).toEqual([index, isGood ? G : J]);
          if (isGood) [base, chain] = [here, []];
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a counter over a restart', () => {
  const at = Date.parse('2026-11-22T13:00:00Z');
  const kept: LastTotal = { value: 100, timeMs: at, isTimeTrusted: true, map: '9f31c20a77e1', serial: null };

  /** What becomes of one reading, made so long after the last one of the earlier run by a clock like this. */
  function next(
    value: number,
    some: {
      after?: number;
      trust?: Trust;
      last?: Partial<LastTotal>;
      rule?: CounterRule;
      serial?: string;
      map?: string;
    } = {},
  ): [status: string, event: string | undefined] {
    const info = pointInfo({ unit: 'm3', serial: some.serial ?? null, ...(some.map ? { map: some.map } : {}) });
    const watch = new CounterWatch({ ...kept, ...some.last }, info);
    // Boot time says nothing over a restart: here it always looks as if no time had passed.
    const stamp = {
      boot: 'b',
      bootMs: 1,
      wallMs: at + (some.after ?? hourMs),
      trust: some.trust ?? ('synced' as const),
    };
    const passed = watch.check(reading({ point: info, value, at: stamp }), some.rule ?? meter);
    return [passed.reading.status, passed.event?.event];
  }

  test.each<[string, [string, string | undefined], Parameters<typeof next>]>([
    ['goes on as before', [G, undefined], [130]],
    ['that fell meanwhile is marked', [J, 'counter-jump'], [3]],
    ['is judged by the true time between', [J, 'counter-jump'], [150]],
    ['is judged by the true time between, however long', [G, undefined], [4000, { after: 100 * hourMs }]],
    ['without a trusted time now may have risen by anything', [G, undefined], [4000, { trust: 'unknown' }]],
    ['without a trusted time then may have risen', [G, undefined], [4000, { last: { isTimeTrusted: false } }]],
    ['whose time runs backwards may have risen by anything', [G, undefined], [4000, { after: -hourMs }]],
    ['without a trusted time is marked where it fell', [J, 'counter-jump'], [3, { trust: 'unsynced' }]],
    ['rolls over', [G, 'counter-rollover'], [3, { last: { value: 999_990 } }]],
    [
      'without a trusted time rolls over near its modulus',
      [G, 'counter-rollover'],
      [3, { last: { value: 960_000 }, trust: 'unknown' }],
    ],
    [
      'without a trusted time and far from its modulus fell',
      [J, 'counter-jump'],
      [3, { last: { value: 500_000 }, trust: 'unknown' }],
    ],
    ['that may fall did', [G, undefined], [-3, { rule: { ...none, decreases: true } }]],
    ['with another register map begins anew', [G, undefined], [3, { map: '000000000001' }]],
    ['whose serial number was only stated begins anew', [G, undefined], [3, { map: '000000000001', serial: 'A' }]],
    [
      'of another meter begins anew, told',
      [G, 'counter-jump'],
      [3, { map: '000000000001', serial: 'B', last: { serial: 'A' } }],
    ],
  ])('%s', (_, told, given) => {
    expect(next(...given)).toEqual(told);
  });

  test('is never marked for its rate where the time between is not known', () => {
    const trusts = fc.constantFrom<Trust>('unknown', 'unsynced');
    fc.assert(
      fc.property(
        fc.double({ min: 100, max: 1e9, noNaN: true }),
        fc.integer({ min: 0, max: 1e9 }),
        trusts,
        (value, after, trust) => {
          expect(next(value, { after, trust })[0]).toBe(G);
        },
      ),
    );
  });

  test('of another meter is told with both totals and both serial numbers, once', () => {
    const watch = new CounterWatch({ ...kept, serial: 'A' }, pointInfo({ map: 'other', serial: 'B' }));
    expect(watch.check(good(3, 0), meter).event).toEqual({
      event: 'counter-jump',
      severity: 'info',
      device: 'EM-1',
      point: 'energy',
      message: 'Device EM-1: energy is that of another meter now, serial B after A: from 100 to 3 m3.',
      facts: { old: 100, new: 3, newBaseline: true, oldSerial: 'A', newSerial: 'B' },
    });
    expect(watch.check(good(4, 1000), meter)).toMatchObject({ reading: { status: G }, event: null });
    expect(watch.check(good(2, 2000), meter)).toMatchObject({
      reading: { status: J },
      event: { event: 'counter-jump' },
    });
  });
});
