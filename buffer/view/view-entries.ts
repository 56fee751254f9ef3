import type { Kept, Seq, Stream } from '../../agent/reading.ts';
import { laneOf, waitsForDate } from '../protocol.ts';
import type { BufferView, OpenSegment, ViewedSegment } from './view.ts';

export interface ViewedEntry {
  readonly entry: Kept;
  /** Delivered, or in the dead letters; its segment has not been removed yet. */
  readonly isSettled: boolean;
  /** It waits until the clock is right: its time is that of a wrong one. */
  readonly isHeld: boolean;
}

/** All entries of one commit, in the order of their numbers; `damaged`: its frames that cannot be read. */
export interface ViewedCommit {
  readonly entries: readonly ViewedEntry[];
  readonly damaged: readonly { readonly row: Seq; readonly why: string }[];
}

/**
 * The commits of a segment, oldest first, one in memory at a time. Throws what SQLite throws where the file is damaged: what came before holds.
 * `lanes`: only these.
 */
export function* commitsOf(
  view: BufferView,
  segment: ViewedSegment,
  lanes: readonly Stream[],
): Generator<ViewedCommit> {
  yield* view.each(segment, (open) => commitsIn(view, open, lanes));
}

function* commitsIn(
  view: BufferView,
  { file, decode }: OpenSegment,
  lanes: readonly Stream[],
): Generator<ViewedCommit> {
  const wanted = new Set(lanes.map(laneOf));
  let entries: ViewedEntry[] = [];
  let damaged: { row: Seq; why: string }[] = [];
  let through = 0;
  const taken = (): ViewedCommit => {
    const commit = { entries: entries.toSorted((a, b) => a.entry.seq - b.entry.seq), damaged };
    entries = [];
    damaged = [];
    return commit;
  };
  for (const frame of file.frames()) {
    // The lanes' numbers interleave within a commit, never between two.
    if (frame.first > through && entries.length + damaged.length > 0) yield taken();
    if (!frame.isSound) {
      damaged.push({ row: frame.first, why: 'its checksum is wrong' });
      continue;
    }
    through = Math.max(through, frame.last);
    if (!wanted.has(frame.lane)) continue;
    const settled = view.settled[frame.lane];
    const heldFrom = view.heldFrom !== null && waitsForDate(frame.lane) ? view.heldFrom : Infinity;
    try {
      for (const entry of decode(frame)) {
        const isSettled = settled?.has(entry.seq) === true;
        entries.push({ entry, isSettled, isHeld: !isSettled && entry.seq >= heldFrom });
      }
    } catch (error) {
      damaged.push({
        row: frame.first,
        why: `it cannot be decoded: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  }
  yield taken();
}
