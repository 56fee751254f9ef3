import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { Pi } from '../support/pi.ts';
import { LoopDisk, noLoopDisk } from './loop-disk.ts';

const minuteMs = 60_000;

describe.skipIf(noLoopDisk !== undefined)('a disk that turns read-only in a boot whose clock is wrong', () => {
  let disk: LoopDisk;
  let folder: BufferFolder;
  let pi: Pi;

  beforeEach(() => {
    disk = LoopDisk.make(24);
    folder = new BufferFolder();
    pi = new Pi(folder);
  });
  afterEach(async () => {
    await pi.stops();
    await folder.remove();
    disk.remove();
  });

  /** Accepted only when the disk takes it. */
  async function readsInMemory(): Promise<void> {
    void pi.reads().catch(() => undefined);
    await pi.passes(minuteMs);
  }

  it('sends events at once and no reading before it has its true time, each of them once and in order', async () => {
    await pi.boots(0, 'unsynced', { path: join(disk.path, 'buffer') });
    await pi.reads();
    await pi.passes(minuteMs);
    await pi.reads();
    disk.breakDown();
    await readsInMemory();
    await expect.poll(() => folder.told('possible-loss').length, { timeout: 10_000 }).toBe(1);
    await readsInMemory();
    void pi.buffer?.append('gateway-events', [{ at: pi.clock.now(), key: 'ps-12', json: '{}' }]);
    const events = await pi.buffer?.next('gateway-events', 0, 10, soon());
    expect(events?.entries.map(({ clock, seq }) => [clock, seq])).toEqual([['unsynced', 5]]);
    await pi.sendsNothing();
    // Right again, the disk not: how they are dated must be on disk before they are sent, and what comes now must not overtake them.
    await pi.synchronises();
    await readsInMemory();
    await pi.sendsNothing();
    disk.mend();
    await expect.poll(() => pi.buffer?.stats().isVolatile, { timeout: 10_000 }).toBe(false);
    await pi.sends(5);
    expect(pi.sent.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4]);
    expect(pi.errors()).toEqual([0, 0, 0, 0, 0]);
    expect(pi.sent.map(({ clock }) => clock)).toEqual([...Array.from({ length: 4 }, () => 'corrected'), 'synced']);
    expect(pi.repeats).toBe(0);
    expect(folder.told('loss')).toEqual([]);
  }, 60_000);
});
