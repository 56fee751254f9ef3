import { closeSync, fsyncSync, mkdirSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf } from './segments/segment-errors.ts';

/** A folder, made with those above it if missing, so that a power cut leaves it: its name is on disk when this returns. */
export function makeFolder(path: string): void {
  const topmost = mkdirSync(path, { recursive: true });
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) syncFolder(dirname(made));
}

/** Names in this folder are on disk when it returns. Throws what the system says. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * The file system of the folder (of the nearest above it, if it is missing) is mounted read-only, or has become so by itself, as ext4 does after an
 * error: that shows only in writing.
 */
export function isReadOnly(folder: string): boolean {
  const probe = join(folder, 'probe');
  try {
    closeSync(openSync(probe, 'w'));
    rmSync(probe, { force: true });
    return false;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? isNotToBeMade(folder) : codeOf(error) === 'EROFS';
  }
}

function isNotToBeMade(folder: string): boolean {
  try {
    mkdirSync(folder);
    rmdirSync(folder);
    return false;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(folder) !== folder) return isNotToBeMade(dirname(folder));
    return codeOf(error) === 'EROFS';
  }
}
