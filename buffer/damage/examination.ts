import type { Seq } from '../../agent/reading.ts';
import type { DamagedSegment } from './damaged-segment.ts';
import { countOf, endOf, extentOf } from '../segments/extents.ts';
import { seqsOf } from '../frames/frame.ts';
import { missingEntries, missingRanges } from './missing.ts';
import type { MissingEntries } from './missing.ts';
import type { Settled } from '../ranges.ts';
import type { Extent } from '../segments/segment-format.ts';

/** What the examination of a damaged segment found. */
export interface Findings {
  /** Not delivered before, and not to be read any more. */
  readonly missing: readonly MissingEntries[];
  /** Where the segment ended is not known: entries from here on may be missing, too. */
  readonly openFrom: Seq | null;
  /** Nothing from here to its end is left. */
  readonly lostFrom: Seq | null;
}

/** What is known of a damaged segment without a look at it. */
export interface Known {
  readonly firstSeq: Seq;
  /** What was written; null: not known. */
  readonly lanes: readonly (Extent | null)[] | null;
  /** The last seq that was written, where something outside of it tells. */
  readonly knownEnd: Seq | null;
  readonly settled: readonly Settled[];
}

export interface Examined {
  /** Every lane's frames that can be read, in order. */
  readonly frames: Extent[][];
  readonly lanes: (Extent | null)[];
  /** The last seq that was written; null: not known. */
  readonly end: Seq | null;
  readonly findings: Findings;
}

/** Finds what is left of a damaged segment, and what is missing of it. Reads all of it. */
export function examined(rows: DamagedSegment, { firstSeq, lanes, knownEnd, settled }: Known): Examined {
  const { lanes: frames } = rows.index();
  const found = frames.map(extentOf);
  const expected = lanes ?? rows.summary();
  const lastFound = endOf(found);
  const end = expected === null ? knownEnd : endOf(expected);
  const present = frames
    .flat()
    .map((frame) => ({ ...frame, seqs: () => seqsOf(rows.read(frame.first) ?? new Uint8Array()) }));
  const ranges = missingRanges(firstSeq, end ?? lastFound, present);
  const findings = {
    missing: missingEntries(ranges, settled, expected && { expected, found }, countOf(rows.removed())),
    openFrom: end === null ? Math.max(firstSeq, lastFound + 1) : null,
    lostFrom: end !== null && lastFound < end ? Math.max(firstSeq, lastFound + 1) : null,
  };
  return { frames, lanes: found, end, findings };
}
