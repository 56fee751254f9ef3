import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { Store } from '../../buffer/store.ts';
import { DamagedSite, keepEvents, read } from '../support/damaged-site.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { reading } from '../support/readings.ts';

const site = new DamagedSite();
/** A user who owns nothing. */
const nobody = 65_534;
beforeAll(() => site.fill(2));
afterAll(() => site.remove());

/** The third segment of several, as a path, and how many entries it holds. */
function third(folder: string): { file: string; count: number } {
  const names = site.segments();
  const count = Number.parseInt(names[3] ?? '', 10) - Number.parseInt(names[2] ?? '', 10);
  return { file: join(folder, names[2] ?? ''), count };
}

it.each<[string, (file: string) => void]>([
  ['empty', (file) => truncateSync(file, 0)],
  ['a folder', (file) => (rmSync(file), mkdirSync(file), writeFileSync(join(file, 'something'), 'else'))],
  [
    'a foreign database',
    (file) => {
      rmSync(file);
      new Database(file).exec('CREATE TABLE other (x); INSERT INTO other VALUES (1)').close();
    },
  ],
  ['no database at all', (file) => writeFileSync(file, 'whatever '.repeat(10_000))],
  ['of another segment', (file) => cpSync(join(file, '..', site.segments()[0] ?? ''), file)],
])('a segment that is %s ends no start: the rest is given, it is told and kept', (_, harm) => {
  const folder = site.copy();
  const { file, count } = third(folder);
  harm(file);
  const { altered, silent, given, events } = read(folder, site.accepted);
  expect({ altered, silent, given }).toEqual({ altered: [], silent: [], given: site.accepted - count });
  expect(events.filter(({ event }) => event === 'loss')).toMatchObject([{ facts: { count } }]);
  expect(readdirSync(join(folder, 'quarantine'))).toEqual([site.segments()[2]]);
  expect(read(folder, site.accepted)).toMatchObject({ given, events: [] });
});

// Nothing outside of the newest tells where it ended.
it.each<[string, (file: string) => void]>([
  ['no database at all', (file) => writeFileSync(file, 'whatever '.repeat(10_000))],
  [
    'cut short without its WAL',
    (file) => {
      const bytes = readFileSync(file).subarray(0, 2_000).fill(0, 100);
      bytes.fill(2, 18, 20);
      writeFileSync(file, bytes);
    },
  ],
])('the newest segment, %s after an end that nobody noted, is told from its first entry on', (_, harm) => {
  const folder = site.copy();
  const newest = site.segments().at(-1) ?? '';
  harm(join(folder, newest));
  rmSync(join(folder, 'lock.db'));
  const { altered, silent, given, events } = read(folder, site.accepted);
  const firstSeq = Number.parseInt(newest, 10);
  expect({ altered, silent, given }).toEqual({ altered: [], silent: [], given: firstSeq - 1 });
  for (const { facts } of events.filter(({ event }) => event === 'possible-loss'))
    expect(facts).toMatchObject({ firstSeq, lastSeq: null });
});

it('all segments bad in different ways end no start, and new readings are taken', () => {
  const folder = site.copy();
  for (const [at, name] of site.segments().entries())
    if (at % 2 === 0) truncateSync(join(folder, name), 0);
    else writeFileSync(join(folder, name), Buffer.alloc(40_000, at));
  expect(read(folder, site.accepted)).toMatchObject({ altered: [], silent: [], given: 0 });
});

it('a newest segment of which nothing is left after a kill takes nothing of what comes along', () => {
  const folder = site.copy();
  const newest = site.segments().at(-1) ?? '';
  rmSync(join(folder, 'lock.db'));
  writeFileSync(join(folder, newest), Buffer.alloc(40_000, 7));
  const store = new Store({ path: folder, maxBytes: 64_000_000 }, () => undefined);
  const { nextSeq } = store.opened();
  expect(nextSeq).toBeLessThanOrEqual(site.accepted + 1);
  const at = new FakeClock().now();
  const encoder = new FrameEncoder();
  const frames = [encoder.encode(at, 'meter-readings', [{ seq: nextSeq, entry: reading({ at, value: 7 }) }])];
  const described = encoder.takeDescribed();
  store.commit({ frames, described, slots: null, dating: [], maxBytes: null, drops: [], heard: 0 });
  const found = store.read({ lane: 0, after: nextSeq - 1, most: 10, before: null, known: new Map() });
  expect(found.frames).toMatchObject([{ first: nextSeq, last: nextSeq }]);
  store.close([]);
});

it.each([0, 2, -1])('a segment (at %i) that somebody removed after an end in order is told once', (at) => {
  const folder = site.copy();
  const names = site.segments().map((name) => ({ name, first: Number.parseInt(name, 10) }));
  const removed = names.at(at);
  const next = names[names.findIndex(({ name }) => name === removed?.name) + 1]?.first ?? site.accepted + 1;
  rmSync(join(folder, removed?.name ?? ''));
  const count = next - (removed?.first ?? 0);
  const { silent, given, events } = read(folder, site.accepted);
  expect({ silent, given }).toEqual({ silent: [], given: site.accepted - count });
  expect(events).toMatchObject([{ event: 'loss', facts: { count, firstSeq: removed?.first, lastSeq: next - 1 } }]);
});

it('segments that were delivered and removed are no loss, and what was told is not told again', () => {
  const folder = site.copy();
  rmSync(join(folder, site.segments()[3] ?? ''));
  const events: string[] = [];
  const second = Number.parseInt(site.segments()[1] ?? '', 10);
  for (let start = 0; start < 3; start++) {
    const store = new Store({ path: folder, maxBytes: 64_000_000 }, ({ message }) => events.push(message));
    const { nextSeq } = store.opened();
    keepEvents(store, nextSeq, events.length);
    // The oldest is delivered whole, the others in one lane only.
    store.settle(0, 1, site.accepted);
    store.settle(1, 1, second);
    store.writeSettled();
    store.close([]);
  }
  expect(events).toHaveLength(1);
});

it('a segment of a newer version is refused as it is, byte for byte, and the rest is given', () => {
  const folder = site.copy();
  const { file, count } = third(folder);
  const db = new Database(file);
  db.pragma('user_version = 2');
  db.close();
  const before = readFileSync(file);
  expect(read(folder, site.accepted)).toMatchObject({ altered: [], silent: [], given: site.accepted - count });
  expect(readFileSync(join(folder, 'quarantine', site.segments()[2] ?? '')).equals(before)).toBe(true);
});

it('a segment of a newer version that a kill left keeps its WAL, byte for byte', () => {
  const folder = site.copy();
  const file = join(folder, '000000900000-9-aaaaaaaa.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE frames (x); PRAGMA application_id = 0x534c5549; PRAGMA user_version = 3');
  const left = ['', '-wal'].map((tail) => readFileSync(file + tail));
  db.close();
  rmSync(file);
  for (const [at, tail] of ['', '-wal'].entries()) writeFileSync(file + tail, left[at] ?? '');
  expect(read(folder, site.accepted)).toMatchObject({ altered: [], silent: [], given: site.accepted });
  for (const [at, tail] of ['', '-wal'].entries())
    expect(readFileSync(join(folder, 'quarantine', `000000900000-9-aaaaaaaa.db${tail}`))).toEqual(left[at]);
});

it('a frame of a newer version is told and kept, also when the rest is delivered after another start', () => {
  const folder = site.copy();
  const { file } = third(folder);
  const db = new Database(file);

  const row = db.prepare('SELECT * FROM frames ORDER BY first LIMIT 1').get() as Record<string, number | Buffer>;
  const body = Buffer.from(row['body'] as Buffer);
  body[0] = 9;
  const crc = crcAsDocumented(site.segments()[2]?.replace('.db', '') ?? '', { ...row, body });
  db.prepare('UPDATE frames SET body = ?, crc = ? WHERE first = ?').run(body, crc, row['first']);
  db.close();
  const before = readFileSync(file);
  const { altered, silent, given, events } = read(folder, site.accepted);
  expect({ altered, silent, given }).toEqual({ altered: [], silent: [], given: site.accepted - Number(row['count']) });
  expect(events).toMatchObject([{ event: 'loss', facts: { count: row['count'] } }]);
  const store = new Store({ path: folder, maxBytes: 64_000_000 }, () => undefined);
  store.opened();
  for (const lane of [0, 1]) store.settle(lane, 1, site.accepted);
  store.close([]);
  expect(readFileSync(join(folder, 'quarantine', site.segments()[2] ?? '')).equals(before)).toBe(true);
});

it('a segment that may not be read is put aside, and the rest is given', () => {
  const folder = site.copy();
  const { file, count } = third(folder);
  const isRoot = process.geteuid?.() === 0;
  // Root may read everything, so it becomes somebody else for as long as the buffer is open.
  const owned = isRoot ? [folder, ...readdirSync(folder).map((name) => join(folder, name))] : [];
  for (const each of owned) chownSync(each, nobody, nobody);
  chmodSync(file, 0);
  if (isRoot) chownSync(file, 0, 0);
  try {
    if (isRoot) process.seteuid?.(nobody);
    expect(read(folder, site.accepted)).toMatchObject({ silent: [], given: site.accepted - count });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

it('the quarantine stays within a quarter of the quota: the oldest go, and that is told', () => {
  const folder = site.copy();
  mkdirSync(join(folder, 'quarantine'));
  for (let at = 0; at < 5; at++)
    writeFileSync(join(folder, 'quarantine', `00000000000${at}-1-aaaaaaaa.db`), Buffer.alloc(100_000));
  const events: unknown[] = [];
  const store = new Store({ path: folder, maxBytes: 1_300_000 }, (event) => events.push(event));
  expect(readdirSync(join(folder, 'quarantine'))).toHaveLength(3);
  expect(events).toMatchObject([{ event: 'quarantine' }, { event: 'quarantine' }]);
  expect(store.space().bytes).toBeGreaterThan(300_000);
  store.close([]);
});

/** DESIGN.md, "On disk": over the segment's name, the table and all fields, numbers between blanks. */
function crcAsDocumented(segment: string, row: Readonly<Record<string, number | Buffer>>): number {
  const parts = ['first', 'last', 'lane', 'count', 'body', 'settled'].map((field) => row[field] ?? 0);
  const bytes = parts.map((part) => (typeof part === 'number' ? Buffer.from(` ${part} `) : part));
  return crc32(Buffer.concat([Buffer.from(`${segment} frames`), ...bytes]));
}
