import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Trust } from '../../agent/clock.ts';
import type { GatewayEvent } from '../../agent/reading.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { thinFromBytes } from '../../buffer/room/sizes.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

const maxBytes = 1_000_000;
const flow = pointInfo({ device: 'FT-7', point: 'flow', kind: 'gauge', stream: 'sensor-values' });
const trusted = Date.parse('2026-11-22T13:00:00Z');

let folder: BufferFolder;
let clock: FakeClock;
let buffer: Buffer;
beforeEach(() => {
  folder = new BufferFolder();
});
afterEach(() => folder.remove());

/** Power on: 20 s later the buffer is open. Nobody sends anything. */
async function boots(boot: string, wallMs: number, trust: Trust): Promise<void> {
  clock = Object.assign(new FakeClock(wallMs, 20_000), { boot, trust });
  let opened: Buffer | null = null;
  opened = await folder.opened({
    maxBytes,
    whenFull: 'thin',
    clock,
    event: (event) => {
      folder.events.push(event);
      void opened?.append('gateway-events', [{ at: clock.now(), key: 'ps-12', json: JSON.stringify(event) }]);
    },
  });
  buffer = opened;
}

async function reads(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await clock.advance(1_000);
    const at = clock.now();
    await buffer.append(
      'sensor-values',
      Array.from({ length: 500 }, () => reading({ point: flow, text: randomBytes(70).toString('base64'), at })),
    );
    for (let wait = 0; wait < 100 && buffer.stats().bytes > thinFromBytes(maxBytes); wait++)
      await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const ofClock = (name: string | undefined): GatewayEvent[] =>
  folder.told('loss').filter(({ facts }) => facts?.['clock'] === name);

it('what is dropped of a boot whose clock was wrong is told apart, marked, and with the times between which it was made', async () => {
  await boots('boot-1', trusted, 'synced');
  await reads(1);
  await buffer.close(soon());
  await boots('boot-2', 0, 'unsynced');
  await reads(4);
  await buffer.close(soon());
  expect(folder.told('loss')).toEqual([]);
  const again = trusted + 7_200_000;
  await boots('boot-3', again, 'synced');
  await reads(14);
  const [wrong] = ofClock('unsynced');
  // The first reading of the wrong boot came 21 s after its power on; the last of the boot before at 1 s past the hour.
  expect(wrong?.facts).toMatchObject({
    boot: 'boot-2',
    from: '1970-01-01T00:00:01.000Z',
    trueAfter: new Date(trusted + 1_000 + 21_000).toISOString(),
    trueBefore: new Date(again - 20_000).toISOString(),
  });
  expect(wrong?.message).toMatch(/by a clock that was wrong \(truly after 2026-11-22T13:00:22.000Z and before 2026-/);
  expect(ofClock('unsynced').reduce((sum, { facts }) => sum + Number(facts?.['count']), 0)).toBe(2_000);
  expect(ofClock(undefined)[0]?.facts).toMatchObject({ count: 500, from: '2026-11-22T13:00:01.000Z' });
  expect(ofClock(undefined)[0]?.facts).not.toHaveProperty('trueAfter');
});

it('what is dropped while the clock is still wrong is told with the time after which it was made, and no other', async () => {
  await boots('boot-1', trusted, 'synced');
  await reads(1);
  await buffer.close(soon());
  await boots('boot-2', 0, 'unsynced');
  await reads(17);
  expect(ofClock('unsynced')[0]?.facts).toMatchObject({ boot: 'boot-2', trueBefore: null });
  expect(ofClock('unsynced')[0]?.message).toMatch(/\(truly after 2026-11-22T13:00:22.000Z\) were dropped/);
});
