import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLog } from './log.ts';
import { noShim, Shim } from './shim.ts';

/** What a process of its own does in `folder` (and in `outside`), as a script; its standard output. */
const head = `
import Database from 'better-sqlite3';
import fs from 'node:fs';
const [folder, outside] = process.argv.slice(1);
const tried = (act) => { try { act(); return 'ok'; } catch (error) { return error.code; } };
function table(file) {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE t (a)');
  return db;
}
`;

describe.skipIf(noShim !== undefined)('the shim between a process and its disk', () => {
  let base: string;
  let folder: string;
  let outside: string;
  let shim: Shim | null = null;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'sluice-shim-test-'));
    folder = join(base, 'in');
    outside = join(base, 'out');
    mkdirSync(folder);
    mkdirSync(outside);
  });
  afterEach(() => {
    shim?.remove();
    rmSync(base, { recursive: true, force: true });
  });

  function made(some: Partial<ConstructorParameters<typeof Shim>[0]>): Shim {
    shim = new Shim({ folder, ...some });
    return shim;
  }

  function run(script: string, { env }: Shim): { status: number | null; lines: string[]; stderr: string } {
    const all = ['--input-type=module', '-e', head + script, folder, outside];
    const { status, stdout, stderr } = spawnSync(process.execPath, all, {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    return { status, lines: stdout.trim().split('\n'), stderr };
  }

  it('fails the calls of SQLite and of Node that its rules name, below its folder only', () => {
    const shimmed = made({
      rules: ['write *.db-wal from=20 ENOSPC', 'sync *.txt always EIO', 'unlink [bc]* nth=2 EACCES'],
    });
    const { lines } = run(
      `const db = table(folder + '/a.db');
       console.log(tried(() => { for (let i = 0; i < 50; i++) db.exec('INSERT INTO t VALUES (1)'); }));
       const there = table(outside + '/a.db');
       console.log(tried(() => { for (let i = 0; i < 50; i++) there.exec('INSERT INTO t VALUES (1)'); }));
       const fd = fs.openSync(folder + '/b.txt', 'w');
       console.log(tried(() => fs.fsyncSync(fd)), tried(() => fs.fdatasyncSync(fd)));
       fs.writeFileSync(folder + '/c', '');
       console.log(tried(() => fs.rmSync(folder + '/c')), tried(() => fs.unlinkSync(folder + '/b.txt')));`,
      shimmed,
    );
    expect(lines).toEqual(['SQLITE_FULL', 'ok', 'EIO EIO', 'ok EACCES']);
    expect(readdirSync(folder)).toContain('b.txt');
    expect(readdirSync(folder)).not.toContain('c');
  });

  it('ends the process at a given call, delays, shortens and swallows', () => {
    const rules = [
      '* d nth=2 exit',
      'write a nth=1 short',
      'write a from=2 ENOSPC',
      'sync a always swallow',
      'sync b always delay=80..120',
    ];
    const { status, lines } = run(
      `const [a, b, d] = ['a', 'b', 'd'].map((name) => fs.openSync(folder + '/' + name, 'w'));
       console.log(tried(() => fs.writeFileSync(a, 'abcd')), tried(() => fs.fsyncSync(a)));
       const from = performance.now();
       fs.fsyncSync(b);
       console.log(performance.now() - from >= 80);
       fs.writeSync(d, 'never');
       console.log('not reached');`,
      made({ rules }),
    );
    expect({ status, lines }).toEqual({ status: 137, lines: ['ENOSPC ok', 'true'] });
    expect(['a', 'd'].map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual(['ab', '']);
  });

  it('takes other rules while the process runs, and refuses what is no rule', async () => {
    const shimmed = made({});
    const script = `${head} process.stdin.on('data', () => console.log(tried(() => fs.mkdirSync(folder + '/x'))));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder, outside], {
      env: { ...process.env, ...shimmed.env },
    });
    const asked = (): Promise<string> =>
      new Promise((resolve) => {
        child.stdout.once('data', (text: unknown) => resolve(String(text).trim()));
        child.stdin.write('\n');
      });
    shimmed.setRules(['mkdir x always ENOSPC']);
    const full = await asked();
    shimmed.setRules([]);
    const well = await asked();
    child.stdin.end();
    await new Promise((resolve) => child.once('exit', resolve));
    expect([full, well]).toEqual(['ENOSPC', 'ok']);
    shimmed.setRules(['write * sometimes EIO']);
    expect(run(`fs.writeFileSync(folder + '/y', 'y');`, shimmed)).toMatchObject({
      status: 120,
      stderr: expect.stringContaining('no rule: write * sometimes EIO') as string,
    });
  });

  it('gives the same faults for the same seed', () => {
    const script = `const fd = fs.openSync(folder + '/a', 'w');
      console.log(Array.from({ length: 60 }, () => (tried(() => fs.writeSync(fd, 'a')) === 'ok' ? '.' : 'x')).join(''));`;
    const runs = [7, 7, 8].map((seed) => run(script, made({ rules: ['write a p=0.3 EIO'], seed })).lines[0]);
    expect(runs[0]).toBe(runs[1]);
    expect(runs[0]).not.toBe(runs[2]);
    expect(runs[0]).toMatch(/x.*x/);
  });

  it('records every change with its data, in its order, and marks in their place', () => {
    const marks = join(outside, 'marks');
    const log = join(outside, 'log');
    run(
      `const marks = fs.openSync(${JSON.stringify(marks)}, 'a');
       const db = table(folder + '/a.db');
       fs.writeSync(marks, 'before');
       db.exec("INSERT INTO t VALUES ('accepted one')");
       fs.writeSync(marks, 'after');
       db.close();
       fs.writeFileSync(folder + '/from', 'text');
       fs.copyFileSync(folder + '/from', folder + '/copy');
       fs.renameSync(folder + '/copy', folder + '/to');
       fs.rmSync(folder + '/from');
       fs.writeFileSync(outside + '/unseen', 'text');`,
      made({ log, marks }),
    );
    const ops = readLog(log);
    const said = ops.map(({ kind, path, newPath }) => `${kind} ${path}${newPath === '' ? '' : ` ${newPath}`}`);
    const textOf = (at: number): string => Buffer.from(ops[at]?.data ?? []).toString('latin1');
    const marked = said.flatMap((text, at) => (text === 'mark :marks' ? [at] : []));
    expect(marked.map(textOf)).toEqual(['before', 'after']);
    const [before = 0, after = 0] = marked;
    const between = said.slice(before, after);
    expect(between).toContain('sync a.db-wal');
    expect(ops.slice(before, after).some(({ data }) => Buffer.from(data).includes('accepted one'))).toBe(true);
    expect(ops.some(({ kind, path }) => kind === 'index' && path === 'a.db-shm')).toBe(true);
    const copied = said.findLastIndex((text) => text === 'write copy');
    expect(textOf(copied)).toBe('text');
    expect(said.slice(copied)).toEqual(expect.arrayContaining(['rename copy to', 'unlink from']));
    expect(said.some((text) => text.includes('unseen'))).toBe(false);
  });
});
