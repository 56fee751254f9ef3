import { expect, test } from 'vitest';
import { Rounds, nextOf } from '../../../drivers/modbus/line-order.ts';

const waiting = (dueMs: number, spentMs = 0, isCounter = false, turn = 0): Parameters<typeof nextOf>[0][number] => ({
  dueMs,
  spentMs,
  isCounter,
  turn,
});

test.each([
  ['the soonest due goes first', [waiting(20), waiting(10)], 100, 1],
  ['of equals the one that had the line longest ago', [waiting(10, 0, false, 1), waiting(10, 0, false, 0)], 100, 1],
  ['of equals in that too the one that waits longest', [waiting(10), waiting(10)], 100, 0],
  ['what a slow one has had of the line counts as being due later', [waiting(0, 800), waiting(500)], 1000, 1],
  ['and who is due later still waits for it', [waiting(0, 800), waiting(900)], 1000, 0],
  ['a counter goes before a gauge when it is late', [waiting(0), waiting(100, 0, true)], 1200, 1],
  ['and not before', [waiting(0), waiting(100, 0, true)], 1100, 0],
  ['of late counters the soonest due', [waiting(50, 0, true), waiting(40, 0, true)], 5000, 1],
])('%s', (_, all, nowMs, index) => {
  expect(nextOf(all, nowMs)).toBe(all[index]);
});

test('of nobody there is nobody next', () => {
  expect(nextOf([], 0)).toBeUndefined();
});

test('nobody starves on an over-full line: each gets a turn before anybody gets many', () => {
  const all = [0, 1, 2].map((turn) => ({ dueMs: 0, spentMs: 0, isCounter: false, turn, turns: 0 }));
  let nowMs = 0;
  for (let turn = 0; turn < 300; turn++) {
    const next = nextOf(all, nowMs);
    if (next === undefined) throw new Error('somebody waits');
    next.turns++;
    const tookMs = next === all[0] ? 800 : 10;
    next.spentMs += tookMs;
    nowMs += tookMs;
    // Quick ones come back with their next slot.
    if (next !== all[0]) Object.assign(next, { dueMs: nowMs, spentMs: 0 });
  }
  expect(all.map(({ turns }) => turns > 2)).toEqual([true, true, true]);
});

test('what is due at one slot is due at once, whichever ms each poller makes of it', () => {
  const rounds = new Rounds();
  expect([1000, 1001, 999, 2000, 1999, 2001, 1000].map((dueMs) => rounds.dueMs(dueMs))).toEqual([
    1000, 1000, 1000, 2000, 2000, 2000, 1000,
  ]);
});
