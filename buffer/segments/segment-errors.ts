import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import Database from 'better-sqlite3';
import { BufferError } from '../../agent/errors.ts';

/** Thrown before anything of the segment is given: then it is read row by row. */
export function damagedRowsIn(file: string, rows: number): BufferError {
  return new BufferError('DAMAGED_ROWS', `${file}: ${rows} of its rows are not what was written`);
}

const damageCodes = new Set([
  'FOREIGN_FILE',
  'SEGMENT_VERSION',
  'EMPTY_SEGMENT',
  'SEGMENT_GONE',
  'DAMAGED_ROWS',
  'NOTHING_SOUND',
  'NO_FILE',
]);

/** Rows of it may be found all the same. Of another version nothing is read: what its rows mean is not known. */
export function isSalvageable(error: unknown): boolean {
  const code = error instanceof BufferError ? error.code : '';
  return isDamage(error) && !['SEGMENT_VERSION', 'SEGMENT_GONE', 'NOTHING_SOUND', 'NO_FILE'].includes(code);
}

/**
 * The file itself is at fault, and will be tomorrow. Everything else (no space, no handle, a disk that fails to read, somebody else's lock) may
 * pass: then nothing is condemned.
 */
export function isDamage(error: unknown): boolean {
  // A short read: the file ends within a page.
  if (error instanceof Database.SqliteError)
    return /^SQLITE_(NOTADB|CORRUPT|ERROR|SCHEMA|MISMATCH|IOERR_SHORT_READ)/.test(error.code);
  if (error instanceof BufferError) return damageCodes.has(error.code);
  // What a decoder throws at bytes that nobody wrote.
  return error instanceof RangeError || error instanceof SyntaxError || error instanceof TypeError;
}

/** The disk did not give some of the file. That may pass; where it does not, the rest may still be read. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_IOERR');
}

/** The file system, or what the user may have of it, has no room or no inode left. */
export function isFullDisk(error: unknown): boolean {
  // Node has no name for EDQUOT.
  const isQuota = error instanceof Error && 'errno' in error && error.errno === -constants.errno.EDQUOT;
  return isQuota || /^(SQLITE_FULL|ENOSPC|EFBIG)/.test(codeOf(error));
}

/** No room, no memory, no file handle, somebody else's lock: the next start may find it gone. */
export function mayPass(error: unknown, file: string): boolean {
  if (codeOf(error).match(/^SQLITE_(FULL|BUSY|NOMEM|LOCKED)/)) return true;
  try {
    closeSync(openSync(file, 'r'));
    return false;
  } catch (cause) {
    return ['EMFILE', 'ENFILE', 'ENOMEM'].includes(codeOf(cause));
  }
}

/** What the system or SQLite calls it; '' where nobody says. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
