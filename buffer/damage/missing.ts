import type { Seq } from '../../agent/reading.ts';
import type { Range, Settled } from '../ranges.ts';
import type { Extent } from '../segments/segment-format.ts';

/** Entries that a segment should give and does not. */
export interface MissingEntries {
  /** null: of which lane is not known. */
  readonly lane: number | null;
  /** At most so many. */
  readonly count: number;
  /** They lie between. */
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
}

/** A frame that is there. `seqs`: asked only where frames interleave with a gap; may throw for one that cannot be decoded, which then counts as whole. */
export interface PresentFrame extends Extent {
  readonly seqs: () => readonly Seq[];
}

/** The numbers from `first` to `last` that no frame carries. A segment's numbers have no gaps, but the frames of a commit interleave. */
export function missingRanges(first: Seq, last: Seq, frames: readonly PresentFrame[]): Range[] {
  const missing: Range[] = [];
  let next = first;
  const upTo = (end: Seq): void => {
    if (end >= next) missing.push({ first: next, last: end });
  };
  for (const group of interleaved(frames)) {
    const from = group[0]?.first ?? next;
    const to = Math.max(...group.map((frame) => frame.last));
    upTo(Math.min(from - 1, last));
    next = Math.max(next, from);
    const isWhole = group.reduce((sum, { count }) => sum + count, 0) === to - from + 1;
    for (const seq of isWhole ? [] : group.flatMap(numbersOf).toSorted((a, b) => a - b)) {
      upTo(seq - 1);
      next = Math.max(next, seq + 1);
    }
    next = Math.max(next, to + 1);
  }
  upTo(last);
  return missing;
}

/**
 * What of the missing numbers is a loss: those not delivered before. `expected`: every lane's extent as it should be, which tells the lane and the count; null: not
 * known. `found`: as it is. `removed`: so many of the missing were taken out on purpose.
 */
export function missingEntries(
  missing: readonly Range[],
  settled: readonly Settled[],
  lanes: { readonly expected: readonly (Extent | null)[]; readonly found: readonly (Extent | null)[] } | null,
  removed = 0,
): MissingEntries[] {
  if (lanes === null) {
    const lost = joined(settled.flatMap((lane) => missing.flatMap((range) => unsettledIn(range, lane))));
    return told(null, lost, sizeOf(missing) - removed);
  }
  return lanes.expected.flatMap((extent, lane) => {
    const most = (extent?.count ?? 0) - (lanes.found[lane]?.count ?? 0);
    const done = settled[lane];
    if (extent === null || done === undefined || most <= 0) return [];
    const lost = missing.flatMap(({ first, last }) =>
      unsettledIn({ first: Math.max(first, extent.first), last: Math.min(last, extent.last) }, done),
    );
    return told(lane, lost, most);
  });
}

function told(lane: number | null, lost: readonly Range[], most: number): MissingEntries[] {
  const count = Math.min(sizeOf(lost), most);
  const [firstSeq, lastSeq] = [lost[0]?.first, lost.at(-1)?.last];
  if (count <= 0 || firstSeq === undefined || lastSeq === undefined) return [];
  return [{ lane, count, firstSeq, lastSeq }];
}

function sizeOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** In order. Numbers are not walked one by one: the end of a range may be a damaged file's name. */
function unsettledIn({ first, last }: Range, settled: Settled): Range[] {
  const open: Range[] = [];
  let next = Math.max(first, settled.position + 1);
  for (const range of settled.ranges) {
    if (range.first > next) open.push({ first: next, last: Math.min(range.first - 1, last) });
    next = Math.max(next, range.last + 1);
  }
  open.push({ first: next, last });
  return open.filter((range) => range.first <= range.last);
}

function joined(ranges: readonly Range[]): Range[] {
  const whole: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = whole.at(-1);
    if (before && range.first <= before.last + 1)
      whole[whole.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    else whole.push(range);
  }
  return whole;
}

/** Frames whose numbers lie between each other's, together. */
function interleaved(frames: readonly PresentFrame[]): PresentFrame[][] {
  const groups: PresentFrame[][] = [];
  let end = -1;
  for (const frame of frames.toSorted((a, b) => a.first - b.first)) {
    const group = groups.at(-1);
    if (group && frame.first <= end) group.push(frame);
    else groups.push([frame]);
    end = Math.max(end, frame.last);
  }
  return groups;
}

function numbersOf({ first, last, seqs }: PresentFrame): readonly Seq[] {
  try {
    return seqs();
  } catch {
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  }
}
