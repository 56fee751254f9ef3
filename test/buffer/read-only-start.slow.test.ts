import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lettersIn } from '../../buffer/dead-letters.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { drained, given, valueOf, values } from '../support/drained.ts';
import { began, Pi } from '../support/pi.ts';
import { noReadOnlyDisk, ReadOnlyDisk } from '../support/read-only-disk.ts';
import { reading } from '../support/readings.ts';

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

/** Of what the Pi reads nothing is accepted before the disk is back. */
const reads = (pi: Pi): void => void pi.reads().catch(() => undefined);

describe.skipIf(noReadOnlyDisk !== undefined)('what the broker refuses on a read-only disk', () => {
  it('waits for the dead letters, until they can be written', async () => {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(0, 2));
    disk.takes(folder.crashed());
    const buffer = await folder.opened(disk.place);
    const [first, second] = await given(buffer);
    if (!first || !second) throw new Error('nothing is given');
    await buffer.reject(first, 'too large', { key: 'k', value: 'v' });
    buffer.settle('meter-readings', second.seq, second.seq);
    void buffer.append('meter-readings', values(2, 3));
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    expect([...lettersIn(join(disk.place.path, 'dead-letters.db'))]).toMatchObject([
      { seq: first.seq, reason: 'too large', value: 'v', isSound: true },
    ]);
    expect((await given(await folder.opened(disk.place))).map(valueOf)).toEqual([2]);
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
    disk.takes(folder.path);
    const listing = disk.contents();
    const buffer = await folder.opened(disk.place);
    expect((await drained(buffer, 'meter-readings', 5)).map(valueOf)).toEqual([0, 1, 3, 4, 5]);
    expect(folder.told('loss')).toHaveLength(1);
    expect(disk.contents()).toEqual(listing);
    void buffer.append('meter-readings', values(6, 7));
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    const again = await folder.opened(disk.place);
    expect((await drained(again, 'meter-readings', 1)).map(valueOf)).toEqual([6]);
    await again.close(soon());
    expect(folder.told('loss')).toHaveLength(1);
  });

  it('leaves its file to people, also where all else of it is delivered before the disk is back', async () => {
    const owner = await folder.opened();
    for (let at = 0; at < 6; at++) await owner.append('meter-readings', values(at, at + 1));
    await owner.close(soon());
    const [name = ''] = folder.segments();
    const later = await folder.opened();
    await later.append('meter-readings', values(6, 7));
    await later.close(soon());
    const file = join(folder.path, name);
    const bytes = readFileSync(file);
    const at = bytes.indexOf(frameOf(file, 3));
    bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 0x40;
    writeFileSync(file, bytes);
    disk.takes(folder.path);
    const buffer = await folder.opened(disk.place);
    expect((await drained(buffer, 'meter-readings', 6)).map(valueOf)).toEqual([0, 1, 3, 4, 5, 6]);
    expect(folder.told('loss')[0]?.message).toMatch(/The file is kept in the folder quarantine\.$/);
    void buffer.append('meter-readings', values(7, 8));
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    await (await folder.opened(disk.place)).close(soon());
    expect(readFileSync(join(disk.place.path, 'quarantine', name))).toEqual(bytes);
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
    disk.takes(folder.path);
    const listing = disk.contents();
    const buffer = await folder.opened(disk.place);
    void buffer.append('meter-readings', values(1, 2));
    expect((await drained(buffer, 'meter-readings', 2)).map(valueOf)).toEqual([0, 1]);
    expect(disk.contents()).toEqual(listing);
  });

  it('of a WAL is told as in any start, once, and the files are kept when they can be', async () => {
    const owner = await folder.opened();
    for (let at = 0; at < 6; at++) await owner.append('meter-readings', values(at, at + 1));
    const copy = folder.crashed();
    const [name = ''] = folder.segments();
    const wal = join(copy, `${name}-wal`);
    const bytes = readFileSync(wal);
    const at = 32 + 11 * 4120 + 100;
    bytes[at] = (bytes[at] ?? 0) ^ 0x40;
    writeFileSync(wal, bytes);
    disk.takes(copy);
    const buffer = await folder.opened(disk.place);
    void buffer.append('meter-readings', values(6, 7));
    expect((await drained(buffer, 'meter-readings', 2)).map(valueOf)[0]).toBe(0);
    const told = (): unknown[] => folder.told('possible-loss').filter(({ facts }) => facts?.['unreadableWalFrames']);
    expect(told()).toHaveLength(1);
    expect(folder.told('quarantine')).toHaveLength(0);
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    expect(told()).toHaveLength(1);
    expect(folder.told('quarantine')).toHaveLength(1);
    await buffer.close(soon());
  });
});

describe.skipIf(noReadOnlyDisk !== undefined)('a start on a read-only disk with a wrong clock', () => {
  it('sends them with its own time when they were held long enough', async () => {
    const pi = new Pi(folder);
    disk.remount('ro');
    await pi.boots(began, 'unsynced', { ...disk.place, holdMs: 48_000 });
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
    // So that a reader of the readings finds nothing before those that wait.
    await pi.buffer?.append('gateway-events', [{ key: 'start', json: '{}', at: pi.clock.now() }]);
    await pi.reads();
    await pi.reads();
    pi.crashes();
    cpSync(folder.crashed(), disk.place.path, { recursive: true });
    disk.remount('ro');
    // The process alone was begun anew: the boot is the same.
    await pi.starts(disk.place);
    reads(pi);
    await pi.passes(1_000);
    await pi.sendsNothing();
    await pi.synchronises();
    await pi.sends(1);
    expect(pi.sent.map(({ value, clock }) => [value, clock])).toEqual([[2, 'corrected']]);
    await pi.stops();
    // Nobody wrote down what that start decided: the next boot gives it up.
    await pi.boots(began, 'synced', disk.place);
    await pi.sends(3);
    expect(pi.sent.slice(1).map(({ value, clock, slotMs }) => [value, clock, slotMs])).toEqual([
      [0, 'unsynced', null],
      [1, 'unsynced', null],
    ]);
    await pi.stops();
    disk.remount('rw');
    const again = await given(await folder.opened({ ...disk.place, clock: pi.clock }));
    expect(again.map((entry) => ({ ...entry, repeat: true }))).toEqual(pi.sent.slice(1));
  });

  it('leaves what this boot held before alone for as long as it runs, also when it was held long enough', async () => {
    const pi = new Pi(folder);
    await pi.boots(0, 'unsynced');
    await pi.buffer?.append('gateway-events', [{ key: 'start', json: '{}', at: pi.clock.now() }]);
    await pi.reads();
    pi.crashes();
    cpSync(folder.crashed(), disk.place.path, { recursive: true });
    disk.remount('ro');
    await pi.starts({ ...disk.place, holdMs: 48_000 });
    for (let at = 0; at < 4; at++) {
      reads(pi);
      await new Promise((resolve) => setTimeout(resolve, 40));
      await pi.passes(20_000);
    }
    await pi.sends(2);
    expect(pi.sent.map(({ value, clock }) => [value, clock])).toEqual([
      [1, 'unsynced'],
      [2, 'unsynced'],
    ]);
    await pi.stops();
  });

  it('leaves readings alone whose dates cannot be told, also while its own wait', async () => {
    const pi = new Pi(folder);
    await pi.boots(0, 'unsynced');
    await pi.reads();
    pi.crashes();
    cpSync(folder.crashed(), disk.place.path, { recursive: true });
    for (const name of ['dating.db', 'dating-copy.db'])
      writeFileSync(join(disk.place.path, `${name}-journal`), 'cut short');
    disk.remount('ro');
    const { clock } = pi;
    const buffer = await folder.opened({ ...disk.place, clock });
    void buffer.append('meter-readings', [reading({ at: clock.now() })]).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 40));
    // The forwarder comes when its broker is there: by then something waits.
    const first = buffer.next('meter-readings', 0, 10, AbortSignal.timeout(200));
    await expect(first).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it.each(['held', 'dated'] as const)(
    'changes nothing in how readings of its boot are dated that were %s before, where that cannot be told',
    async (before) => {
      const pi = new Pi(folder);
      await pi.boots(0, 'unsynced');
      await pi.buffer?.append('gateway-events', [{ key: 'start', json: '{}', at: pi.clock.now() }]);
      await pi.reads();
      await pi.reads();
      if (before === 'dated') {
        await pi.synchronises();
        await pi.sends(2);
      }
      pi.crashes();
      cpSync(folder.crashed(), disk.place.path, { recursive: true });
      writeFileSync(join(disk.place.path, 'dating.db-journal'), 'cut short');
      disk.remount('ro');
      if (before === 'dated') {
        pi.clock.stepWall(-3_600_000);
        pi.clock.trust = 'unsynced';
      }
      await pi.starts(disk.place);
      reads(pi);
      await new Promise((resolve) => setTimeout(resolve, 40));
      await pi.sendsNothing();
      disk.remount('rw');
      await expect(pi.buffer?.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
      await pi.stops();
      await pi.starts(disk.place);
      await pi.synchronises();
      await pi.sends(3);
      expect(pi.errors()).toEqual([0, 0, 0]);
      expect(pi.sent.map(({ clock }) => clock)).toEqual(['corrected', 'corrected', 'corrected']);
      await pi.stops();
    },
  );

  it('leaves all readings on the disk alone where it cannot be told how they are dated', async () => {
    const pi = new Pi(folder);
    await pi.boots(0, 'unsynced');
    await pi.reads();
    pi.crashes();
    cpSync(folder.crashed(), disk.place.path, { recursive: true });
    for (const name of ['dating.db', 'dating-copy.db'])
      writeFileSync(join(disk.place.path, `${name}-journal`), 'cut short');
    disk.remount('ro');
    await pi.boots(began, 'synced', disk.place);
    reads(pi);
    await pi.sends(1);
    expect(pi.sent.map(({ value }) => value)).toEqual([1]);
    await pi.stops();
  });
});

/** The body of the frame that holds this seq, as it lies in the file. */
function frameOf(file: string, seq: number): Uint8Array {
  const db = new Database(file, { readonly: true });
  try {
    return (db.prepare('SELECT body FROM frames WHERE first = ?').get(seq) as { body: Uint8Array }).body;
  } finally {
    db.close();
  }
}
