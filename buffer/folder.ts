import { closeSync, fsyncSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A folder, made with those above it if missing, so that a power cut leaves it: its name is on disk when this returns. */
export function makeFolder(path: string): void {
  const topmost = mkdirSync(path, { recursive: true });
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) syncFolder(dirname(made));
}

export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The file system of the folder is mounted read-only, or has become so by itself, as ext4 does after an error: that shows only in writing. */
export function isReadOnly(folder: string): boolean {
  const probe = join(folder, 'probe');
  try {
    closeSync(openSync(probe, 'w'));
    rmSync(probe, { force: true });
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EROFS';
  }
}
