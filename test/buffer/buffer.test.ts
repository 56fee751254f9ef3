import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferError, BufferFull, messageOf } from '../../agent/errors.ts';
import type { Kept, Note, Reading, Stream } from '../../agent/reading.ts';
import type { Batch, Buffer } from '../../buffer/buffer.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

let site: BufferFolder;
beforeEach(() => {
  site = new BufferFolder();
});
afterEach(() => site.remove());

const values = (batch: Batch): (number | null)[] =>
  batch.entries.map((entry) => (entry.form === 'reading' ? entry.value : null));
const counted = (first: number, count: number): ReturnType<typeof reading>[] =>
  Array.from({ length: count }, (_, at) => reading({ value: first + at }));
const sensor = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });

async function drain(buffer: Buffer, stream: Stream, count: number, settle = true): Promise<Kept[]> {
  const entries: Kept[] = [];
  let after = 0;
  while (entries.length < count) {
    const batch = await buffer.next(stream, after, 100, soon());
    entries.push(...batch.entries);
    if (settle) buffer.settle(stream, batch.first, batch.last);
    after = batch.last;
  }
  return entries;
}

describe('the buffer', () => {
  it('gives each lane its entries in the order of append, under one sequence', async () => {
    const buffer = await site.opened();
    await Promise.all([
      buffer.append('meter-readings', counted(0, 3)),
      buffer.append('sensor-values', [reading({ point: sensor, value: 0.5 })]),
      buffer.append('meter-readings', counted(3, 2)),
    ]);
    const meters = await buffer.next('meter-readings', 0, 100, soon());
    expect(values(meters)).toEqual([0, 1, 2, 3, 4]);
    expect(meters.entries.map((entry) => entry.seq)).toEqual([1, 2, 3, 5, 6]);
    expect((await buffer.next('sensor-values', 0, 100, soon())).entries.map((entry) => entry.seq)).toEqual([4]);
  });

  it('has an entry on disk, readable by anybody, when append resolves', async () => {
    const buffer = await site.opened();
    await buffer.append('meter-readings', counted(0, 7));
    const copy = site.crashed();
    const name = readdirSync(copy).find((file) => /^\d{12}-.*\.db$/.test(file)) ?? '';
    const db = new Database(join(copy, name));
    expect(db.prepare('SELECT first, last, count FROM frames').all()).toEqual([{ first: 1, last: 7, count: 7 }]);
    db.close();
  });

  it('commits the first reading of a quiet spell at once and keeps commitEvery between the next', async () => {
    const buffer = await site.opened({ commitEveryMs: 2_000 });
    const began = performance.now();
    await buffer.append('meter-readings', counted(0, 1));
    const first = performance.now() - began;
    await buffer.append('meter-readings', counted(1, 1));
    expect(first).toBeLessThan(1_500);
    expect(performance.now() - began).toBeGreaterThanOrEqual(2_000);
    expect(buffer.stats().commits).toBe(2);
  });

  it('waits for the next commit when there is nothing, and gives up with its signal', async () => {
    const buffer = await site.opened();
    const waiting = buffer.next('sensor-values', 0, 10, soon());
    await buffer.append('sensor-values', [reading({ point: sensor })]);
    expect((await waiting).entries).toHaveLength(1);
    await expect(buffer.next('gateway-events', 0, 10, AbortSignal.timeout(10))).rejects.toThrow(/timeout/);
  });

  it('gives after a restart what was not settled, and nothing that was', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 10));
    await first.append('meter-readings', counted(10, 10));
    first.settle('meter-readings', 1, 10);
    await first.close(soon());
    const second = await site.opened();
    const batch = await second.next('meter-readings', 0, 100, soon());
    expect(values(batch)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    expect(batch.entries[0]?.epoch).toBe(first.epoch);
    expect(second.epoch).not.toBe(first.epoch);
  });

  it('knows what is settled by the newest segment, or the one before where that tells nothing any more', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 10));
    first.settle('meter-readings', 1, 5);
    await first.close(soon());
    const second = await site.opened();
    await second.append('meter-readings', counted(10, 10));
    second.settle('meter-readings', 1, 7);
    await second.close(soon());
    const newest = new Database(join(site.path, site.segments().at(-1) ?? ''));
    newest.exec('UPDATE settlements SET crc = crc + 1');
    newest.exec('UPDATE frames SET crc = crc + 1');
    newest.close();
    const third = await site.opened();
    expect(values(await third.next('meter-readings', 0, 100, soon()))).toEqual([5, 6, 7, 8, 9]);
  });

  it('settles part of a frame for good', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 10));
    first.settle('meter-readings', 1, 4);
    first.settle('meter-readings', 8, 8);
    await first.close(soon());
    const second = await site.opened();
    expect(values(await second.next('meter-readings', 0, 100, soon()))).toEqual([4, 5, 6, 8, 9]);
  });

  it('never gives an (epoch, seq) twice, and goes on counting when all segments are gone', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 5));
    await first.close(soon());
    for (const name of readdirSync(site.path)) if (/^\d{12}-/.test(name)) rmSync(join(site.path, name));
    const second = await site.opened();
    await second.append('meter-readings', counted(5, 1));
    expect((await second.next('meter-readings', 0, 10, soon())).entries[0]?.seq).toBe(6);
    expect(Number.parseInt(second.epoch, 10)).toBe(Number.parseInt(first.epoch, 10) + 1);
  });

  it('marks as repeat after a clean end only what a reader had been given', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 3));
    await first.next('meter-readings', 0, 10, soon());
    await first.append('meter-readings', counted(3, 3));
    await first.close(soon());
    const second = await site.opened();
    const entries = await drain(second, 'meter-readings', 6);
    expect(entries.map((entry) => entry.repeat)).toEqual([true, true, true, false, false, false]);
  });

  it('marks as repeat after a crash everything of earlier starts, and changes nothing else', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 3));
    const before = await drain(first, 'meter-readings', 3, false);
    const copy = site.crashed();
    const second = await site.opened({ path: copy });
    const after = await drain(second, 'meter-readings', 3);
    expect(after).toEqual(before.map((entry) => ({ ...entry, repeat: true })));
  });

  it('marks as repeat what a second reader of the same start is given again', async () => {
    const buffer = await site.opened();
    await buffer.append('meter-readings', counted(0, 2));
    expect((await buffer.next('meter-readings', 0, 10, soon())).entries.map((entry) => entry.repeat)).toEqual([
      false,
      false,
    ]);
    expect((await buffer.next('meter-readings', 0, 10, soon())).entries.map((entry) => entry.repeat)).toEqual([
      true,
      true,
    ]);
  });

  it('refuses a second owner and leaves the first unharmed', async () => {
    const first = await site.opened();
    const refused: unknown = await site.opened().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'BUFFER_IN_USE' });
    expect(messageOf(refused)).toMatch(/its own "stateDir": \w/);
    await first.append('meter-readings', counted(0, 1));
    expect(await drain(first, 'meter-readings', 1)).toHaveLength(1);
  });

  it('that cannot be opened says which, why, and where to look', async () => {
    mkdirSync(join(site.path, 'lock.db'), { recursive: true });
    const refused: unknown = await site.opened().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'BUFFER_FAILED' });
    expect(messageOf(refused)).toContain(`the buffer in ${site.path} cannot be opened: unable to open`);
    expect(messageOf(refused)).toMatch(/is kept; look at the disk/);
  });

  it('rolls segments and unlinks those whose every lane is settled', async () => {
    const buffer = await site.opened({ maxBytes: 1_600_000 });
    for (let round = 0; round < 12; round++)
      await buffer.append(
        'meter-readings',
        Array.from({ length: 4000 }, () => reading({ value: Math.random() })),
      );
    const full = buffer.stats().segments;
    expect(full).toBeGreaterThan(2);
    await drain(buffer, 'meter-readings', 48_000);
    await buffer.append('gateway-events', [{ at: new FakeClock().now(), key: 'ps-12', json: '{}' }]);
    await expect
      .poll(() => readdirSync(site.path).filter((name) => /^\d{12}-.*\.db$/.test(name)).length)
      .toBeLessThanOrEqual(2);
  });

  it('drains from disk what memory no longer holds, in order', async () => {
    const buffer = await site.opened();
    for (let round = 0; round < 30; round++) await buffer.append('meter-readings', counted(round * 1000, 1000));
    const entries = await drain(buffer, 'meter-readings', 30_000);
    expect(entries.map((entry) => (entry.form === 'reading' ? entry.value : null))).toEqual(
      Array.from({ length: 30_000 }, (_, at) => at),
    );
    expect(entries.some((entry) => entry.repeat)).toBe(false);
  });

  it('refuses readings at its quota, still takes events, and takes readings again when there is room', async () => {
    const buffer = await site.opened({ maxBytes: 1_000_000 });
    const refused: unknown[] = [];
    let accepted = 0;
    for (let round = 0; round < 60 && refused.length === 0; round++) {
      const batch = Array.from({ length: 4000 }, () => reading({ value: Math.random() }));
      await buffer.append('meter-readings', batch).then(
        () => (accepted += batch.length),
        (error: unknown) => refused.push(error),
      );
    }
    expect(refused[0]).toBeInstanceOf(BufferFull);
    expect(buffer.stats().full).toBe(true);
    const note: Note = { at: new FakeClock().now(), key: 'ps-12', json: '{"event":"loss"}' };
    await buffer.append('gateway-events', [note]);
    expect(await drain(buffer, 'meter-readings', accepted)).toHaveLength(accepted);
    await expect.poll(() => buffer.stats().full, { timeout: 5000 }).toBe(false);
    await buffer.append('meter-readings', counted(0, 1));
  });

  it('refuses readings when too many wait in memory for the disk, and still takes events', async () => {
    const buffer = await site.opened();
    const waiting = [buffer.append('meter-readings', counted(0, 75_000))];
    const more = buffer.append('sensor-values', counted(0, 5_000));
    const note: Note = { at: new FakeClock().now(), key: 'ps-12', json: '{"event":"loss"}' };
    for (let events = 0; events < 4_000; events++) waiting.push(buffer.append('gateway-events', [note]));
    await expect(more).rejects.toThrow(/bytes of readings wait in memory for the disk/);
    await Promise.all(waiting);
  });

  it('keeps a rejected entry in the dead letters and never gives it again', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 3));
    const batch = await first.next('meter-readings', 0, 10, soon());
    const poison = batch.entries[1];
    if (!poison) throw new Error('no entry');
    await first.reject(poison, 'MESSAGE_TOO_LARGE: too big', { key: 'ps-12/EM-1', value: '{"v":1}' });
    await first.close(soon());
    const db = new Database(join(site.path, 'dead-letters.db'), { readonly: true });
    expect(db.prepare('SELECT epoch, seq, stream, reason, key, value FROM letters').all()).toEqual([
      {
        epoch: first.epoch,
        seq: 2,
        stream: 'meter-readings',
        reason: 'MESSAGE_TOO_LARGE: too big',
        key: 'ps-12/EM-1',
        value: '{"v":1}',
      },
    ]);
    db.close();
    const second = await site.opened();
    expect(values(await second.next('meter-readings', 0, 10, soon()))).toEqual([0, 2]);
  });

  it('knows the newest slot of a counter after a crash, also when its segment is long gone', async () => {
    const first = await site.opened({ maxBytes: 1_600_000 });
    await first.append('meter-readings', [reading({ slotMs: 1_000_000 })]);
    for (let round = 0; round < 12; round++)
      await first.append(
        'meter-readings',
        Array.from({ length: 4000 }, () => reading({ value: Math.random() })),
      );
    await drain(first, 'meter-readings', 48_001);
    await first.append('meter-readings', [reading({ point: pointInfo({ point: 'other' }), slotMs: 2_000_000 })]);
    const copy = site.crashed();
    const second = await site.opened({ path: copy });
    expect(second.newestSlotMs('EM-1', 'energy')).toBe(1_000_000);
    expect(second.newestSlotMs('EM-1', 'other')).toBe(2_000_000);
    expect(second.newestSlotMs('EM-1', 'unknown')).toBeUndefined();
  });

  it('knows the last good total of a counter after a crash, with its time, from frames and from segments long gone', async () => {
    const first = await site.opened({ maxBytes: 1_600_000 });
    const total = (value: number, some: Partial<Reading> = {}): Reading =>
      reading({ value, slotMs: 1_000_000, ...some });
    const other = pointInfo({ point: 'other', serial: '20-114-7' });
    await first.append('meter-readings', [
      total(4711.25),
      total(12, { quality: 'uncertain', status: 'UncertainSensorNotAccurate' }),
      reading({ value: 13 }),
    ]);
    for (let round = 0; round < 12; round++)
      await first.append(
        'meter-readings',
        Array.from({ length: 4000 }, () => reading({ value: Math.random() })),
      );
    await drain(first, 'meter-readings', 48_003);
    const { at } = reading({});
    await first.append('meter-readings', [
      total(8, { point: other, at: { ...at, trust: 'unknown' } }),
      total(0, { point: other, value: null, quality: 'bad', status: 'BadTimeout' }),
    ]);
    const second = await site.opened({ path: site.crashed() });
    const { map } = other;
    for (const buffer of [first, second]) {
      const timeMs = Date.parse('2026-11-22T13:15:00Z');
      expect(buffer.lastTotal('EM-1', 'energy')).toEqual({
        value: 4711.25,
        timeMs,
        isTimeTrusted: true,
        map,
        serial: null,
      });
      expect(buffer.lastTotal('EM-1', 'other')).toEqual({
        value: 8,
        timeMs,
        isTimeTrusted: false,
        map,
        serial: '20-114-7',
      });
      expect(buffer.lastTotal('EM-1', 'unknown')).toBeUndefined();
    }
  });

  it('knows the serial number that a device said last, from the commit after it on', async () => {
    const first = await site.opened();
    // The newest slots were packed with the first two commits already.
    for (let round = 0; round < 3; round++) await first.append('sensor-values', [reading({ point: sensor })]);
    first.sawSerial('EM-1', '20-114-7');
    await first.append('sensor-values', [reading({ point: sensor })]);
    const copy = site.crashed();
    const second = await site.opened({ path: copy });
    expect(second.serialSeen('EM-1')).toBe('20-114-7');
    expect(second.serialSeen('EM-2')).toBeUndefined();
    second.forgetOthers(new Set(['EM-2']));
    expect(second.serialSeen('EM-1')).toBeUndefined();
  });

  it('forgets the totals of devices that are gone, over a restart too, and none of their slots', async () => {
    const first = await site.opened();
    const gone = pointInfo({ device: 'EM-2' });
    await first.append('meter-readings', [reading({ slotMs: 1_000_000 }), reading({ point: gone, slotMs: 1_000_000 })]);
    const copy = site.crashed();
    const second = await site.opened({ path: copy });
    expect(second.lastTotal('EM-2', 'energy')).toMatchObject({ value: 1 });
    second.forgetOthers(new Set(['EM-1']));
    await second.append('meter-readings', [reading({})]);
    await second.append('meter-readings', [reading({})]);
    await second.close(soon());
    const third = await site.opened({ path: copy });
    expect(third.lastTotal('EM-1', 'energy')).toMatchObject({ value: 1 });
    expect(third.lastTotal('EM-2', 'energy')).toBeUndefined();
    expect(third.newestSlotMs('EM-2', 'energy')).toBe(1_000_000);
  });

  it('skips and tells a frame with a flipped bit, and gives all others', async () => {
    const first = await site.opened();
    for (let round = 0; round < 3; round++) await first.append('meter-readings', counted(round * 10, 10));
    await first.close(soon());
    const name = readdirSync(site.path).find((file) => /^\d{12}-.*\.db$/.test(file)) ?? '';
    const db = new Database(join(site.path, name));
    const row = db.prepare('SELECT body FROM frames WHERE first = 11').get() as { body: Uint8Array };
    row.body[row.body.length - 1] = (row.body.at(-1) ?? 0) ^ 1;
    db.prepare('UPDATE frames SET body = ? WHERE first = 11').run(row.body);
    db.close();
    const second = await site.opened();
    const entries = await drain(second, 'meter-readings', 20);
    expect(entries.map((entry) => entry.seq)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
    ]);
    expect(site.events).toMatchObject([
      { event: 'loss', facts: { stream: 'meter-readings', firstSeq: 11, lastSeq: 20, count: 10 } },
    ]);
  });

  it('starts beside a segment that is no database, and puts it aside', async () => {
    writeFileSync(
      join(site.path, '000000000001-1-aaaaaaaa.db'),
      'this is no database, but longer than a header of one hundred bytes'.repeat(20),
    );
    const buffer = await site.opened();
    await buffer.append('meter-readings', counted(0, 1));
    expect(await drain(buffer, 'meter-readings', 1)).toHaveLength(1);
    expect(site.events.map((event) => event.event)).toEqual(['possible-loss', 'quarantine']);
    expect(existsSync(join(site.path, 'quarantine', '000000000001-1-aaaaaaaa.db'))).toBe(true);
  });

  it('starts with a damaged lock file', async () => {
    const first = await site.opened();
    await first.append('meter-readings', counted(0, 2));
    await first.close(soon());
    const bytes = readFileSync(join(site.path, 'lock.db'));
    writeFileSync(join(site.path, 'lock.db'), bytes.fill(7, 0, 4096));
    const second = await site.opened();
    expect((await drain(second, 'meter-readings', 2)).map((entry) => entry.repeat)).toEqual([true, true]);
    expect(Number.parseInt(second.epoch, 10)).toBeGreaterThan(Number.parseInt(first.epoch, 10));
  });

  it('commits what waits when it is closed, and takes nothing afterwards', async () => {
    const first = await site.opened({ commitEveryMs: 60_000 });
    await first.append('meter-readings', counted(0, 1));
    const late = first.append('meter-readings', counted(1, 1));
    await first.close(soon());
    await late;
    await expect(first.append('meter-readings', counted(2, 1))).rejects.toBeInstanceOf(BufferError);
    const second = await site.opened();
    expect(await drain(second, 'meter-readings', 2)).toHaveLength(2);
    expect(readdirSync(site.path).filter((name) => name.endsWith('-wal'))).toEqual([]);
  });

  it('hands every sequence number to the tap only when its commit has returned', async () => {
    const tapped: number[] = [];
    const buffer = await site.opened({ tap: (_epoch, _stream, seqs) => tapped.push(...seqs) });
    const done = buffer.append('meter-readings', counted(0, 3));
    expect(tapped).toEqual([]);
    await done;
    expect(tapped).toEqual([1, 2, 3]);
  });
});
