import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Kept, Note, Reading, Stream } from '../../agent/reading.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { lettersIn } from '../../buffer/dead-letters.ts';
import { lockOnReadOnlyDisk } from '../../buffer/lock.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { began, Pi } from '../support/pi.ts';
import { noReadOnlyDisk, ReadOnlyDisk } from '../support/read-only-disk.ts';
import { pointInfo, reading } from '../support/readings.ts';

const minuteMs = 60_000;

let folder: BufferFolder;
let disk: ReadOnlyDisk;
beforeEach(() => {
  folder = new BufferFolder();
  disk = new ReadOnlyDisk();
});
afterEach(async () => {
  await folder.remove();
  disk.remove();
});

const onDisk = () => ({ path: join(disk.path, 'buffer') });
/** Of what the Pi reads nothing is accepted before the disk is back. */
const reads = (pi: Pi): void => void pi.reads().catch(() => undefined);

describe.skipIf(noReadOnlyDisk !== undefined)('a start on a read-only disk', () => {
  it('sends what comes from memory, the first commit too', async () => {
    disk.remount('ro');
    const buffer = await folder.opened(onDisk());
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(folder.told('possible-loss')).toHaveLength(1);
    void buffer.append('meter-readings', [reading({ value: 7 })]);
    expect((await next(buffer)).map((entry) => 'value' in entry && entry.value)).toEqual([7]);
  });
});

describe.skipIf(noReadOnlyDisk !== undefined)('what lies on a read-only disk', () => {
  it('is given in order, sealed or not, marked as repeats, before what comes now; and counted', async () => {
    const before = await folder.opened();
    await before.append('meter-readings', values(0, 3));
    await before.close(soon());
    const owner = await folder.opened();
    await owner.append('meter-readings', values(3, 6));
    await owner.append('gateway-events', [note('kept')]);
    settleFirst(owner, 2);
    await owner.append('meter-readings', values(6, 9));
    lies(folder.crashed());
    const listing = contents();
    const buffer = await folder.opened(onDisk());
    expect(buffer.stats()).toMatchObject({ waiting: { 'meter-readings': 7, 'gateway-events': 1 }, segments: 2 });
    void buffer.append('meter-readings', values(9, 10));
    const lane = await drained(buffer, 'meter-readings', 8);
    expect(lane.map(valueOf)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(lane.map(({ repeat }) => repeat)).toEqual([true, true, true, true, true, true, true, false]);
    expect((await drained(buffer, 'gateway-events', 1)).map((entry) => 'key' in entry && entry.key)).toEqual(['kept']);
    await expect.poll(() => buffer.stats().waiting['meter-readings']).toBe(0);
    expect(contents()).toEqual(listing);
    expect(folder.events.map(({ event }) => event)).toEqual(['possible-loss']);
  });

  it('counts as delivered when the disk is back; what was not delivered comes again, marked', async () => {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(0, 6));
    lies(folder.crashed());
    const buffer = await folder.opened(onDisk());
    const given = await next(buffer);
    for (const { seq } of given.slice(0, 4)) buffer.settle('meter-readings', seq, seq);
    void buffer.append('meter-readings', values(6, 8));
    await drained(buffer, 'meter-readings', 2, given.at(-1)?.seq);
    void buffer.append('meter-readings', values(8, 9));
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    const again = await drained(await folder.opened(onDisk()), 'meter-readings', 3);
    expect(again.map(valueOf)).toEqual([4, 5, 8]);
    expect(again.map(({ repeat }) => repeat)).toEqual([true, true, false]);
    expect(again.slice(0, 2)).toEqual(given.slice(4));
    expect(folder.told('loss')).toEqual([]);
  });

  it('tells its newest slots, totals, serial numbers and right time, and keeps those of what was delivered from memory', async () => {
    const clock = new FakeClock();
    const owner = await folder.opened({ clock });
    owner.sawSerial('EM-1', 'SN-7');
    await owner.append('meter-readings', [
      slot(clock, 0, 100),
      { ...slot(clock, 0, 5), point: pointInfo({ device: 'EM-2' }) },
    ]);
    await owner.close(soon());
    await (await folder.opened({ clock })).append('meter-readings', [slot(clock, 60_000, 101)]);
    const right = clock.now().wallMs;
    lies(folder.crashed());
    const later = new FakeClock(right + 3_600_000);
    const buffer = await folder.opened({ ...onDisk(), clock: later });
    expect(buffer.newestSlotMs('EM-1', 'energy')).toBe(right + 60_000);
    expect(buffer.lastTotal('EM-1', 'energy')).toMatchObject({ value: 101 });
    expect(buffer.serialSeen('EM-1')).toBe('SN-7');
    expect(buffer.newestTrustedMs).toBe(right);
    // What waits for the disk is another lane's: of this one nothing is committed.
    void buffer.append('gateway-events', [note('first')]);
    await new Promise((resolve) => setTimeout(resolve, 60));
    void buffer.append('meter-readings', [slot(later, 0, 102)]);
    await drained(buffer, 'meter-readings', 4);
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    const next1 = await folder.opened({ path: folder.crashed(onDisk().path), clock: later });
    expect(next1.newestSlotMs('EM-1', 'energy')).toBe(right + 3_600_000);
    expect(next1.newestSlotMs('EM-2', 'energy')).toBe(right);
    expect(next1.lastTotal('EM-1', 'energy')).toMatchObject({ value: 102 });
    expect(next1.serialSeen('EM-1')).toBe('SN-7');
    await buffer.close(soon());
  });

  it('keeps what the broker refuses for the dead letters, until they can be written', async () => {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(0, 2));
    lies(folder.crashed());
    const buffer = await folder.opened(onDisk());
    const [first, second] = await next(buffer);
    if (!first || !second) throw new Error('nothing is given');
    await buffer.reject(first, 'too large', { key: 'k', value: 'v' });
    buffer.settle('meter-readings', second.seq, second.seq);
    void buffer.append('meter-readings', values(2, 3));
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    expect([...lettersIn(join(onDisk().path, 'dead-letters.db'))]).toMatchObject([
      { seq: first.seq, reason: 'too large', value: 'v', isSound: true },
    ]);
    expect((await next(await folder.opened(onDisk()))).map(valueOf)).toEqual([2]);
  });

  it('refuses a second owner, on whichever disk the first one began', async () => {
    const owner = await folder.opened();
    expect(() => lockOnReadOnlyDisk(folder.path)).toThrow(/another sluice process owns this buffer/);
    await owner.close(soon());
    lies(folder.path);
    const first = await folder.opened(onDisk());
    await expect(folder.opened(onDisk())).rejects.toMatchObject({ code: 'BUFFER_IN_USE' });
    await first.close(soon());
    await folder.opened(onDisk());
  });
});

describe.skipIf(noReadOnlyDisk !== undefined)('damage on a read-only disk', () => {
  it('is told, the rest is given, and all stays as it lies there; when the disk is back no loss is told twice', async () => {
    const owner = await folder.opened();
    for (let at = 0; at < 6; at++) await owner.append('meter-readings', values(at, at + 1));
    await owner.close(soon());
    const [name = ''] = folder.segments();
    const file = join(folder.path, name);
    const bytes = readFileSync(file);
    const frame = frameOf(file, 3);
    const at = bytes.indexOf(frame);
    bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 0x40;
    writeFileSync(file, bytes);
    lies(folder.path);
    const listing = contents();
    const buffer = await folder.opened(onDisk());
    expect((await drained(buffer, 'meter-readings', 5)).map(valueOf)).toEqual([0, 1, 3, 4, 5]);
    expect(folder.told('loss')).toHaveLength(1);
    expect(contents()).toEqual(listing);
    void buffer.append('meter-readings', values(6, 7));
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    const again = await folder.opened(onDisk());
    expect((await drained(again, 'meter-readings', 1)).map(valueOf)).toEqual([6]);
    await again.close(soon());
    expect(folder.told('loss')).toHaveLength(1);
  });

  it('fails no start: a segment of a newer version, a foreign file and an empty one are left to the next', async () => {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(0, 1));
    await owner.close(soon());
    const [name = ''] = folder.segments();
    const newer = new Database(join(folder.path, name.replace('000000000001', '000000000003')));
    newer.exec('CREATE TABLE other (n); PRAGMA application_id = 0x534c5549; PRAGMA user_version = 2');
    newer.close();
    writeFileSync(join(folder.path, name.replace('000000000001', '000000000005')), 'something else '.repeat(900));
    writeFileSync(join(folder.path, name.replace('000000000001', '000000000007')), '');
    lies(folder.path);
    const listing = contents();
    const buffer = await folder.opened(onDisk());
    void buffer.append('meter-readings', values(1, 2));
    expect((await drained(buffer, 'meter-readings', 2)).map(valueOf)).toEqual([0, 1]);
    expect(contents()).toEqual(listing);
  });
});

describe.skipIf(noReadOnlyDisk !== undefined)('a start on a read-only disk with a wrong clock', () => {
  it('holds its readings, and sends them with their true time when the clock is right', async () => {
    const pi = new Pi(folder);
    await pi.boots(0, 'synced', onDisk());
    await pi.stops();
    disk.remount('ro');
    await pi.boots(0, 'unsynced', onDisk());
    for (let minute = 0; minute < 3; minute++) {
      reads(pi);
      await new Promise((resolve) => setTimeout(resolve, 40));
      await pi.passes(minuteMs);
    }
    await pi.sendsNothing();
    await pi.synchronises();
    await pi.sends(3);
    expect(pi.errors()).toEqual([0, 0, 0]);
    expect(pi.sent.map(({ clock, repeat }) => [clock, repeat])).toEqual(pi.sent.map(() => ['corrected', false]));
    reads(pi);
    await pi.sends(4);
    expect(pi.sent.at(-1)?.clock).toBe('synced');
    await pi.stops();
  });

  it('sends them with its own time when they were held long enough', async () => {
    const pi = new Pi(folder);
    disk.remount('ro');
    await pi.boots(began, 'unsynced', { ...onDisk(), holdMs: 48_000 });
    reads(pi);
    await new Promise((resolve) => setTimeout(resolve, 40));
    await pi.passes(10_000);
    reads(pi);
    await new Promise((resolve) => setTimeout(resolve, 40));
    await pi.passes(30_000);
    await pi.sendsNothing();
    await pi.passes(minuteMs);
    await pi.sends(1);
    expect(pi.sent.map(({ clock, value }) => [clock, value])).toEqual([['unsynced', 0]]);
    await pi.stops();
  });

  it('sends what an earlier boot held, and leaves what this one held before to the start that can write', async () => {
    const pi = new Pi(folder);
    await pi.boots(0, 'unsynced');
    await pi.reads();
    await pi.reads();
    pi.crashes();
    cpSync(folder.crashed(), onDisk().path, { recursive: true });
    disk.remount('ro');
    // The process alone was begun anew: the boot is the same.
    await pi.starts(onDisk());
    reads(pi);
    await pi.passes(1_000);
    await pi.sendsNothing();
    await pi.synchronises();
    await pi.sends(1);
    expect(pi.sent.map(({ value, clock }) => [value, clock])).toEqual([[2, 'corrected']]);
    await pi.stops();
    // Nobody wrote down what that start decided: the next boot gives it up.
    await pi.boots(began, 'synced', onDisk());
    await pi.sends(3);
    expect(pi.sent.slice(1).map(({ value, clock, slotMs }) => [value, clock, slotMs])).toEqual([
      [0, 'unsynced', null],
      [1, 'unsynced', null],
    ]);
    await pi.stops();
    disk.remount('rw');
    const again = await next(await folder.opened({ ...onDisk(), clock: pi.clock }));
    expect(again.map((entry) => ({ ...entry, repeat: true }))).toEqual(pi.sent.slice(1));
  });

  it('leaves all readings on the disk alone where it cannot be told how they are dated', async () => {
    const pi = new Pi(folder);
    await pi.boots(0, 'unsynced');
    await pi.reads();
    pi.crashes();
    cpSync(folder.crashed(), onDisk().path, { recursive: true });
    writeFileSync(join(onDisk().path, 'dating.db-journal'), 'cut short');
    disk.remount('ro');
    await pi.boots(began, 'synced', onDisk());
    reads(pi);
    await pi.sends(1);
    expect(pi.sent.map(({ value }) => value)).toEqual([1]);
    await pi.stops();
  });

  it('writes down how it dated them, so that what comes again is the same', async () => {
    disk.remount('ro');
    const clock = new FakeClock(0, 20_000);
    clock.trust = 'unsynced';
    const buffer = await folder.opened({ ...onDisk(), clock });
    for (let value = 0; value < 3; value++) {
      void buffer.append('meter-readings', [reading({ at: clock.now(), value })]);
      await new Promise((resolve) => setTimeout(resolve, 40));
      await clock.advance(1_000);
    }
    clock.stepWall(began);
    clock.trust = 'synced';
    await clock.advance(1_000);
    const given = await next(buffer);
    expect(given.map(({ clock: mark, timeMs, repeat }) => [mark, timeMs, repeat])).toEqual([
      ['corrected', began, false],
      ['corrected', began + 1_000, false],
      ['corrected', began + 2_000, false],
    ]);
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    const later = new FakeClock(12_345, 500_000);
    later.trust = 'unsynced';
    const again = await next(await folder.opened({ ...onDisk(), clock: later }));
    expect(again).toEqual(given.map((entry) => ({ ...entry, repeat: true })));
  });
});

function lies(from: string): void {
  cpSync(from, onDisk().path, { recursive: true });
  disk.remount('ro');
}

const contents = (): unknown[] =>
  readdirSync(onDisk().path).map((name) => {
    const { size, mtimeMs } = statSync(join(onDisk().path, name));
    return [name, size, mtimeMs];
  });

const values = (from: number, to: number): Reading[] =>
  Array.from({ length: to - from }, (_, at) => reading({ value: from + at }));

/** The body of the frame that holds this seq, as it lies in the file. */
function frameOf(file: string, seq: number): Uint8Array {
  const db = new Database(file, { readonly: true });
  try {
    return (db.prepare('SELECT body FROM frames WHERE first = ?').get(seq) as { body: Uint8Array }).body;
  } finally {
    db.close();
  }
}

const note = (key: string): Note => ({ key, json: '{}', at: new FakeClock().now() });

const slot = (clock: FakeClock, afterMs: number, value: number): Reading =>
  reading({ at: clock.now(), value, slotMs: clock.now().wallMs + afterMs });

const valueOf = (entry: Kept): number | null => (entry.form === 'reading' ? entry.value : null);

function settleFirst(buffer: Buffer, count: number): void {
  buffer.settle('meter-readings', 1, count);
}

/** So many entries of a lane, settled as they come. */
async function drained(buffer: Buffer, stream: Stream, count: number, from = 0): Promise<Kept[]> {
  const entries: Kept[] = [];
  for (let after = from; entries.length < count;) {
    const batch = await buffer.next(stream, after, 2, soon());
    entries.push(...batch.entries);
    after = batch.last;
    buffer.settle(stream, batch.first, batch.last);
  }
  return entries;
}

async function next(buffer: Buffer, stream: Stream = 'meter-readings'): Promise<readonly Kept[]> {
  return (await buffer.next(stream, 0, 1_000, soon())).entries;
}
