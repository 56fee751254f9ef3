import type { Seq } from '../../agent/reading.ts';
import type { Range, Settled } from '../ranges.ts';
import { mostRanges } from '../ranges.ts';

/**
 * The numbers up to `end` that no segment can carry and that no lane has delivered: their files were removed by somebody else. Only after an end in order, when all
 * that was delivered is on disk: each number of a segment that we removed ourselves is settled in its lane. `segments`: in order.
 */
export function removedByOthers(segments: readonly Range[], end: Seq, settled: readonly Settled[]): Range[] {
  // What did not fit into a row counts as unsettled.
  if (settled.some(({ ranges }) => ranges.length >= mostRanges)) return [];
  const there = [
    ...segments,
    ...settled.flatMap(({ position, ranges }) => [{ first: 1, last: position }, ...ranges]),
  ].toSorted((a, b) => a.first - b.first);
  const gaps: Range[] = [];
  let next = 1;
  for (const { first, last } of there) {
    if (first > next && next <= end) gaps.push({ first: next, last: Math.min(first - 1, end) });
    next = Math.max(next, last + 1);
  }
  if (next <= end) gaps.push({ first: next, last: end });
  return gaps;
}
