import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Kept, Stream } from '../../agent/reading.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
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

async function next(buffer: Buffer, stream: Stream = 'meter-readings'): Promise<readonly Kept[]> {
  return (await buffer.next(stream, 0, 1_000, soon())).entries;
}
