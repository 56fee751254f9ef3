import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Ballast, ballastFile } from '../../buffer/room/ballast.ts';
import { fillOf } from '../../buffer/room/fill.ts';
import type { Fill } from '../../buffer/room/fill.ts';
import { ballastBytes, reservedBytes, takesUpToBytes, thinFromBytes } from '../../buffer/room/sizes.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-ballast-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the ballast', () => {
  it('holds room by bytes that were written, gives it up once, and is made again a while later', () => {
    let nowMs = 0;
    const ballast = new Ballast(folder, () => nowMs);
    ballast.keep(700_000);
    const file = join(folder, ballastFile);
    expect(readFileSync(file)).toEqual(Buffer.alloc(700_000));
    expect(statSync(file).blocks * 512).toBeGreaterThanOrEqual(700_000);
    expect([ballast.release(), existsSync(file), ballast.bytes]).toEqual([true, false, 0]);
    expect(ballast.release()).toBe(false);
    nowMs = 29_000;
    ballast.keep(700_000);
    expect(existsSync(file)).toBe(false);
    nowMs = 31_000;
    ballast.keep(700_000);
    expect([statSync(file).size, ballast.bytes]).toEqual([700_000, 700_000]);
  });

  it('stays, and fails nobody, where the disk lets nobody look for room nor remove what was written for that', () => {
    const ballast = new Ballast(folder);
    ballast.keep(65_536);
    mkdirSync(join(folder, 'probe'));
    expect(ballast.releaseAfter(new Error('EIO'))).toBe(false);
    expect(ballast.bytes).toBe(65_536);
  });

  it('shrinks with the quota at once, and is known to the next start', () => {
    new Ballast(folder).keep(300_000);
    const ballast = new Ballast(folder);
    expect(ballast.bytes).toBe(300_000);
    ballast.shrink(65_536);
    expect([statSync(join(folder, ballastFile)).size, ballast.bytes]).toEqual([65_536, 65_536]);
  });

  it('is not made where it would take half of what is left', () => {
    const ballast = new Ballast(folder);
    ballast.keep(Number.MAX_SAFE_INTEGER);
    expect([ballast.bytes, existsSync(join(folder, ballastFile))]).toEqual([0, false]);
  });
});

describe('the sizes of a buffer', () => {
  it.each([1_000_000, 2_000_000, 64_000_000, 2_000_000_000, 1e12])(
    'leave room in %d bytes for readings, a copy, the ballast and events',
    (maxBytes) => {
      const thinFrom = thinFromBytes(maxBytes);
      const sensors = takesUpToBytes('sensor-values', maxBytes, 'thin');
      const meters = takesUpToBytes('meter-readings', maxBytes, 'thin');
      expect(thinFrom).toBeGreaterThan(maxBytes / 2 + ballastBytes(maxBytes));
      expect([thinFrom < sensors, sensors < meters, meters < maxBytes]).toEqual([true, true, true]);
      expect(takesUpToBytes('gateway-events', maxBytes, 'thin')).toBe(maxBytes);
      expect(takesUpToBytes('sensor-values', maxBytes, 'stop')).toBe(maxBytes - reservedBytes(maxBytes));
    },
  );

  it('keep the ballast between 64 KB and 16 MB', () => {
    expect([1e6, 2e9, 1e12].map(ballastBytes)).toEqual([65_536, 16_777_216, 16_777_216]);
    expect(ballastBytes(100_000_000)).toBe(2_000_000);
  });

  it('are warned of at 70 and 90 percent, once each, and left only 5 percent below', () => {
    const levels: Fill[] = [];
    let fill: Fill = 'low';
    for (const percent of [69, 70, 66, 71, 90, 86, 91, 84, 65, 64, 95, 10]) {
      fill = fillOf(fill, percent, 100);
      levels.push(fill);
    }
    expect(levels).toEqual([
      'low',
      'high',
      'high',
      'high',
      'urgent',
      'urgent',
      'urgent',
      'high',
      'high',
      'low',
      'urgent',
      'low',
    ]);
  });
});
