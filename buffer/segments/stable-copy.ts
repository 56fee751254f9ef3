import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { BufferError } from '../../agent/errors.ts';
import { fileTails } from './segment-files.ts';

/** A WAL begins anew every thousand pages; hitting that moment so often in a row means something else. */
const mostAttempts = 50;
type CopyFile = (from: string, to: string) => void;

/** Made by whoever opens the copy. */
const sharedMemory = '-shm';

/**
 * Copies a SQLite file, and what lies beside it, into `folder` while another process may be writing to it: without a lock, so that the writer
 * notices nothing. Whoever opens the copy sees the state of some commit. Returns the copy's path. Throws what the file system throws.
 *
 * Why that holds. WAL: the file is copied before its WAL. A page that a checkpoint changes meanwhile is in the WAL as well, unless the WAL began
 * anew in between, which changes its first 32 bytes; then all is copied again. A torn end of the WAL is cut off by SQLite's own checksums.
 * Rollback journal: the change counter in the file's header and the whole journal are the same before and after.
 * `copyFile`: as `copyFileSync`; tests let something happen in it.
 */
export function stableCopy(file: string, folder: string, copyFile: CopyFile = copyFileSync): string {
  const copy = join(folder, basename(file));
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const before = stateOf(file);
    for (const tail of fileTails) {
      rmSync(copy + tail, { force: true });
      if (tail !== sharedMemory && existsSync(file + tail)) copyIfThere(file + tail, copy + tail, copyFile);
    }
    if (stateOf(file) === before) return copy;
  }
  throw new BufferError('NEVER_STILL', `${file} changes faster than it can be copied; ask again`);
}

/** The header's versions, change counter and size in pages; the WAL's header; the journal. */
function stateOf(file: string): string {
  const { ino } = statSync(file);
  const parts = [firstBytes(file, 32), firstBytes(`${file}-wal`, 32), journal(`${file}-journal`)];
  return `${ino} ${parts.map((part) => part.toString('base64')).join(' ')}`;
}

function journal(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  }
}

/** The first bytes of a file; fewer, if it has fewer or is not there. */
export function firstBytes(file: string, count: number): Buffer {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  }
  try {
    const bytes = Buffer.alloc(count);
    return bytes.subarray(0, readSync(handle, bytes, 0, count, 0));
  } finally {
    closeSync(handle);
  }
}

/** Gone between the look and the copy: then the state has changed, too. */
function copyIfThere(from: string, to: string, copyFile: CopyFile): void {
  try {
    copyFile(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** The system says ENOENT. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** On disk when this returns, but for its name. */
export function copyDurably(from: string, to: string): void {
  copyFileSync(from, to);
  const handle = openSync(to, 'r+');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
