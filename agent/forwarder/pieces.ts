import type { Batch } from '../../buffer/buffer.ts';
import type { Kept, Seq } from '../reading.ts';

/**
 * Neighbouring entries of a lane that are sent together. `first`…`last` is the span to settle: with its neighbours it covers the
 * batch in full, entries that were settled long ago included.
 */
export interface Piece {
  readonly entries: readonly Kept[];
  readonly first: Seq;
  readonly last: Seq;
  /** Sent with the record timestamp now, because the broker may have refused the entry's own. */
  readonly datedNow: boolean;
}

export function pieceOf(batch: Batch): Piece {
  const { entries, first, last } = batch;
  return { entries, first, last, datedNow: false };
}

/** The first `count` entries and the rest: one piece if that is all of them. */
export function cut(piece: Piece, count: number): Piece[] {
  const left = piece.entries.slice(0, count);
  const right = piece.entries.slice(count);
  const [begin] = right;
  if (left.length === 0 || begin === undefined) return [piece];
  return [
    // The lanes share one sequence: what lies between two neighbours is not of this lane, yet belongs to the span.
    { ...piece, entries: left, last: begin.seq - 1 },
    { ...piece, entries: right, first: begin.seq },
  ];
}
