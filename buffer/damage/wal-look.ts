import { readFileSync } from 'node:fs';
import { firstBytes, isMissing } from '../segments/stable-copy.ts';
import { examineWal } from './wal.ts';
import type { WalFindings } from './wal.ts';

const sound: WalFindings = { verdict: 'sound', readable: 0, unreadable: 0 };
/** A writer may be at work: what it had not written at the first look it has at the next. */
const mostLooks = 5;

/** The WAL beside a segment as it lies there. Look before SQLite opens the file: that changes it. Throws what the file system throws. */
export function lookAtWal(file: string): WalFindings {
  let before = lookedAt(file);
  for (let look = 1; look < mostLooks && before.verdict !== 'sound'; look++) {
    const now = lookedAt(file);
    if (now.verdict === before.verdict && now.readable === before.readable) return now;
    before = now;
  }
  return before;
}

/** For a person: what of it is missing. Empty for a sound one. */
export function walText({ verdict, readable, unreadable }: WalFindings): string {
  if (verdict === 'sound') return '';
  const which =
    unreadable === 0
      ? 'its WAL is not there'
      : `of its WAL's ${readable + unreadable} frames the last ${unreadable} cannot be read`;
  return verdict === 'damaged'
    ? `${which}: entries that were accepted are missing; how many cannot be known`
    : unreadable === 0
      ? `${which}: a stop that was cut short leaves it so, and nothing is missing; if the file was removed, what it held is`
      : `${which}: a power cut during a commit leaves it so, and nothing accepted is missing; if it was damaged later, the last commit is`;
}

function lookedAt(file: string): WalFindings {
  const shm = firstBytes(`${file}-shm`, 136);
  let wal: Uint8Array | null = null;
  try {
    wal = readFileSync(`${file}-wal`);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  // Byte 18 of SQLite's header: 2 is WAL mode.
  if (wal === null && firstBytes(file, 20)[18] !== 2) return sound;
  return examineWal(wal, shm);
}
