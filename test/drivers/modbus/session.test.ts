import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../../agent/clock.ts';
import { LinkError } from '../../../agent/errors.ts';
import type { Observation } from '../../../agent/reading.ts';
import type { Session } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { answer, exception, honest, honestWord, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { RawServer } from '../../simulators/modbus-raw-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { hostOf, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;
let server: RawServer;
let clock: FakeClock;
let session: Session;
let plan: ModbusPlan;

beforeEach(async () => {
  server = await startRawServer(honest);
  clock = new FakeClock();
  plan = planOf(server.port, [
    { id: 'A', unitId: 1, points: { low: { address: 0 }, next: { address: 1 }, far: { address: 100 } } },
    { id: 'B', unitId: 2, points: { only: { address: 7 } } },
  ]).plan;
  session = await driver.open(plan, hostOf(clock), never);
});

afterEach(async () => {
  await session.close();
  await server.close();
});

function poll(device: string, dueMs = 0, signal = never): Promise<Observation[]> {
  return session.poll({ device, points: pointsOf(plan, device), dueMs }, signal);
}

const statuses = (seen: Observation[]): string[] => seen.map(({ status }) => status);
const values = (seen: Observation[]): (number | null)[] => seen.map(({ value }) => value);

test('a poll brings every point, neighbours in one request', async () => {
  const seen = await poll('A');
  expect(values(seen)).toEqual([honestWord(1, 0), honestWord(1, 1), honestWord(1, 100)]);
  expect(statuses(seen)).toEqual(['Good', 'Good', 'Good']);
  expect(server.requests.map(({ functionCode, address, count }) => [functionCode, address, count])).toEqual([
    [3, 0, 2],
    [3, 100, 1],
  ]);
});

test('only the points that were asked are read, and answered in the order of the question', async () => {
  const [low, , far] = pointsOf(plan, 'A');
  if (low === undefined || far === undefined) throw new Error('two points');
  const seen = await session.poll({ device: 'A', points: [far, low], dueMs: 0 }, never);
  expect(seen.map(({ point }) => point.point)).toEqual(['far', 'low']);
  expect(values(seen)).toEqual([honestWord(1, 100), honestWord(1, 0)]);
});

test('a silent device times out after its retries, and its other points are not asked', async () => {
  server.behave(() => {});
  const seen = poll('A');
  await until(() => server.requests.length === 1);
  await clock.advance(1000);
  await until(() => server.requests.length === 2);
  await clock.advance(1000);
  expect(statuses(await seen)).toEqual(['BadTimeout', 'BadTimeout', 'BadNoCommunication']);
  expect(server.requests).toHaveLength(2);
});

test('a retry that is answered gives the value', async () => {
  server.behave((request, peer) => {
    if (request.number > 0) honest(request, peer);
  });
  const seen = poll('B');
  await until(() => server.requests.length === 1);
  await clock.advance(1000);
  expect(values(await seen)).toEqual([honestWord(2, 7)]);
});

test('a silent device leaves the next one its turn on the same socket', async () => {
  server.behave((request, peer) => {
    if (request.unitId === 2) honest(request, peer);
  });
  const silent = poll('A', 1);
  const healthy = poll('B', 2);
  await until(() => server.requests.length === 1);
  await clock.advance(1000);
  expect(values(await healthy)).toEqual([honestWord(2, 7)]);
  await until(() => server.requests.length === 3);
  await clock.advance(1000);
  expect(statuses(await silent)).toEqual(['BadTimeout', 'BadTimeout', 'BadNoCommunication']);
  expect(server.requests.map(({ unitId }) => unitId)).toEqual([1, 2, 1]);
  expect(server.connections()).toBe(1);
});

/** Polls a device whose one request, and its one retry, stay unanswered. */
async function pollInVain(device: string): Promise<void> {
  const before = server.requests.length;
  const seen = poll(device);
  await until(() => server.requests.length === before + 1);
  await clock.advance(1000);
  await until(() => server.requests.length === before + 2);
  await clock.advance(1000);
  expect(statuses(await seen)).toContain('BadTimeout');
}

test('a socket on which nothing is heard through two polls of a device, nor from any neighbour, is given up', async () => {
  server.behave(() => {});
  await pollInVain('A');
  await pollInVain('B');
  await pollInVain('B');
  expect(await session.ended).toBeInstanceOf(LinkError);
});

test('a device that falls silent twice before its neighbour has its turn takes no link from it', async () => {
  server.behave((request, peer) => {
    if (request.unitId === 1) honest(request, peer);
  });
  await pollInVain('B');
  await pollInVain('B');
  expect(statuses(await poll('A'))).not.toContain('BadTimeout');
  expect(server.connections()).toBe(1);
});

test.each([
  [1, 'BadNotSupported'],
  [2, 'BadNodeIdUnknown'],
  [3, 'BadOutOfRange'],
  [4, 'BadDeviceFailure'],
  [5, 'BadResourceUnavailable'],
  [6, 'BadResourceUnavailable'],
  [8, 'BadDeviceFailure'],
  [99, 'BadDeviceFailure'],
])('exception %i is told as %s with its code, and the other blocks are still read', async (code, status) => {
  server.behave((request, peer) => {
    if (request.address === 0) peer.send(exception(request, code));
    else honest(request, peer);
  });
  const seen = await poll('A');
  // A refused address (02, 03) is looked for: only what cannot be read is bad.
  const isAddress = code === 2 || code === 3;
  expect(seen.map((one) => [one.status, one.exceptionCode, one.value])).toEqual([
    [status, code, null],
    isAddress ? ['Good', null, honestWord(1, 1)] : [status, code, null],
    ['Good', null, honestWord(1, 100)],
  ]);
});

test.each([10, 11])('exception %i is silence told by a gateway: retried, then the cycle ends', async (code) => {
  server.behave((request, peer) => {
    peer.send(exception(request, code));
  });
  const seen = await poll('A');
  expect(seen.map((one) => [one.status, one.exceptionCode])).toEqual([
    ['BadNoCommunication', code],
    ['BadNoCommunication', code],
    ['BadNoCommunication', null],
  ]);
  expect(server.requests).toHaveLength(2);
});

test('a reset while a request waits is told at once', async () => {
  server.behave((_, peer) => {
    peer.reset();
  });
  await expect(poll('A')).rejects.toBeInstanceOf(LinkError);
  expect(await session.ended).toBeInstanceOf(LinkError);
});

test('a FIN while a request waits is told at once', async () => {
  server.behave((_, peer) => {
    peer.finish();
  });
  await expect(poll('A')).rejects.toBeInstanceOf(LinkError);
  expect(await session.ended).toBeInstanceOf(LinkError);
});

test('the pause is kept between requests', async () => {
  await session.close();
  plan = planOf(server.port, [{ id: 'A', points: { one: { address: 0 }, two: { address: 100 } } }], { pause: 50 }).plan;
  session = await driver.open(plan, hostOf(clock), never);
  const seen = poll('A');
  await until(() => server.requests.length === 1);
  await clock.advance(49);
  expect(server.requests).toHaveLength(1);
  await clock.advance(1);
  expect(statuses(await seen)).toEqual(['Good', 'Good']);
});

test('counters carry the words as received, also where they are no number', async () => {
  await session.close();
  plan = planOf(server.port, [
    {
      id: 'A',
      points: {
        total: { address: 0, type: 'uint32', kind: 'counter', scale: 0.001 },
        flow: { address: 2, type: 'float32' },
        level: { address: 4, type: 'float32', raw: true },
      },
    },
  ]).plan;
  session = await driver.open(plan, hostOf(clock), never);
  server.behave((request, peer) => {
    peer.send(answer(request, [0x0047, 0xe352, 0x4366, 0x6666, 0x7fc0, 0]));
  });
  const seen = await poll('A');
  expect(seen.map(({ value, status, raw }) => [value, status, raw])).toEqual([
    [4711.25, 'Good', '0047 e352'],
    [230.4, 'Good', null],
    [null, 'BadSensorFailure', '7fc0 0000'],
  ]);
});

test('where every reading shall carry its words, it does', async () => {
  await session.close();
  session = await driver.open(plan, { ...hostOf(clock), everyRaw: true }, never);
  expect((await poll('B')).map(({ raw }) => raw)).toEqual(['1007']);
});

test('of polls made in the same turn the soonest due goes first', async () => {
  await Promise.all([poll('A', 20), poll('B', 10)]);
  expect(server.requests.map(({ unitId }) => unitId)).toEqual([2, 1, 1]);
});

test('of polls of one slot the order is that of the devices, whoever comes first and whichever ms he counts', async () => {
  for (const jitterMs of [0, 1, -1]) await Promise.all([poll('B', 1000), poll('A', 1000 + jitterMs)]);
  expect(server.requests.map(({ unitId }) => unitId)).toEqual([1, 1, 2, 1, 1, 2, 1, 1, 2]);
});

test('an answer that already lies in the socket counts, however late this process looks', async () => {
  await session.close();
  const timers: (() => void)[] = [];
  const stalling: Clock = {
    now: () => clock.now(),
    sleep: () => new Promise((resolve) => timers.push(resolve)),
    sleepUntil: () => Promise.reject(new Error('nobody waits for wall time here')),
  };
  session = await driver.open(plan, hostOf(stalling), never);
  server.behave((request, peer) => {
    honest(request, peer);
    setTimeout(() => timers.at(-1)?.(), 1);
    const stalledUntil = performance.now() + 5;
    while (performance.now() < stalledUntil);
  });
  expect(statuses(await poll('B'))).toEqual(['Good']);
  expect(server.requests).toHaveLength(1);
});

test('every set of points is read for what it is, also after another of the same size', async () => {
  const [low, next, far] = pointsOf(plan, 'A');
  for (const info of [low, next, far, low]) {
    if (info === undefined) throw new Error('three points');
    const [seen] = await session.poll({ device: 'A', points: [info], dueMs: 0 }, never);
    expect([seen?.point, seen?.status]).toEqual([info, 'Good']);
  }
});

test('who borrows the line comes after everybody who polls it', async () => {
  server.behave(() => undefined);
  const first = poll('B', 0);
  await until(() => server.requests.length === 1);
  server.behave(honest);
  const asked = session.ask?.({ unitId: 9, table: 'input', address: 3, count: 2, timeoutMs: 1000 }, never);
  const polled = poll('A', 60_000);
  const [held] = server.requests;
  await clock.advance(1000);
  await Promise.all([first, polled]);
  expect(held).toMatchObject({ unitId: 2 });
  expect(await asked).toEqual({ kind: 'data', data: Buffer.from([72, 3, 72, 4]).toString('hex') });
  expect(server.requests.at(-1)).toMatchObject({ unitId: 9, functionCode: 4, address: 3, count: 2 });
});

test('a borrowed question is given up before its turn, and ends with the link', async () => {
  server.behave(() => undefined);
  const first = poll('B', 0);
  await until(() => server.requests.length === 1);
  const question = { unitId: 9, table: 'input', address: 3, count: 2, timeoutMs: 1000 };
  const stop = new AbortController();
  const given = session.ask?.(question, stop.signal);
  stop.abort(new Error('gone'));
  await expect(given).rejects.toThrow('gone');
  const left = session.ask?.(question, never);
  const ends = Promise.allSettled([first, left]);
  server.resetAll();
  expect(await ends).toMatchObject([{ reason: expect.any(LinkError) }, { reason: expect.any(LinkError) }]);
  await expect(session.ask?.(question, never)).rejects.toBeInstanceOf(LinkError);
  expect(server.requests).toHaveLength(1);
});
