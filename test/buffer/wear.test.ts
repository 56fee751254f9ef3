import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BufferView } from '../../buffer/view/view.ts';
import { beginWriter } from '../../buffer/thread.ts';
import { wearOf } from '../../buffer/view/view-wear.ts';
import { bytesPerDay, deviceWear, WearMeter, writtenByThread } from '../../buffer/wear.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { reading } from '../support/readings.ts';

const hourMs = 3_600_000;
const tmpfs = 0x01_02_19_94;
const noCount =
  writtenByThread() === null || statfsSync(tmpdir()).type === tmpfs
    ? 'no kernel here counts what is written to a disk'
    : undefined;

/** Of this process, all its threads: the buffer asks only about one. */
const writtenByProcess = (): number =>
  Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);

describe('what the buffer has written', () => {
  it('adds up over starts, and a day is taken from the last one to two days of running', () => {
    const first = new WearMeter();
    for (let hour = 1; hour <= 100; hour++) first.now({ bytes: hour * 1000, runningMs: hour * hourMs });
    const second = new WearMeter();
    second.goOn(first.now({ bytes: 100_000, runningMs: 100 * hourMs }));
    // From here on ten times as much.
    for (let hour = 1; hour <= 72; hour++) second.now({ bytes: hour * 10_000, runningMs: hour * hourMs });
    const { total, recent } = second.now({ bytes: 720_000, runningMs: 72 * hourMs });
    expect(total).toEqual({ bytes: 820_000, runningMs: 172 * hourMs });
    expect(recent.runningMs).toBeLessThanOrEqual(48 * hourMs);
    expect(bytesPerDay(recent)).toBeGreaterThan(200_000);
    expect(bytesPerDay(recent)).toBeLessThanOrEqual(240_000);
  });

  it('says nothing of a day before a minute has passed', () => {
    expect(bytesPerDay({ bytes: 5000, runningMs: 59_000 })).toBeNull();
    expect(bytesPerDay({ bytes: 5000, runningMs: 60_000 })).toBe(7_200_000);
  });

  it.skipIf(noCount !== undefined)(
    'is what the kernel counts, and is known to the next start and to a looker',
    async () => {
      const site = new BufferFolder();
      onTestFinished(() => site.remove());
      const before = writtenByProcess();
      // What is counted is the thread's.
      const buffer = await site.opened({ writer: beginWriter() });
      for (let value = 0; value < 10; value++) await buffer.append('meter-readings', [reading({ value })]);
      const { writtenBytes, wear } = buffer.stats();
      // Each commit syncs a page of the WAL at least.
      expect(writtenBytes).toBeGreaterThanOrEqual(10 * 4096);
      expect(writtenBytes).toBeLessThanOrEqual(writtenByProcess() - before);
      expect(wear?.total.bytes).toBe(writtenBytes);
      await buffer.close(soon());
      const second = await site.opened({ writer: beginWriter() });
      const goneOn = second.stats().wear?.total.bytes ?? 0;
      expect(goneOn).toBeGreaterThan(second.stats().writtenBytes ?? 0);
      await second.append('meter-readings', [reading({})]);
      await second.append('meter-readings', [reading({})]);
      const view = BufferView.open(site.crashed());
      expect((view && wearOf(view))?.total.bytes).toBeGreaterThanOrEqual(goneOn);
      view?.close();
    },
  );
});

describe('what a whole device has taken', () => {
  /** A /sys and a /proc that know the device under the folder for temporary files. */
  function machine(files: Readonly<Record<string, string>>, link: string): string {
    const root = `${mkdtempSync(join(tmpdir(), 'sluice-wear-'))}/`;
    onTestFinished(() => rmSync(root, { recursive: true }));
    const number = statSync(tmpdir()).dev;
    mkdirSync(join(root, 'sys/dev/block'), { recursive: true });
    for (const [name, text] of Object.entries({ 'proc/uptime': '864000.00 1.00\n', ...files })) {
      mkdirSync(join(root, name, '..'), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    symlinkSync(join(root, link), join(root, `sys/dev/block/${number >> 8}:${number & 255}`));
    return root;
  }
  const stat = '  100 0 800 5  2000 7 4000000 9 0 1 2\n';

  it.skipIf(statSync(tmpdir()).dev > 0xffff)('is that of the disk, also where the folder lies on a partition', () => {
    const files = {
      'dev/mmcblk0/stat': stat,
      'dev/mmcblk0/uevent': 'MAJOR=179\nMINOR=0\nDEVNAME=mmcblk0\nDEVTYPE=disk\n',
      'dev/mmcblk0/mmcblk0p2/stat': '  1 0 8 5  2 7 4 9 0 1 2\n',
      'dev/mmcblk0/mmcblk0p2/uevent': 'MAJOR=179\nMINOR=2\nDEVNAME=mmcblk0p2\nDEVTYPE=partition\n',
    };
    const expected = { device: 'mmcblk0', bytes: 2_048_000_000, runningMs: 864_000_000 };
    expect(deviceWear(tmpdir(), machine(files, 'dev/mmcblk0'))).toEqual(expected);
    expect(deviceWear(tmpdir(), machine(files, 'dev/mmcblk0/mmcblk0p2'))).toEqual(expected);
  });

  it('is not known where no kernel tells', () => {
    expect(deviceWear(tmpdir(), machine({}, 'dev/none'))).toBeNull();
  });
});
