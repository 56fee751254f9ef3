import { statSync } from 'node:fs';
import type { Seq } from '../agent/reading.ts';

export function segmentName(first: Seq, epoch: string): string {
  return `${String(first).padStart(12, '0')}-${epoch}`;
}

/** A segment's own file, and what SQLite puts beside it. */
export const fileTails = ['', '-wal', '-shm', '-journal'];

/** First seq and epoch of a segment file's name; null for any other file. */
export function parseSegmentName(fileName: string): { first: Seq; epoch: string; starts: number } | null {
  const match = /^(\d{12,16})-((\d+)-[0-9a-z]{8})\.db$/.exec(fileName);
  return match ? { first: Number(match[1]), epoch: match[2] ?? '', starts: Number(match[3]) } : null;
}

export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
