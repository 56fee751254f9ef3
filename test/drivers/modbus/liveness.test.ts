import { expect, test } from 'vitest';
import { Liveness } from '../../../drivers/modbus/liveness.ts';

function degraded(atMs = 0): Liveness {
  const one = new Liveness();
  for (let cycle = 0; cycle < 3; cycle++) one.failed(atMs);
  return one;
}

test('three failed cycles in a row degrade, an answer in between starts the count anew', () => {
  const one = new Liveness();
  one.failed(0);
  one.failed(1);
  one.answered();
  one.failed(2);
  one.failed(3);
  expect([one.isDegraded, one.probeDueMs]).toEqual([false, Infinity]);
  one.failed(4);
  expect([one.isDegraded, one.probeDueMs]).toEqual([true, 4]);
});

test('the first answer ends it', () => {
  const one = degraded();
  one.answered();
  expect([one.isDegraded, one.probeDueMs]).toEqual([false, Infinity]);
});

test('a probe is cut to the idle time, and comes once a minute', () => {
  const one = degraded();
  expect(one.probeMs(0, 300, 1000)).toBe(300);
  one.probed(0);
  expect(one.probeMs(59_999, 5000, 1000)).toBeNull();
  expect(one.probeMs(60_000, 5000, 1000)).toBe(1000);
});

test('where there is no idle time it waits for some, but not for ever', () => {
  const one = degraded();
  expect(one.probeMs(0, 0, 1000)).toBeNull();
  expect(one.probeMs(59_999, 19, 1000)).toBeNull();
  expect(one.probeMs(60_000, 0, 1000)).toBe(20);
});

test('once in eight minutes one gets its whole timeout', () => {
  const one = degraded();
  const waits: (number | null)[] = [];
  for (let minute = 0; minute < 17; minute++) {
    waits.push(one.probeMs(minute * 60_000, 100, 1000));
    one.probed(minute * 60_000);
  }
  expect(waits).toEqual([...Array<number>(8).fill(100), 1000, ...Array<number>(7).fill(100), 1000]);
});

test('where there is never idle time too', () => {
  const one = degraded();
  const full: number[] = [];
  for (let atMs = 0; atMs < 1_200_000; atMs += 1000) {
    const waitMs = one.probeMs(atMs, 0, 1000);
    if (waitMs === 1000) full.push(atMs / 60_000);
    if (waitMs !== null) one.probed(atMs);
  }
  expect(full).toEqual([9, 17]);
});

test('one that waits for its turn on a line that has idle time is not overdue', () => {
  const one = degraded();
  const turn = { sinceMs: 50_000, againInMs: 0 };
  expect(one.probeMs(100_000, 0, 1000, turn)).toBeNull();
  expect(one.probeMs(110_000, 0, 1000, turn)).toBe(20);
});
