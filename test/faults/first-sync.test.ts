import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noShim, Shim } from '../torture/shim.ts';

const owner = fileURLToPath(new URL('../support/buffer-owner.ts', import.meta.url));

describe.skipIf(noShim !== undefined)('a segment whose first sync fails', () => {
  let base: string;
  let folder: string;
  let shim: Shim;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'sluice-first-sync-'));
    folder = join(base, 'buffer');
    mkdirSync(folder);
    shim = new Shim({ folder, rules: ['sync 0*.db nth=1 EIO'] });
  });
  afterEach(() => {
    shim.remove();
    rmSync(base, { recursive: true, force: true });
  });

  // SQLite answers `wal` before it has written that; without WAL a power cut rolls the last commit back.
  it('takes no commit unless it is in WAL mode after all', async () => {
    const child = spawn(process.execPath, [owner, folder, '64000000'], { env: { ...process.env, ...shim.env } });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const segments = readdirSync(folder).filter((name) => name.endsWith('.db') && name.startsWith('0'));
    expect(segments.map((name) => readFileSync(join(folder, name))[18])).toEqual([2]);
    child.stdout.resume();
    child.stdin.end();
    await ended;
  });
});
