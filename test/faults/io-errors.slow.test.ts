import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Ledger } from '../torture/ledger.ts';
import type { CutVerdict, Mark } from '../torture/ledger.ts';
import { bufferPath, fastFolder } from '../torture/record.ts';
import { restart } from '../torture/restart.ts';
import { noShim, Shim } from '../torture/shim.ts';

const workload = fileURLToPath(new URL('../torture/workload.ts', import.meta.url));
const someMinutes = 240_000;
const sickMs = 4_000;
/** Segments, and what lies beside them. */
const segments = `${bufferPath}/0*`;

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(fastFolder, 'sluice-eio-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Works on a disk that is sick for some seconds; then a start on what is there. */
async function worked(rule: string, seed: number): Promise<CutVerdict & { said: string }> {
  const [folder, marks] = [join(base, 'disk'), join(base, 'marks')];
  mkdirSync(folder);
  writeFileSync(marks, '');
  const shim = new Shim({ folder, marks, seed, rules: [rule] });
  const args = [workload, join(folder, bufferPath), marks, String(seed), '100', 'close'];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...shim.env },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  try {
    while (!readFileSync(marks, 'utf8').includes('"accepted"') && child.exitCode === null) await sleep(20);
    await Promise.race([sleep(sickMs), ended]);
    shim.setRules([]);
    const [code] = await ended;
    if (code !== 0) throw new Error(`it ended with ${code}:\n${said}`);
  } finally {
    child.kill('SIGKILL');
    shim.remove();
  }
  const ledger = new Ledger();
  const lines = readFileSync(marks, 'utf8').trim().split('\n');
  for (const [at, line] of lines.entries()) ledger.note(JSON.parse(line) as Mark, at);
  const drained = await restart(filesIn(folder), { twice: true });
  const verdict = ledger.judge(drained, lines.length, true);
  expect(ledger.acceptedBefore(lines.length)).toBeGreaterThan(300);
  return { ...verdict, wrong: [...ledger.wrong, ...verdict.wrong], said };
}

function filesIn(folder: string): Map<string, Uint8Array | 'folder'> {
  const paths = (readdirSync(folder, { recursive: true }) as string[]).toSorted();
  return new Map(
    paths.map((path) => [
      path,
      statSync(join(folder, path)).isDirectory() ? 'folder' : readFileSync(join(folder, path)),
    ]),
  );
}

describe.skipIf(noShim !== undefined)('a disk that fails', () => {
  it.each<[string, string]>([
    ['one sync of a WAL, and then answers well', `sync ${segments}-wal nth=40 EIO`],
    ['every fifth sync of a WAL', `sync ${segments}-wal every=5 EIO`],
    ['every third sync of a segment', `sync ${segments}.db every=3 EIO`],
    ['one write in a hundred', `write ${segments} p=0.01 EIO`],
    ['one write in twenty by half', `write ${segments} p=0.05 short`],
    ['one of a hundred of all calls', `* ${segments} p=0.01 EIO`],
    ['every write for seconds', `write ${segments} from=200 EIO`],
    ['every sync for seconds', `sync ${segments} from=60 EIO`],
    // A user's disk quota that is used up: a full disk, though SQLite does not call it that.
    ['every write of a user who has no room left', 'write,truncate,create * from=300 EDQUOT'],
    ['one read in a hundred', `read ${segments} p=0.01 EIO`],
  ])(
    '%s: nothing accepted is lost or altered, and what comes again is the same',
    async (_, rule) => {
      const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
      const { lost, wrong, said } = await worked(rule, seed);
      expect({ seed, lost, wrong }).toEqual({ seed, lost: [], wrong: [] });
      if (/every=5|from=.*EIO/.test(rule)) expect(said).toMatch(/a commit failed/);
      if (rule.includes('EDQUOT')) expect(said).toMatch(/the disk is full: the ballast is given up/);
    },
    someMinutes,
  );
});
