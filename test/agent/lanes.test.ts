import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ForwardedLanes } from '../../agent/lanes.ts';
import { streams } from '../../agent/reading.ts';
import type { Stream } from '../../agent/reading.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLane, kept } from '../support/lane.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-lanes-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lines = (name: string): number => readFileSync(join(folder, name), 'utf8').trim().split('\n').length;

it('an uplink that is renewed goes on counting where the one before was, also with what that one was still sending', async () => {
  const lanes = Object.fromEntries(streams.map((stream) => [stream, new MemoryLane()])) as Record<Stream, MemoryLane>;
  const gate = Promise.withResolvers<void>();
  const buffer = {
    // Unlike the lane in memory, the buffer gives nothing twice that is settled.
    next: (stream: Stream, after: number, most: number, signal: AbortSignal) =>
      lanes[stream].next(stream, Math.max(after, ...lanes[stream].settled), most, signal),
    settle: (stream: Stream, first: number, last: number) => lanes[stream].settle(stream, first, last),
  } as unknown as Buffer;
  const forwarded = new ForwardedLanes({
    buffer,
    clock: new FakeClock(),
    log: { info: () => {}, warning: () => {}, error: () => {} },
    event: () => {},
  });
  const counts = (): unknown => {
    const { [readings]: lane } = forwarded.state();
    return lane && [lane.delivered, lane.repeated, lane.rejected];
  };
  const renewTo = async (name: string, wait?: Promise<void>): Promise<void> => {
    const prepared = await forwarded.prepare({ file: { path: join(folder, name) } });
    if (prepared === null) throw new Error('it is in use already');
    const { identity, uplinks } = prepared;
    const held = (lane: string): ReturnType<typeof uplinks> => {
      const uplink = uplinks(lane);
      const send: typeof uplink.send = async (...what) => {
        await wait;
        return uplink.send(...what);
      };
      return { connect: (signal) => uplink.connect(signal), send, close: () => uplink.close() };
    };
    await forwarded.renew({ identity, uplinks: held }, AbortSignal.timeout(10_000));
  };

  await renewTo('first.ndjson', gate.promise);
  lanes[readings].add(kept(1), kept(2), kept(3));
  await expect.poll(() => forwarded.state()[readings]?.phase).toBe('connected');
  const renewed = renewTo('second.ndjson');
  gate.resolve();
  await renewed;
  expect(counts()).toEqual([3, 0, 0]);
  lanes[readings].add(kept(4), kept(5));
  await expect.poll(counts).toEqual([5, 0, 0]);
  expect([lines('first.ndjson'), lines('second.ndjson')]).toEqual([3, 2]);
  await forwarded.stop(AbortSignal.timeout(1000));
});

const readings = 'meter-readings';
