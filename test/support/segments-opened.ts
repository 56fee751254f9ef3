import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLog } from '../torture/log.ts';
import { Shim } from '../torture/shim.ts';

const opens: ReadonlySet<string> = new Set(['create', 'open', 'look']);

/**
 * The segments in a buffer's folder whose files a program opens, in order, each once: seen from outside, by the calls of libc. What the program does is no
 * matter of time, so neither is this. `args`: of Node. Throws where it ends with another code than 0.
 */
export function segmentsOpened(folder: string, args: readonly string[]): string[] {
  const place = mkdtempSync(join(tmpdir(), 'sluice-opened-'));
  const log = join(place, 'log');
  const shim = new Shim({ folder, log });
  try {
    execFileSync(process.execPath, args, { env: { ...process.env, ...shim.env }, stdio: ['ignore', 'ignore', 'pipe'] });
    const files = readLog(log).flatMap(({ kind, path }) => (opens.has(kind) ? [path] : []));
    return [...new Set(files.filter((path) => /^\d{12}-[^/]*\.db$/.test(path)))];
  } finally {
    shim.remove();
    rmSync(place, { recursive: true, force: true });
  }
}
