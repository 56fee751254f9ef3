import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ReadRequest } from '../../../drivers/modbus/codec.ts';
import { Doubts } from '../../../drivers/modbus/doubts.ts';

const timeoutMs = 500;
const at = (address: number, count = 10): ReadRequest => ({ unitId: 7, table: 'holding', address, count });

/** What a device does with one question: answers or refuses it after a while, or never. */
interface Habit {
  readonly does: 'answer' | 'refuse' | 'nothing';
  readonly afterMs: number;
}

/** A frame on its way back. What it was caused by is known to the test alone. */
interface Late {
  readonly cause: ReadRequest;
  readonly isRefusal: boolean;
  readonly atMs: number;
}

/** Asks as `RtuLink` does; the device answers one question after the other, however late. Every value that was made: what was asked, and what it answers. */
function played(
  polls: readonly { request: ReadRequest; pauseMs: number }[],
  habits: readonly Habit[],
): [ReadRequest, ReadRequest][] {
  const doubts = new Doubts();
  const made: [ReadRequest, ReadRequest][] = [];
  const coming: Late[] = [];
  let [nowMs, readyMs, asked] = [0, 0, 0];

  function exchange(request: ReadRequest): ReadRequest | undefined {
    const { does, afterMs } = habits[asked++ % habits.length] ?? { does: 'nothing', afterMs: 0 };
    readyMs = Math.max(readyMs, nowMs) + afterMs;
    // Nothing heard before counts: nobody waited.
    while ((coming[0]?.atMs ?? Infinity) <= nowMs) coming.shift();
    if (does !== 'nothing') coming.push({ cause: request, isRefusal: does === 'refuse', atMs: readyMs });
    const endMs = nowMs + timeoutMs;
    for (let next = coming[0]; next !== undefined && next.atMs <= endMs; next = coming[0]) {
      coming.shift();
      nowMs = Math.max(nowMs, next.atMs);
      if (next.isRefusal) {
        doubts.excepted(request, nowMs);
        return undefined;
      }
      if (next.cause.count !== request.count) continue;
      doubts.answered(request, nowMs);
      return next.cause;
    }
    nowMs = endMs;
    doubts.unanswered(request, nowMs);
    return undefined;
  }

  for (const { request, pauseMs } of polls) {
    nowMs += pauseMs;
    for (let questions = 0; questions < 4; questions++) {
      const other = doubts.questionBefore(request, nowMs);
      const cause = exchange(other ?? request);
      if (other === undefined && cause !== undefined) made.push([request, cause]);
      if (other === undefined || cause === undefined) break;
    }
  }
  return made;
}

describe('a device that answers in order, as late as it likes', () => {
  const polls = fc.array(
    fc.record({
      request: fc
        .record({ address: fc.constantFrom(0, 100), count: fc.constantFrom(1, 2, 3) })
        .map(({ address, count }) => at(address, count)),
      pauseMs: fc.constantFrom(0, 0, 100, 10_000),
    }),
    { minLength: 2, maxLength: 40 },
  );
  const habits = fc.array(
    fc.record({
      does: fc.constantFrom('answer', 'answer', 'answer', 'refuse', 'nothing'),
      afterMs: fc.constantFrom(20, 20, 400, 700, 1_100, 6_000, 60_000),
    }),
    { minLength: 1, maxLength: 12 },
  );

  test('never gives the value of one address for that of another', () => {
    fc.assert(
      fc.property(polls, habits, (some, how) => {
        for (const [request, cause] of played(some, how)) expect(cause).toEqual(request);
      }),
      { numRuns: 5000 },
    );
  });
});

test('an answer that comes after more than ten timeouts, to a line that went on, is not the next value of equal length', () => {
  const doubts = new Doubts();
  doubts.unanswered(at(0), 0);
  expect(doubts.questionBefore(at(100), 20 * timeoutMs)).toEqual(at(100, 1));
  // Asked something shorter, and answered: whatever was asked before is over.
  doubts.answered(at(100, 1), 20 * timeoutMs);
  expect(doubts.questionBefore(at(100), 20 * timeoutMs)).toBeUndefined();
});

test('a unit of which only noise is heard is asked, however long that lasts, and read as soon as it is over', () => {
  const doubts = new Doubts();
  let nowMs = 0;
  for (let poll = 0; poll < 600; poll++) {
    const request = at((poll % 3) * 100);
    doubts.unanswered(doubts.questionBefore(request, nowMs) ?? request, (nowMs += timeoutMs));
  }
  let questions = 0;
  for (let other; (other = doubts.questionBefore(at(100), nowMs)) !== undefined && questions < 10; questions++)
    doubts.answered(other, nowMs);
  expect(questions).toBeGreaterThan(0);
  expect(questions).toBeLessThan(10);
});
