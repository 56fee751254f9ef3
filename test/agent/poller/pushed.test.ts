import { expect, it } from 'vitest';
import { PushedPoints } from '../../../agent/poller/pushed.ts';
import { observationOf } from '../../../agent/reading.ts';
import type { Observation, PointInfo } from '../../../agent/reading.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { pointInfo } from '../../support/readings.ts';

const level = pointInfo({ point: 'level' });
const clock = new FakeClock();
const at = (bootMs: number) => ({ ...clock.now(), bootMs });
const seen = (point: PointInfo, value: number | null, deviceTimeMs: number | null, status = 'Good'): Observation => ({
  ...observationOf(point, clock.now(), { value, text: null, quality: value === null ? 'bad' : 'good', status }),
  deviceTimeMs,
});

it('tells a lost connection once after 2 s, and again each 15 min', () => {
  const points = new PushedPoints([level], at(0));
  points.look(at(0), true);
  points.took([seen(level, 1, 1)], at(0));
  expect(points.look(at(1_000), false).write).toEqual([]);
  expect(points.look(at(2_999), false)).toMatchObject({ write: [], notConnected: false, napMs: 1 });
  expect(points.look(at(3_000), false)).toMatchObject({
    write: [{ point: level, quality: 'bad', status: 'BadNotConnected', slotMs: null }],
    notConnected: true,
  });
  expect(points.look(at(4_000), false).write).toEqual([]);
  expect(points.look(at(3_000 + 900_000), false).write).toHaveLength(1);
});

it('takes a link that is back within 2 s for unbroken', () => {
  const points = new PushedPoints([level], at(0));
  points.look(at(0), true);
  points.look(at(1_000), false);
  points.look(at(2_500), true);
  expect(points.look(at(4_000), false).write).toEqual([]);
});

it('says a bad value again each 15 min until another comes', () => {
  const points = new PushedPoints([level], at(0));
  points.look(at(0), true);
  expect(points.took([seen(level, null, null, 'BadDeviceFailure')], at(0))).toHaveLength(1);
  expect(points.look(at(899_999), true)).toMatchObject({ write: [], napMs: 1 });
  expect(points.look(at(900_000), true).write).toMatchObject([{ status: 'BadDeviceFailure' }]);
  points.took([seen(level, 2, 2)], at(900_001));
  expect(points.look(at(1_800_001), true).write).toEqual([]);
});

it('drops what a source that was asked anew says once more, unless a gap was told', () => {
  const points = new PushedPoints([level], at(0));
  points.look(at(0), true);
  const first = seen(level, 1, 100);
  expect(points.took([first], at(0))).toEqual([first]);
  expect(points.took([first], at(10))).toEqual([]);
  expect(points.took([{ ...first, status: 'GoodClamped' }], at(20))).toHaveLength(1);
  expect(points.took([seen(level, 1, 101)], at(30))).toHaveLength(1);
  points.look(at(100), false);
  points.look(at(5_000), false);
  expect(points.took([seen(level, 1, 101)], at(6_000))).toHaveLength(1);
});

it('dates what was true before a gap at its arrival, so that the gap is not the newest that is known', () => {
  const points = new PushedPoints([level], at(0));
  points.look(at(0), true);
  points.look(at(100_000), false);
  expect(points.look(at(103_000), false).write).toMatchObject([{ status: 'BadNotConnected' }]);
  // The clock stands still here: these times are seconds before each look.
  const changed = (value: number, secondsAgo: number): Observation => {
    const { wallMs } = clock.now();
    return {
      ...seen(level, value, wallMs - secondsAgo * 1_000),
      timeMs: wallMs - secondsAgo * 1_000,
      timeSource: 'device',
    };
  };
  const [old, before, after] = [changed(1, 50), changed(2, 20), changed(3, 5)];
  // Of several the last is what is true now; those before it were true at their time.
  expect(points.took([old, before], at(110_000))).toEqual([old, { ...before, timeMs: null, timeSource: 'gateway' }]);
  expect(points.took([before], at(110_000))).toEqual([]);
  expect(points.took([after], at(110_000))).toEqual([after]);
});

it('leaves what a source kept while the link was lost at its own time, and takes the present value for the end of the gap', () => {
  const points = new PushedPoints([level], at(0));
  points.look(at(0), true);
  points.look(at(100_000), false);
  expect(points.look(at(103_000), false).write).toHaveLength(1);
  const changed = (value: number, secondsAgo: number): Observation => {
    const timeMs = clock.now().wallMs - secondsAgo * 1_000;
    return { ...seen(level, value, timeMs), timeMs, timeSource: 'device' };
  };
  const [first, second] = [changed(1, 12), changed(2, 9)];
  const late = [first, second].map((one): Observation => ({ ...one, isLate: true }));
  // A message each, at 110 s: they were true at 98 s and 101 s.
  expect(late.map((one) => points.took([one], at(110_000)))).toEqual(late.map((one) => [one]));
  expect(points.took([second], at(110_100))).toEqual([{ ...second, timeMs: null, timeSource: 'gateway' }]);
  expect(points.took([second], at(110_200))).toEqual([]);
});

it('knows nothing of points that it does not have', () => {
  const points = new PushedPoints([level], at(0));
  expect(points.took([seen(pointInfo({ point: 'other' }), 1, 1)], at(0))).toEqual([]);
});
