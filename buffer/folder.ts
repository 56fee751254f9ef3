import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from './segment.ts';

/** A folder, made with those above it if missing, so that a power cut leaves it: its name is on disk when this returns. */
export function makeFolder(path: string): void {
  const topmost = mkdirSync(path, { recursive: true });
  if (topmost === undefined) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) syncFolder(dirname(made));
}
