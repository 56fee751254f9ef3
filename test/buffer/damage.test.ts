import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../agent/time/system-clock.ts';
import { timeSource } from '../../agent/time/time-sources.ts';
import type { Clock } from '../../agent/clock.ts';
import type { Stream } from '../../agent/reading.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { dice } from '../support/damaged-site.ts';
import { pointInfo, reading } from '../support/readings.ts';

const sensor = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });

let site: BufferFolder;
beforeEach(() => {
  site = new BufferFolder();
});
afterEach(() => site.remove());

/** Everything of a lane as its reader sees it, settled on the way. */
async function drain(buffer: Buffer, stream: Stream, count: number, most = 500): Promise<number[]> {
  const values: number[] = [];
  for (let after = 0; values.length < count;) {
    const batch = await buffer.next(stream, after, most, soon());
    for (const entry of batch.entries) values.push(entry.form === 'reading' ? (entry.value ?? Number.NaN) : Number.NaN);
    buffer.settle(stream, batch.first, batch.last);
    after = batch.last;
  }
  return values;
}

/** Fills `rounds` segments with both lanes, entries interleaved, and closes in order. */
async function filled(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const buffer = await site.opened();
    for (let frame = 0; frame < 4; frame++) {
      const work = [];
      for (let entry = 0; entry < 10; entry++) {
        const value = round * 1000 + frame * 100 + entry;
        work.push(
          buffer.append('meter-readings', [reading({ value })]),
          buffer.append('sensor-values', [reading({ point: sensor, value })]),
        );
      }
      await Promise.all(work);
    }
    await buffer.close(soon());
  }
}

function query(name: string, sql: string): void {
  const db = new Database(join(site.path, name));
  db.exec(sql);
  db.close();
}

/** Zeros the page on which the table begins. */
function wipe(name: string, table: string): void {
  const db = new Database(join(site.path, name), { readonly: true });
  const { rootpage } = db.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').get(table) as {
    rootpage: number;
  };
  db.close();
  const file = openSync(join(site.path, name), 'r+');
  writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, (rootpage - 1) * 4096);
  closeSync(file);
}

const all = (rounds: number): number[] =>
  Array.from(
    { length: rounds * 40 },
    (_, at) => Math.floor(at / 40) * 1000 + Math.floor((at % 40) / 10) * 100 + (at % 10),
  );

describe('a backlog', () => {
  it('of more segments than are kept in mind is given whole to two lanes that drain at once', async () => {
    await filled(12);
    const buffer = await site.opened();
    const [meters, sensors] = await Promise.all([
      drain(buffer, 'meter-readings', 480, 10),
      drain(buffer, 'sensor-values', 480, 450),
    ]);
    expect(meters).toEqual(all(12));
    expect(sensors).toEqual(all(12));
    expect(site.events).toEqual([]);
  });
});

describe('damage', () => {
  it('to the newest slots of a segment costs no reading', async () => {
    await filled(3);
    wipe(site.segments()[2] ?? '', 'slots');
    const buffer = await site.opened();
    expect(await drain(buffer, 'meter-readings', 120)).toEqual(all(3));
    expect(site.told('loss')).toEqual([]);
  });

  it('to the end of the newest segment, cut within a page of a long value, ends no start', async () => {
    const before = await site.opened();
    await before.append('sensor-values', [reading({ point: sensor, value: 1 })]);
    const next = dice(7);
    const text = Array.from({ length: 12_000 }, () => String.fromCharCode(33 + next(90))).join('');
    await before.append('meter-readings', [reading({ value: 2, text })]);
    await before.close(soon());
    const file = join(site.path, site.segments().at(-1) ?? '');
    truncateSync(file, statSync(file).size - 1000);
    const buffer = await site.opened();
    expect(await drain(buffer, 'sensor-values', 1)).toEqual([1]);
    await expect.poll(() => site.told('loss')).toMatchObject([{ facts: { stream: 'meter-readings', count: 1 } }]);
  });

  it('to the lock file makes everything doubtful and nothing else', async () => {
    await filled(1);
    wipe('lock.db', 'state');
    const buffer = await site.opened();
    const batch = await buffer.next('meter-readings', 0, 100, soon());
    expect(batch.entries.every((entry) => entry.repeat)).toBe(true);
    expect(Number.parseInt(buffer.epoch, 10)).toBe(2);
  });

  it('to the lane of a row is told as loss, not passed over', async () => {
    await filled(2);
    query(
      site.segments()[0] ?? '',
      'UPDATE frames SET lane = 9 WHERE lane = 0 AND first = (SELECT min(first) FROM frames WHERE lane = 0)',
    );
    const buffer = await site.opened();
    expect(await drain(buffer, 'meter-readings', 70)).toEqual(all(2).slice(10));
    expect(site.told('loss')).toMatchObject([{ facts: { stream: 'meter-readings', count: 10, firstSeq: 1 } }]);
  });

  it('to the last seq of a row of a crashed start does not move the sequence or take its neighbours along', async () => {
    const first = await site.opened();
    for (let frame = 0; frame < 3; frame++) await first.append('meter-readings', [reading({ value: frame })]);
    const crashed = site.crashed();
    await first.close(soon());
    rmSync(site.path, { recursive: true });
    renameSync(crashed, site.path);
    query(site.segments()[0] ?? '', 'UPDATE frames SET last = last + 1152921504606846976 WHERE first = 2');
    const second = await site.opened();
    expect(await drain(second, 'meter-readings', 2)).toEqual([0, 2]);
    expect(site.told('loss')).toMatchObject([{ facts: { stream: null, count: 1, firstSeq: 2, lastSeq: 2 } }]);
    await second.append('meter-readings', [reading({ value: 7 })]);
    const batch = await second.next('meter-readings', 3, 10, soon());
    expect(batch.entries.map(({ seq }) => seq)).toEqual([4]);
  });

  const noDatabase = 'no database, whatever its name says, and long enough to have a header'.repeat(30);
  it.each([
    ['to the dead letters', (file: string) => writeFileSync(file, noDatabase)],
    [
      'to the name of one of their columns',
      (file: string) => {
        const columns =
          'epoch TEXT, seq INTEGER, stream TEXT, rdason TEXT, key TEXT, value TEXT, wallMs INTEGER, crc INTEGER';
        new Database(file).exec(`CREATE TABLE letters (${columns})`).close();
      },
    ],
  ])('%s puts their file aside and begins a new one', async (_, harmed) => {
    harmed(join(site.path, 'dead-letters.db'));
    const buffer = await site.opened();
    await buffer.append('meter-readings', [reading({})]);
    const batch = await buffer.next('meter-readings', 0, 10, soon());
    const [entry] = batch.entries;
    if (!entry) throw new Error('no entry');
    await buffer.reject(entry, 'INVALID_RECORD', { key: 'k', value: 'v' });
    expect(site.told('quarantine')).toHaveLength(1);
    expect(readdirSync(site.path).filter((name) => name.startsWith('dead-letters.db.damaged'))).toHaveLength(1);
  });

  it('to a sealed segment while the daemon runs stops neither commits nor the other segments', async () => {
    const buffer = await site.opened({ maxBytes: 1_600_000 });
    for (let round = 0; round < 8; round++)
      await buffer.append(
        'meter-readings',
        Array.from({ length: 4000 }, () => reading({ value: Math.random() })),
      );
    const batch = await buffer.next('meter-readings', 0, 1, soon());
    buffer.settle('meter-readings', batch.first, batch.first + 100);
    const name = site.segments()[1] ?? '';
    writeFileSync(join(site.path, name), Buffer.alloc(statSync(join(site.path, name)).size, 0x5a));
    let entries = 0;
    for (let after = 0; after < 32_000;) {
      const next = await buffer.next('meter-readings', after, 500, soon());
      entries += next.entries.length;
      after = next.last;
    }
    await buffer.append('meter-readings', [reading({ value: 1 })]);
    expect(site.told('quarantine')).toHaveLength(1);
    const lost = site.told('loss').reduce((sum, { facts }) => sum + Number(facts?.['count']), 0);
    expect(entries + lost).toBe(32_000 - 101);
  });

  it('that is an empty file of a start that was killed at once is no damage', async () => {
    await filled(1);
    writeFileSync(join(site.path, '000000000081-2-aaaaaaaa.db'), '');
    const buffer = await site.opened();
    expect(await drain(buffer, 'meter-readings', 40)).toEqual(all(1));
    expect(site.events).toEqual([]);
    expect(site.segments()).not.toContain('000000000081-2-aaaaaaaa.db');
  });

  it('that is the folder taken away under the daemon is told at the next commit, which goes to a new segment', async () => {
    const buffer = await site.opened();
    await buffer.append('meter-readings', [reading({ value: 1 })]);
    renameSync(site.path, `${site.path}-away`);
    await buffer.append('meter-readings', [reading({ value: 2 })]);
    expect(site.told('quarantine')).toHaveLength(1);
    expect(site.told('loss')).toMatchObject([{ facts: { stream: 'meter-readings', count: 1 } }]);
    expect(site.segments()).toHaveLength(1);
    rmSync(`${site.path}-away`, { recursive: true });
  });

  it('keeps the file of a frame that cannot be read when the rest of it is delivered', async () => {
    await filled(2);
    const name = site.segments()[0] ?? '';
    query(name, 'UPDATE frames SET count = count + 1 WHERE first = 1');
    const before = readFileSync(join(site.path, name));
    const buffer = await site.opened();
    await drain(buffer, 'meter-readings', 70);
    await drain(buffer, 'sensor-values', 80);
    await buffer.append('meter-readings', [reading({ value: 1 })]);
    await buffer.append('meter-readings', [reading({ value: 2 })]);
    await expect.poll(() => readdirSync(join(site.path, 'quarantine'))).toEqual([name]);
    expect(readFileSync(join(site.path, 'quarantine', name)).equals(before)).toBe(true);
  });
});

describe('trouble that passes', () => {
  const real = systemClock({ source: timeSource('none'), builtAtMs: 0 });
  /** Sleeps a tenth of what it is asked to: a reader's pauses between its attempts. */
  const clock: Clock = { ...real, now: () => real.now(), sleep: (ms, signal) => real.sleep(ms / 10, signal) };
  afterAll(() => real.close());

  it('a segment that cannot be opened for a while is asked again, and condemned by nobody', async () => {
    await filled(8);
    const buffer = await site.opened({ clock });
    const name = join(site.path, site.segments()[1] ?? '');
    renameSync(name, `${name}.away`);
    mkdirSync(name);
    const drained = drain(buffer, 'meter-readings', 320, 10);
    await sleep(150);
    rmdirSync(name);
    renameSync(`${name}.away`, name);
    expect(await drained).toEqual(all(8));
    expect(site.events).toEqual([]);
  });

  it('a segment of a crashed start that somebody looks into is read as it is', async () => {
    const first = await site.opened();
    for (let at = 0; at < 3; at++) await first.append('meter-readings', [reading({ value: at })]);
    const path = site.crashed();
    const name = readdirSync(path).find((file) => /^\d{12}-.*\.db$/.test(file)) ?? '';
    const onlooker = new Database(join(path, name), { readonly: true });
    const looking = onlooker.prepare('SELECT first FROM frames').iterate();
    looking.next();
    const second = await site.opened({ path });
    expect(await drain(second, 'meter-readings', 3)).toEqual([0, 1, 2]);
    expect(site.events).toEqual([]);
    looking.return?.();
    onlooker.close();
  });

  it('a segment that was removed is told as lost, and the rest goes on', async () => {
    await filled(8);
    const buffer = await site.opened({ clock });
    rmSync(join(site.path, site.segments()[1] ?? ''));
    expect(await drain(buffer, 'meter-readings', 280, 10)).toEqual(
      all(8).filter((value) => Math.floor(value / 1000) !== 1),
    );
    const lost = site.told('loss').filter(({ facts }) => facts?.['stream'] === 'meter-readings');
    expect(lost).toMatchObject([{ facts: { count: 40 } }]);
  });

  it('a tap that throws does not undo a commit', async () => {
    const logged: string[] = [];
    const buffer = await site.opened({
      tap: () => {
        throw new Error('ENOSPC');
      },
      log: (message) => logged.push(message),
    });
    await buffer.append('meter-readings', [reading({ value: 1 }), reading({ value: 2 })]);
    expect(await drain(buffer, 'meter-readings', 2)).toEqual([1, 2]);
    expect(logged).toEqual([expect.stringMatching(/the tap failed: ENOSPC/)]);
  });
});
