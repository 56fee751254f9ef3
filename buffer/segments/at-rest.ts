import { statSync } from 'node:fs';
import { firstBytes } from './stable-copy.ts';

/**
 * Nobody writes to this SQLite file any more: its header names no WAL mode (bytes 18 and 19), and nothing lies beside it that would have to be played
 * back. Such a file is opened read-only.
 */
export function isAtRest(file: string): boolean {
  const header = firstBytes(file, 20);
  return (
    header[18] === 1 &&
    ['-wal', '-journal'].every((tail) => statSync(file + tail, { throwIfNoEntry: false }) === undefined)
  );
}
