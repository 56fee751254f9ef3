import type { Seq } from '../../agent/reading.ts';
import type { Range } from '../ranges.ts';
import type { Extent } from './segment-format.ts';

/** Of all frames of a lane; null: there are none. */
export function extentOf(frames: readonly Extent[]): Extent | null {
  const first = frames[0];
  const last = frames.at(-1);
  if (!first || !last) return null;
  return { first: first.first, last: last.last, count: countOf(frames) };
}

/** Two lanes' extents say the same; null equals null. */
export function sameExtent(one: Extent | null, other: Extent | null): boolean {
  return one?.first === other?.first && one?.last === other?.last && one?.count === other?.count;
}

/** The last seq of all lanes; 0: they have none. */
export function endOf(lanes: readonly (Extent | null)[]): Seq {
  return Math.max(0, ...lanes.map((lane) => lane?.last ?? 0));
}

/** Entries in all of them. */
export function countOf(frames: readonly Extent[] | undefined): number {
  return frames?.reduce((sum, { count }) => sum + count, 0) ?? 0;
}

/** What of it lies at or behind `from`, as if its entries lay evenly. */
export function partOf({ first, last, count }: Extent, from: Seq): Extent {
  return { first: from, last, count: Math.round((count * (last - from + 1)) / (last - first + 1)) };
}

/** How many numbers lie in both. */
export function overlap(range: Range, extent: Extent): number {
  return Math.max(0, Math.min(range.last, extent.last) - Math.max(range.first, extent.first) + 1);
}
