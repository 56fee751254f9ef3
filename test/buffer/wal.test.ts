import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { examineWal, playedBack } from '../../buffer/damage/wal.ts';
import type { WalFindings } from '../../buffer/damage/wal.ts';
import { lookAtWal } from '../../buffer/damage/wal-look.ts';

const frameBytes = 24 + 4096;
const none = new Uint8Array(0);

let folder: string;
let file: string;
let writer: Database.Database;
let rows = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-wal-'));
  file = join(folder, 'one.db');
  rows = 0;
  writer = new Database(file);
  writer.pragma('journal_mode = WAL');
  writer.pragma('synchronous = OFF');
  writer.pragma('wal_autocheckpoint = 0');
  writer.exec('CREATE TABLE rows (n INTEGER PRIMARY KEY, text TEXT)');
});
afterEach(() => {
  writer.close();
  rmSync(folder, { recursive: true });
});

/** A commit each, of one frame or two. */
function commit(count: number): void {
  for (let at = 0; at < count; at++) {
    writer.prepare('INSERT INTO rows (text) VALUES (?)').run(String(at % 10).repeat(1500));
    rows += 1;
  }
}

/** The files as a kill would leave them now, after `harm`: what is found, and how many rows SQLite still gives. */
function left(harm: (copy: string) => void, tails = ['', '-wal', '-shm']): { found: WalFindings; rows: number } {
  const copy = join(folder, 'copy.db');
  for (const tail of ['', '-wal', '-shm']) rmSync(copy + tail, { force: true });
  for (const tail of tails) copyFileSync(file + tail, copy + tail);
  harm(copy);
  const found = lookAtWal(copy);
  const db = new Database(copy);
  try {
    return { found, rows: (db.prepare('SELECT count(*) AS n FROM rows').get() as { n: number }).n };
  } catch {
    return { found, rows: 0 };
  } finally {
    db.close();
  }
}

const flip =
  (at: number) =>
  (copy: string): void => {
    const bytes = readFileSync(`${copy}-wal`);
    bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
    writeFileSync(`${copy}-wal`, bytes);
  };

const wal = (): Uint8Array => readFileSync(`${file}-wal`);
const start = (frame: number): number => 32 + frame * frameBytes;
const changed = (change: (bytes: Uint8Array) => void): Uint8Array => {
  const bytes = wal();
  change(bytes);
  return bytes;
};

describe('a WAL that a kill left', () => {
  it('is damaged exactly where SQLite gives fewer rows than were committed, wherever a byte was changed', () => {
    commit(20);
    writer.pragma('wal_checkpoint(RESTART)');
    commit(12);
    const { length } = wal();
    expect(left(() => undefined)).toMatchObject({ found: { verdict: 'sound', unreadable: 0 }, rows });
    // All over the header, a frame's header, and the pages.
    const places = [0, 5, 11, 13, 17, 21, 25, 31, 0, 5, 9, 13, 17, 21].map((at, n) => (n < 8 ? at : start(5) + at));
    for (let at = 100; at < length; at += 3989) places.push(at);
    const verdicts = new Set<string>();
    for (const at of places) {
      const { found, rows: read } = left(flip(at));
      verdicts.add(found.verdict);
      expect({ at, verdict: found.verdict }).toEqual({ at, verdict: read < rows ? 'damaged' : 'sound' });
    }
    expect([...verdicts].toSorted()).toEqual(['damaged', 'sound']);
  });

  it('that was cut short or taken away is damaged if its index tells of more', () => {
    commit(12);
    for (let bytes = 0; bytes < wal().length; bytes += 5000)
      expect(left((copy) => truncateSync(`${copy}-wal`, bytes)).found).toMatchObject({ verdict: 'damaged' });
    expect(left((copy) => rmSync(`${copy}-wal`)).found).toMatchObject({ verdict: 'damaged', readable: 0 });
    expect(left((copy) => rmSync(`${copy}-wal`), ['', '-wal']).found).toMatchObject({ verdict: 'unsure' });
  });

  it('is sound beside an old index, or one of an earlier round', () => {
    commit(6);
    copyFileSync(`${file}-shm`, join(folder, 'old-shm'));
    const withOld = (): WalFindings => left((copy) => copyFileSync(join(folder, 'old-shm'), `${copy}-shm`)).found;
    commit(6);
    expect(withOld()).toMatchObject({ verdict: 'sound' });
    writer.pragma('wal_checkpoint(RESTART)');
    commit(1);
    expect(withOld()).toMatchObject({ verdict: 'sound' });
  });
});

describe('a WAL whose index is lost', () => {
  it('is sound with frames of earlier rounds behind, a half-written frame, or a transaction without its commit', () => {
    commit(20);
    writer.pragma('wal_checkpoint(RESTART)');
    commit(3);
    expect(examineWal(wal(), none)).toMatchObject({ verdict: 'sound', unreadable: 0 });
    for (const bytes of [10, 32, 200, start(1) + 24, start(2) - 1])
      expect(examineWal(wal().subarray(0, bytes), none)).toMatchObject({ verdict: 'sound', unreadable: 0 });
    const [end] = [examineWal(wal(), none).readable];
    const noCommit = changed((bytes) => {
      bytes.fill(0, start(end - 1) + 4, start(end - 1) + 8);
      bytes.fill(1, start(end - 1) + 100, start(end - 1) + 200);
    });
    expect(examineWal(noCommit, none)).toMatchObject({ verdict: 'sound' });
  });

  it.each<[string, (end: number) => number, WalFindings['verdict']]>([
    ['the header', () => 17, 'damaged'],
    ['the magic number', () => 0, 'damaged'],
    ['the first frame', () => start(0) + 900, 'damaged'],
    ['the salts of a frame', () => start(3) + 9, 'damaged'],
    ['the page of a frame with commits behind', () => start(3) + 900, 'damaged'],
    ['the checksum of a frame with commits behind', () => start(3) + 17, 'damaged'],
    ['the last frame, which a power cut may have torn', (end) => start(end - 1) + 900, 'unsure'],
    ['the salts of the last frame', (end) => start(end - 1) + 9, 'unsure'],
  ])('and %s changed', (_, place, verdict) => {
    commit(12);
    const { readable } = examineWal(wal(), none);
    const at = place(readable);
    const found = examineWal(
      changed((bytes) => (bytes[at] = (bytes[at] ?? 0) ^ 0x5a)),
      none,
    );
    expect(found.verdict).toBe(verdict);
    expect(found.readable + found.unreadable).toBe(readable);
  });
});

describe('a WAL whose header is lost with what lies behind it, and its index as well', () => {
  it.each([512, 4096, 8192, 20_000])('is damaged: %i bytes of zeros', (bytes) => {
    commit(20);
    writer.pragma('wal_checkpoint(RESTART)');
    commit(12);
    const { readable } = examineWal(wal(), none);
    const found = examineWal(
      changed((all) => all.fill(0, 0, bytes)),
      none,
    );
    expect(found).toMatchObject({ verdict: 'damaged', readable: 0 });
    const [most, least] = [readable, readable - Math.ceil(bytes / frameBytes)];
    expect(found.unreadable).toBeGreaterThanOrEqual(least);
    expect(found.unreadable).toBeLessThanOrEqual(most);
  });

  it('has lost what its index says, not what lies behind of an earlier round', () => {
    commit(300);
    writer.pragma('wal_checkpoint(RESTART)');
    commit(1);
    const lost = left((copy) => {
      const bytes = readFileSync(`${copy}-wal`);
      writeFileSync(`${copy}-wal`, bytes.fill(0, 0, 8192));
    });
    const { readable } = examineWal(wal(), none);
    expect(lost).toEqual({ found: { verdict: 'damaged', readable: 0, unreadable: readable }, rows: rows - 1 });
  });

  it('is sound where its index tells that all of it is in the file, and knows of all of it', () => {
    commit(10);
    writer.pragma('wal_checkpoint(PASSIVE)');
    const headless = (copy: string): void => {
      const bytes = readFileSync(`${copy}-wal`);
      writeFileSync(`${copy}-wal`, bytes.fill(0, 0, 512));
    };
    expect(left(headless)).toEqual({ found: { verdict: 'sound', readable: 0, unreadable: 0 }, rows });
    const old = readFileSync(`${file}-shm`);
    commit(3);
    const { found } = left((copy) => {
      headless(copy);
      writeFileSync(`${copy}-shm`, old);
    });
    expect(found.verdict).toBe('damaged');
  });

  it('is damaged, too, where nothing else was in it', () => {
    const zeros = new Uint8Array(start(1));
    expect(examineWal(zeros, none)).toEqual({ verdict: 'damaged', readable: 0, unreadable: 1 });
    expect(examineWal(zeros.subarray(0, 32), none)).toMatchObject({ verdict: 'sound' });
  });
});

describe('a WAL that is played back in memory', () => {
  function everything(db: Database.Database): unknown {
    const tables = db.prepare('SELECT name FROM sqlite_master').all();
    return tables.length === 0 ? [] : db.prepare('SELECT * FROM rows ORDER BY n').all();
  }

  /** What SQLite gives of the files as they lie there, and what it gives of them played back. */
  function both(harm: (copy: string) => void): { bySqlite: unknown; inMemory: unknown } {
    const copy = join(folder, 'copy.db');
    for (const tail of ['', '-wal', '-shm']) rmSync(copy + tail, { force: true });
    for (const tail of ['', '-wal']) copyFileSync(file + tail, copy + tail);
    harm(copy);
    const memory = new Database(Buffer.from(playedBack(readFileSync(copy), readFileSync(`${copy}-wal`))));
    const disk = new Database(copy);
    try {
      return { bySqlite: everything(disk), inMemory: everything(memory) };
    } finally {
      memory.close();
      disk.close();
    }
  }

  it('gives what SQLite gives, cut off anywhere, also in its second round', () => {
    commit(7);
    writer.pragma('wal_checkpoint(RESTART)');
    writer.transaction(() => commit(3))();
    commit(2);
    writer.exec('DELETE FROM rows WHERE n < 4');
    writer.exec('CREATE TABLE more (n)');
    const { length } = wal();
    for (let frame = 0; start(frame) < length; frame++)
      for (const bytes of [0, 9, 2000]) {
        const { bySqlite, inMemory } = both((copy) => truncateSync(`${copy}-wal`, start(frame) + bytes));
        expect(inMemory).toEqual(bySqlite);
      }
    expect(both(() => undefined).inMemory).toHaveLength(9);
  });

  it('gives what SQLite gives where a byte of it is another', () => {
    commit(12);
    for (let at = 3; at < wal().length; at += 1777) {
      const { bySqlite, inMemory } = both(flip(at));
      expect(inMemory).toEqual(bySqlite);
    }
  });

  it('is a smaller file where the last commit says so', () => {
    commit(30);
    writer.exec('DELETE FROM rows WHERE n > 2');
    writer.exec('VACUUM');
    const { bySqlite, inMemory } = both(() => undefined);
    expect(inMemory).toEqual(bySqlite);
    expect(inMemory).toHaveLength(2);
  });
});
