import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stableCopy } from '../../buffer/segments/stable-copy.ts';

let folder: string;
let file: string;
let writer: Database.Database;
let rows = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-copy-'));
  mkdirSync(join(folder, 'copies'));
  file = join(folder, 'one.db');
  writer = new Database(file);
  rows = 0;
});
afterEach(() => {
  writer.close();
  rmSync(folder, { recursive: true });
});

function begin(mode: 'WAL' | 'DELETE'): void {
  writer.pragma(`journal_mode = ${mode}`);
  writer.pragma('wal_autocheckpoint = 0');
  writer.exec(
    'CREATE TABLE rows (n INTEGER PRIMARY KEY, text TEXT, owns INTEGER DEFAULT 0); CREATE TABLE sums (id INTEGER PRIMARY KEY, rows INTEGER); INSERT INTO sums VALUES (1, 0)',
  );
  write(300);
}

/** One transaction that changes pages all over the file. */
function write(count: number): void {
  writer.transaction(() => {
    for (let at = 0; at < count; at++) writer.prepare('INSERT INTO rows (text) VALUES (?)').run('x'.repeat(200));
    rows += count;
    writer.prepare('UPDATE sums SET rows = ?').run(rows);
  })();
}

/** Takes from the last row for all others: every page changes, the sum and the size do not. */
function spread(): void {
  writer.exec(
    'BEGIN; UPDATE rows SET owns = owns + 1 WHERE n < 300; UPDATE rows SET owns = owns - 299 WHERE n = 300; COMMIT',
  );
}

/** The same between the first and the last row: two pages change. */
function move(): void {
  writer.exec(
    'BEGIN; UPDATE rows SET owns = owns + 5 WHERE n = 1; UPDATE rows SET owns = owns - 5 WHERE n = 300; COMMIT',
  );
}

/** How many rows the copy has; it must be whole. */
function rowsIn(copy: string): number {
  const db = new Database(copy);
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    const { counted } = db.prepare('SELECT count(*) AS counted FROM rows').get() as { counted: number };
    expect(db.prepare('SELECT rows FROM sums').get()).toEqual({ rows: counted });
    expect(db.prepare('SELECT sum(owns) AS sum FROM rows').get()).toEqual({ sum: 0 });
    return counted;
  } finally {
    db.close();
  }
}

/** Copies; `meanwhile` happens once, after the first file was copied. */
function copied(meanwhile: () => void): string {
  let isFirst = true;
  return stableCopy(file, join(folder, 'copies'), (from, to) => {
    copyFileSync(from, to);
    if (isFirst) meanwhile();
    isFirst = false;
  });
}

it('a WAL that goes on while it is copied does no harm', () => {
  begin('WAL');
  expect(rowsIn(copied(() => write(50)))).toBeGreaterThanOrEqual(300);
});

it('a checkpoint between the file and its WAL does no harm', () => {
  begin('WAL');
  writer.pragma('wal_checkpoint(RESTART)');
  move();
  const copy = copied(() => {
    spread();
    writer.pragma('wal_checkpoint(PASSIVE)');
  });
  expect(rowsIn(copy)).toBe(300);
});

it('a WAL that begins anew between is noticed, and all is copied again', () => {
  begin('WAL');
  const copy = copied(() => {
    write(500);
    writer.pragma('wal_checkpoint(RESTART)');
    write(7);
  });
  expect(rowsIn(copy)).toBe(807);
  const same = copied(() => {
    spread();
    writer.pragma('wal_checkpoint(RESTART)');
    move();
  });
  expect(rowsIn(same)).toBe(807);
});

it('a file that is sealed meanwhile is copied again', () => {
  begin('WAL');
  const copy = copied(() => {
    write(500);
    writer.pragma('journal_mode = DELETE');
  });
  expect(rowsIn(copy)).toBe(800);
  expect(readdirSync(join(folder, 'copies'))).toEqual(['one.db']);
});

it('a transaction with a rollback journal is seen before or after, never half', () => {
  begin('DELETE');
  expect(rowsIn(copied(() => write(500)))).toBe(800);
  writer.exec('BEGIN IMMEDIATE; UPDATE rows SET text = zeroblob(3000)');
  expect(rowsIn(stableCopy(file, join(folder, 'copies')))).toBe(800);
  writer.exec('ROLLBACK');
  // So small a cache puts changed pages into the file before the end.
  writer.pragma('cache_size = 2');
  writer.exec('BEGIN IMMEDIATE; UPDATE rows SET owns = owns + 1');
  expect(rowsIn(copied(() => writer.exec('ROLLBACK')))).toBe(800);
});

it('a file that never stands still is given up with a word', () => {
  begin('DELETE');
  expect(() =>
    stableCopy(file, join(folder, 'copies'), (from, to) => {
      copyFileSync(from, to);
      write(1);
    }),
  ).toThrow(/changes faster than it can be copied; ask again/);
});
