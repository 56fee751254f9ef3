import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LinkError } from '../../agent/errors.ts';
import type { Observation, PointInfo } from '../../agent/reading.ts';
import type { DriverHost, Session } from '../../drivers/driver.ts';
import { FakeClock } from '../support/fake-clock.ts';

/**
 * What every driver's Session must keep, by name. A driver brings a peer of its own that can be told to fall silent, to vanish and to hold
 * its answers; the suite knows nothing of the protocol. Time is a fake clock that the suite moves on.
 */
export interface DriverBench {
  /** A peer with at least two devices, each with at least two points that read good values. */
  readonly devices: readonly { readonly id: string; readonly points: readonly PointInfo[] }[];
  open(host: DriverHost, signal: AbortSignal): Promise<Session>;
  /** From now on the peer receives and does not answer this device's requests. */
  silence(device: string): void;
  /** From now on the peer holds all answers back, until `release`. */
  hold(): void;
  release(): void;
  /** Cuts every connection, at once and without a word. */
  cut(): void;
  /** From now on nothing listens there. */
  vanish(): Promise<void>;
  /** Devices in the order in which the peer received requests for them. */
  asked(): readonly string[];
  /** Whether all that the peer ever received only reads. */
  onlyReads(): boolean;
  close(): Promise<void>;
}

const never = new AbortController().signal;
/** Longer than any timeout with its retries. */
const longMs = 60_000;

export function driverConformance(name: string, makeBench: () => Promise<DriverBench>): void {
  describe(`the driver ${name}`, () => {
    let bench: DriverBench;
    let clock: FakeClock;
    let session: Session;
    let host: DriverHost;

    beforeEach(async () => {
      bench = await makeBench();
      clock = new FakeClock();
      host = { clock, push: () => Promise.reject(new Error('nothing is pushed while polling')), event: () => {} };
      session = await bench.open(host, never);
    });
    afterEach(async () => {
      await session.close();
      await bench.close();
    });

    const device = (index: number): DriverBench['devices'][number] => {
      const found = bench.devices[index];
      if (found === undefined) throw new Error(`the bench has no device ${index}`);
      return found;
    };
    const poll = (index: number, dueMs = 0, signal = never): Promise<Observation[]> =>
      session.poll({ device: device(index).id, points: device(index).points, dueMs }, signal);
    /** Moves time on until the promise is settled. */
    const settle = async <T>(promise: Promise<T>): Promise<T> => {
      const state = { done: false };
      const end = clock.bootMs + longMs;
      const settled = promise.finally(() => (state.done = true));
      settled.catch(() => {});
      // Answers come in real time; only when the peer is asked nothing more is it time to move the clock.
      for (let asked = -1; !state.done && asked !== bench.asked().length;) {
        asked = bench.asked().length;
        await Promise.race([settled.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 100))]);
      }
      while (!state.done && clock.bootMs < end) {
        await clock.advance(50);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if (!state.done) throw new Error(`not settled after ${longMs}ms`);
      return settled;
    };

    test('gives exactly one observation per point, in the order of the question', async () => {
      const points = device(0).points.toReversed();
      const seen = await settle(session.poll({ device: device(0).id, points, dueMs: 0 }, never));
      expect(seen.map(({ point }) => point)).toEqual(points);
      expect(seen.map(({ quality }) => quality)).toEqual(points.map(() => 'good'));
    });

    test('reads just the points that were asked', async () => {
      const points = device(0).points.slice(0, 1);
      const seen = await settle(session.poll({ device: device(0).id, points, dueMs: 0 }, never));
      expect(seen.map(({ point }) => point)).toEqual(points);
    });

    test('dates what it saw by the clock it was given', async () => {
      const before = clock.now();
      const [seen] = await settle(poll(0));
      expect(seen?.at.boot).toBe(before.boot);
      expect(seen?.at.bootMs).toBeGreaterThanOrEqual(before.bootMs);
      expect(seen?.at.bootMs).toBeLessThanOrEqual(clock.bootMs);
    });

    test('answers for a silent device with bad observations and keeps the link', async () => {
      bench.silence(device(0).id);
      const seen = await settle(poll(0));
      expect(seen.map(({ point }) => point)).toEqual(device(0).points);
      for (const one of seen) {
        expect(one).toMatchObject({ quality: 'bad', value: null, text: null });
        expect(['BadTimeout', 'BadNoCommunication']).toContain(one.status);
      }
      expect(seen[0]?.status).toBe('BadTimeout');
      const other = await settle(poll(1));
      expect(other.map(({ quality }) => quality)).toEqual(device(1).points.map(() => 'good'));
    });

    test('resolves when the signal fires, whatever the device does', async () => {
      bench.hold();
      const giveUp = new AbortController();
      const [first, waiting] = [poll(0, 0, giveUp.signal), poll(1, 1, giveUp.signal)];
      await new Promise((resolve) => setTimeout(resolve, 10));
      giveUp.abort();
      for (const seen of await Promise.all([first, waiting])) {
        expect(seen.map(({ status, value }) => [status, value])).toEqual(seen.map(() => ['BadTimeout', null]));
        expect(seen.length).toBeGreaterThan(0);
      }
      bench.release();
      const again = await settle(poll(0));
      expect(again.map(({ quality }) => quality)).toEqual(device(0).points.map(() => 'good'));
    });

    test('resolves at once when the signal had fired before', async () => {
      const seen = await poll(0, 0, AbortSignal.abort());
      expect(seen.map(({ status }) => status)).toEqual(device(0).points.map(() => 'BadTimeout'));
    });

    test('serves overlapping polls soonest due first', async () => {
      bench.hold();
      const first = poll(0, 5);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const later = poll(0, 30);
      const sooner = poll(1, 10);
      const from = bench.asked().length;
      bench.release();
      await settle(Promise.all([first, later, sooner]));
      const order = bench.asked().slice(from);
      expect(order.lastIndexOf(device(1).id)).toBeLessThan(order.lastIndexOf(device(0).id));
    });

    test('rejects polls with LinkError when the link is lost, waiting ones too', async () => {
      bench.hold();
      const polls = [poll(0, 0), poll(1, 1)];
      await new Promise((resolve) => setTimeout(resolve, 10));
      bench.cut();
      for (const one of await settle(Promise.allSettled(polls))) {
        expect(one.status === 'rejected' ? one.reason : one.value).toBeInstanceOf(LinkError);
      }
      expect(await session.ended).toBeInstanceOf(LinkError);
      await expect(poll(0)).rejects.toBeInstanceOf(LinkError);
    });

    test('tells the end once: what it resolved with stays', async () => {
      bench.cut();
      const first = await settle(session.ended);
      await session.close();
      expect(await session.ended).toBe(first);
    });

    test('closes within 2 s, twice as well as once, and polls under way reject with LinkError', async () => {
      bench.hold();
      const under = Promise.allSettled([poll(0)]);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const beganMs = Date.now();
      await Promise.all([session.close(), session.close()]);
      await session.close();
      expect(Date.now() - beganMs).toBeLessThan(2000);
      expect(await under).toMatchObject([{ status: 'rejected', reason: expect.any(LinkError) as unknown }]);
      expect(await session.ended).toBeUndefined();
      await expect(poll(0)).rejects.toBeInstanceOf(LinkError);
    });

    test('rejects with LinkError when nobody is there to open a link to', async () => {
      await session.close();
      await bench.vanish();
      await expect(settle(bench.open(host, never))).rejects.toBeInstanceOf(LinkError);
    });

    test('gives up opening when the signal fires', async () => {
      await expect(bench.open(host, AbortSignal.abort())).rejects.toBeInstanceOf(LinkError);
    });

    test('never writes', async () => {
      await settle(Promise.all([poll(0), poll(1)]));
      expect(bench.asked().length).toBeGreaterThan(0);
      expect(bench.onlyReads()).toBe(true);
      const known = new Set(['ask', 'close', 'constructor', 'left', 'poll', 'remarks']);
      const offered = Object.getOwnPropertyNames(Object.getPrototypeOf(session) as object);
      expect(offered.filter((each) => !known.has(each))).toEqual([]);
    });
  });
}
