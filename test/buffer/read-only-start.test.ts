import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Reading } from '../../agent/reading.ts';
import { lockOnReadOnlyDisk } from '../../buffer/lock.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { drained, given, valueOf, values } from '../support/drained.ts';
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

/** Of what the Pi reads nothing is accepted before the disk is back. */
const reads = (pi: Pi): void => void pi.reads().catch(() => undefined);

describe.skipIf(noReadOnlyDisk !== undefined)('a start on a read-only disk', () => {
  it('sends what comes from memory, the first commit too', async () => {
    disk.remount('ro');
    const buffer = await folder.opened(disk.place);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(folder.told('possible-loss')).toHaveLength(1);
    void buffer.append('meter-readings', [reading({ value: 7 })]);
    expect((await given(buffer)).map((entry) => 'value' in entry && entry.value)).toEqual([7]);
  });
});

describe.skipIf(noReadOnlyDisk !== undefined)('what lies on a read-only disk', () => {
  it('is given in order, sealed or not, marked as repeats, before what comes now; and counted', async () => {
    const before = await folder.opened();
    await before.append('meter-readings', values(0, 3));
    await before.close(soon());
    const owner = await folder.opened();
    await owner.append('meter-readings', values(3, 6));
    await owner.append('gateway-events', [{ key: 'kept', json: '{}', at: new FakeClock().now() }]);
    owner.settle('meter-readings', 1, 2);
    await owner.append('meter-readings', values(6, 9));
    disk.takes(folder.crashed());
    const listing = disk.contents();
    const buffer = await folder.opened(disk.place);
    expect(buffer.stats()).toMatchObject({ waiting: { 'meter-readings': 7, 'gateway-events': 1 }, segments: 2 });
    void buffer.append('meter-readings', values(9, 10));
    const lane = await drained(buffer, 'meter-readings', 8);
    expect(lane.map(valueOf)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(lane.map(({ repeat }) => repeat)).toEqual([true, true, true, true, true, true, true, false]);
    expect((await drained(buffer, 'gateway-events', 1)).map((entry) => 'key' in entry && entry.key)).toEqual(['kept']);
    await expect.poll(() => buffer.stats().waiting['meter-readings']).toBe(0);
    expect(disk.contents()).toEqual(listing);
    expect(folder.events.map(({ event }) => event)).toEqual(['possible-loss']);
  });

  it('counts as delivered when the disk is back; what was not delivered comes again, marked', async () => {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(0, 6));
    disk.takes(folder.crashed());
    const buffer = await folder.opened(disk.place);
    const before = await given(buffer);
    for (const { seq } of before.slice(0, 4)) buffer.settle('meter-readings', seq, seq);
    void buffer.append('meter-readings', values(6, 8));
    await drained(buffer, 'meter-readings', 2, before.at(-1)?.seq);
    void buffer.append('meter-readings', values(8, 9));
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    const again = await drained(await folder.opened(disk.place), 'meter-readings', 3);
    expect(again.map(valueOf)).toEqual([4, 5, 8]);
    expect(again.map(({ repeat }) => repeat)).toEqual([true, true, false]);
    expect(again.slice(0, 2)).toEqual(before.slice(4));
    expect(folder.told('loss')).toEqual([]);
  });

  it('leaves numbers out, which no later start takes for lost', async () => {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(0, 6));
    disk.takes(folder.crashed());
    const older = readdirSync(disk.place.path).find((name) => /^\d{12}-.*\.db$/.test(name)) ?? '';
    const buffer = await folder.opened(disk.place);
    void buffer.append('meter-readings', values(6, 8));
    await given(buffer);
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    const restart = async (): Promise<void> => {
      const next = await folder.opened(disk.place);
      await next.append('gateway-events', [{ key: 'start', json: '{}', at: new FakeClock().now() }]);
      await next.close(soon());
    };
    await restart();
    await restart();
    expect(folder.told('loss')).toEqual([]);
    // Nor where it is all that tells where a ruined segment ended.
    const file = join(disk.place.path, older);
    writeFileSync(file, new Uint8Array(statSync(file).size));
    rmSync(join(disk.place.path, 'sealed.list'));
    await drained(await folder.opened(disk.place), 'meter-readings', 2);
    expect(folder.told('loss').map(({ facts }) => facts)).toMatchObject([{ firstSeq: 1, lastSeq: 6, count: 6 }]);
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
    disk.takes(folder.crashed());
    const later = new FakeClock(right + 3_600_000);
    const buffer = await folder.opened({ ...disk.place, clock: later });
    expect(buffer.newestSlotMs('EM-1', 'energy')).toBe(right + 60_000);
    expect(buffer.lastTotal('EM-1', 'energy')).toMatchObject({ value: 101 });
    expect(buffer.serialSeen('EM-1')).toBe('SN-7');
    expect(buffer.newestTrustedMs).toBe(right);
    // What waits for the disk is another lane's: of this one nothing is committed.
    void buffer.append('gateway-events', [{ key: 'first', json: '{}', at: later.now() }]);
    await new Promise((resolve) => setTimeout(resolve, 60));
    void buffer.append('meter-readings', [slot(later, 0, 102)]);
    await drained(buffer, 'meter-readings', 4);
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    const next1 = await folder.opened({ path: folder.crashed(disk.place.path), clock: later });
    expect(next1.newestSlotMs('EM-1', 'energy')).toBe(right + 3_600_000);
    expect(next1.newestSlotMs('EM-2', 'energy')).toBe(right);
    expect(next1.lastTotal('EM-1', 'energy')).toMatchObject({ value: 102 });
    expect(next1.serialSeen('EM-1')).toBe('SN-7');
    await buffer.close(soon());
  });

  it('refuses a second owner, on whichever disk the first one began', async () => {
    const owner = await folder.opened();
    expect(() => lockOnReadOnlyDisk(folder.path)).toThrow(/another sluice process owns this buffer/);
    await owner.close(soon());
    disk.takes(folder.path);
    const first = await folder.opened(disk.place);
    await expect(folder.opened(disk.place)).rejects.toMatchObject({ code: 'BUFFER_IN_USE' });
    void first.append('meter-readings', values(0, 1)).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 60));
    // It looks once a second whether it can write.
    disk.remount('rw');
    await expect(folder.opened(disk.place)).rejects.toMatchObject({ code: 'BUFFER_IN_USE' });
    await expect(first.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await first.close(soon());
    await folder.opened(disk.place);
  });
});

describe.skipIf(noReadOnlyDisk !== undefined)('a start on a read-only disk with a wrong clock', () => {
  it('holds its readings, and sends them with their true time when the clock is right', async () => {
    const pi = new Pi(folder);
    await pi.boots(0, 'synced', disk.place);
    await pi.stops();
    disk.remount('ro');
    await pi.boots(0, 'unsynced', disk.place);
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

  it('writes down how it dated them, so that what comes again is the same', async () => {
    disk.remount('ro');
    const clock = new FakeClock(0, 20_000);
    clock.trust = 'unsynced';
    const buffer = await folder.opened({ ...disk.place, clock });
    for (let value = 0; value < 3; value++) {
      void buffer.append('meter-readings', [reading({ at: clock.now(), value })]);
      await new Promise((resolve) => setTimeout(resolve, 40));
      await clock.advance(1_000);
    }
    clock.stepWall(began);
    clock.trust = 'synced';
    await clock.advance(1_000);
    const before = await given(buffer);
    expect(before.map(({ clock: mark, timeMs, repeat }) => [mark, timeMs, repeat])).toEqual([
      ['corrected', began, false],
      ['corrected', began + 1_000, false],
      ['corrected', began + 2_000, false],
    ]);
    disk.remount('rw');
    await expect(buffer.failed).resolves.toMatchObject({ code: 'DISK_BACK' });
    await buffer.close(soon());
    const later = new FakeClock(12_345, 500_000);
    later.trust = 'unsynced';
    const again = await given(await folder.opened({ ...disk.place, clock: later }));
    expect(again).toEqual(before.map((entry) => ({ ...entry, repeat: true })));
  });
});

const slot = (clock: FakeClock, afterMs: number, value: number): Reading =>
  reading({ at: clock.now(), value, slotMs: clock.now().wallMs + afterMs });
