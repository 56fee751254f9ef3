import { statSync } from 'node:fs';
import type { Seq } from '../../agent/reading.ts';

/** `000000012345-EPOCH`: sorts by the first seq. */
export function segmentName(first: Seq, epoch: string): string {
  return `${String(first).padStart(12, '0')}-${epoch}`;
}

/** A segment's own file, and what SQLite puts beside it. */
export const fileTails = ['', '-wal', '-shm', '-journal'];

export interface SegmentName {
  readonly first: Seq;
  readonly epoch: string;
  readonly starts: number;
}

/** First seq and epoch of a segment file's name; null for any other file. */
export function parseSegmentName(fileName: string): SegmentName | null {
  const match = /^(\d{12,16})-((\d+)-[0-9a-z]{8})\.db$/.exec(fileName);
  return match ? { first: Number(match[1]), epoch: match[2] ?? '', starts: Number(match[3]) } : null;
}

/** Bytes; 0 where there is no such file. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** So many numbers a start on a read-only disk leaves out: more than any segment whose end cannot be read then may hold. */
export const seqsAhead = 10_000_000;

/** The last number that a segment may hold by what follows it, whose start may have left numbers out. */
export function endBefore(next: SegmentName, own: SegmentName): Seq {
  const end = next.first - 1;
  return next.epoch !== own.epoch && end - own.first >= seqsAhead ? end - seqsAhead : end;
}
