import { messageOf } from '../../agent/errors.ts';
import { streams } from '../../agent/reading.ts';
import type { Seq, Stream } from '../../agent/reading.ts';
import type { Range } from '../ranges.ts';
import { deadLettersFile } from '../dead-letters.ts';
import { commitsOf } from './view-entries.ts';
import type { RemovedRun } from '../segments/segment-format.ts';
import type { BufferView, ViewedSegment } from './view.ts';

/** A row that is not what was written, or (`row` null) a file that cannot be read from there on. */
export interface Damaged {
  /** The segment, or `dead-letters`. */
  readonly segment: string;
  readonly table: string | null;
  readonly row: number | null;
  readonly why: string;
}

/** Numbers that no sound frame of a segment carries, though it should. */
export interface Missing {
  readonly segment: string;
  readonly ranges: readonly Range[];
  readonly count: number;
  /** How many of them were not delivered before, as far as can be told: what is lost. */
  readonly lost: number;
  /** The lanes they may belong to. */
  readonly lanes: readonly Stream[];
}

export interface AuditedSegment {
  /** Rows looked at. */
  readonly rows: number;
  readonly entries: number;
  readonly damaged: readonly Damaged[];
  readonly missing: Missing | null;
  /** Entries that were taken out of it to make room: delivered, or dropped and told as loss. */
  readonly removed: number;
}

/** Examines every row of a segment by its CRC, and every frame by decoding it. */
export function auditSegment(view: BufferView, segment: ViewedSegment): AuditedSegment {
  const damaged: Damaged[] = [];
  const tell = (table: string | null, row: number | null, why: string): void => {
    damaged.push({ segment: segment.name, table, row, why });
  };
  let rows = 0;
  const guarded = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!damaged.some(({ row }) => row === null)) tell(null, null, messageOf(error));
      return undefined;
    }
  };
  guarded(() => {
    for (const { table, row, isSound } of view.each(segment, ({ file }) => file.rows())) {
      rows += 1;
      if (!isSound && table !== 'frames') tell(table, row, 'its checksum is wrong');
    }
  });
  const found = new Gaps(segment.firstSeq);
  guarded(() => {
    for (const commit of commitsOf(view, segment, streams)) {
      for (const { row, why } of commit.damaged) tell('frames', row, why);
      for (const { entry } of commit.entries) found.add(entry.seq, entry.stream);
    }
  });
  const summary = guarded(() => view.use(segment, ({ file }) => file.summary())) ?? null;
  const next = view.segments[view.segments.indexOf(segment) + 1];
  // Without a summary, where it should have ended is known only if the next one goes on there.
  const end =
    summary !== null
      ? Math.max(0, ...summary.map((lane) => lane?.last ?? 0))
      : damaged.some(({ row }) => row === null) && next?.epoch === segment.epoch
        ? next.firstSeq - 1
        : 0;
  found.endAt(end);
  const lanes = streams.filter(
    (stream, at) => summary === null || (summary[at]?.count ?? 0) > (found.counts.get(stream) ?? 0),
  );
  const removed = guarded(() => view.use(segment, ({ file }) => file.removed())) ?? [];
  // What is missing in no lane was taken out when the segment was written anew: delivered, or told.
  const isAll = summary !== null && lanes.length === 0;
  const missing = isAll ? null : missingOf(view, segment, found.ranges, lanes, removed);
  return { rows, entries: found.entries, damaged, missing, removed: countOf(removed) };
}

const countOf = (runs: readonly { readonly count: number }[]): number =>
  runs.reduce((sum, { count }) => sum + count, 0);

/** The dead letters whose row is damaged. */
export function auditDeadLetters(view: BufferView): Damaged[] {
  const segment = deadLettersFile.replace(/\.db$/, '');
  const damaged: Damaged[] = [];
  try {
    for (const { seq, isSound } of view.deadLetters())
      if (!isSound) damaged.push({ segment, table: 'letters', row: seq, why: 'its checksum is wrong' });
  } catch (error) {
    damaged.push({ segment, table: null, row: null, why: messageOf(error) });
  }
  return damaged;
}

function missingOf(
  view: BufferView,
  segment: ViewedSegment,
  gaps: readonly Range[],
  lanes: readonly Stream[],
  removed: readonly RemovedRun[],
): Missing | null {
  const { inside, outside } = split(gaps, removed);
  const taken = seqsOf(inside);
  // A run tells how many of its numbers were its lane's: what is missing beyond that was another's.
  const excess = Math.max(0, taken.length - countOf(removed));
  const ranges = excess > 0 ? gaps : outside;
  if (ranges.length === 0) return null;
  const settled = streams.flatMap((stream, at) => (lanes.includes(stream) ? [view.settled[at]] : []));
  const isLost = (seq: Seq): boolean => !settled.every((lane) => lane?.has(seq) === true);
  const others = seqsOf(outside);
  return {
    segment: segment.name,
    ranges,
    count: others.length + excess,
    lost: others.filter(isLost).length + Math.min(excess, taken.filter(isLost).length),
    lanes,
  };
}

function seqsOf(ranges: readonly Range[]): Seq[] {
  return ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
}

/** Parts of the gaps that lie inside of a run, and the others. */
function split(gaps: readonly Range[], runs: readonly RemovedRun[]): { inside: Range[]; outside: Range[] } {
  const inside: Range[] = [];
  const outside: Range[] = [];
  const ordered = runs.toSorted((a, b) => a.first - b.first);
  for (const { first, last } of gaps) {
    let from = first;
    for (const run of ordered) {
      if (run.last < from) continue;
      if (run.first > last) break;
      if (run.first > from) outside.push({ first: from, last: run.first - 1 });
      inside.push({ first: Math.max(from, run.first), last: Math.min(last, run.last) });
      from = run.last + 1;
      if (from > last) break;
    }
    if (from <= last) outside.push({ first: from, last });
  }
  return { inside, outside };
}

/** Which numbers are passed over when they come in ascending order. */
class Gaps {
  readonly ranges: Range[] = [];
  readonly counts = new Map<Stream, number>();
  entries = 0;
  #next: Seq;

  constructor(first: Seq) {
    this.#next = first;
  }

  add(seq: Seq, stream: Stream): void {
    this.entries += 1;
    this.counts.set(stream, (this.counts.get(stream) ?? 0) + 1);
    this.endAt(seq - 1);
    this.#next = seq + 1;
  }

  /** Everything up to here should have come. */
  endAt(last: Seq): void {
    if (last < this.#next) return;
    this.ranges.push({ first: this.#next, last });
    this.#next = last + 1;
  }
}
