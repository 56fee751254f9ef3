import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Observation } from '../../../agent/reading.ts';
import type { Session } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { exception, honest, honestWord, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { RawServer } from '../../simulators/modbus-raw-server.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { hostOf, planOf, pointsOf, until } from './support.ts';
import type { DevicePart } from './support.ts';

const never = new AbortController().signal;
let server: RawServer;
let clock: FakeClock;
let session: Session;
let plan: ModbusPlan;
let logged: string[];

beforeEach(async () => {
  server = await startRawServer(honest);
  clock = new FakeClock();
});
afterEach(async () => {
  await session.close();
  await server.close();
});

async function open(devices: readonly DevicePart[], common: Record<string, unknown> = {}): Promise<void> {
  plan = planOf(server.port, devices, { every: 10_000, retries: 0, ...common }).plan;
  logged = [];
  session = await driver.open(plan, { ...hostOf(clock), log: (message) => void logged.push(message) }, never);
}

const asked = (unitId: number): string[] =>
  server.requests.filter((one) => one.unitId === unitId).map(({ address, count }) => `${address}+${count}`);
const statuses = (seen: Observation[]): string[] => seen.map(({ status }) => status);

/** The answers are real, the timeouts are not: time moves on when nothing comes any more. */
async function poll(device: string): Promise<Observation[]> {
  const state = { done: false };
  const seen = session.poll({ device, points: pointsOf(plan, device), dueMs: clock.bootMs }, never).finally(() => {
    state.done = true;
  });
  for (let quiet = 0; !state.done; quiet++) {
    const before = server.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (server.requests.length === before && quiet > 2) await clock.advance(500);
  }
  return seen;
}

/** Moves time on, and lets real answers come on the way. */
async function pass(ms: number, stepMs = 1000): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    await clock.advance(Math.min(stepMs, left));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('a dead device', () => {
  const devices = [
    { id: 'A', unitId: 1, points: { one: { address: 0, type: 'uint32' }, far: { address: 50 } } },
    { id: 'B', unitId: 2, points: { only: { address: 7 } } },
  ];
  const silent = new Set<number>();
  beforeEach(async () => {
    silent.clear();
    silent.add(1);
    server.behave((request, peer) => {
      if (!silent.has(request.unitId)) honest(request, peer);
    });
    await open(devices);
    for (let cycle = 0; cycle < 3; cycle++) {
      await poll('A');
      await poll('B');
    }
  });

  test('costs the line nothing after three cycles: its points are told at once', async () => {
    const before = clock.bootMs;
    const points = pointsOf(plan, 'A');
    const seen = await session.poll({ device: 'A', points, dueMs: before }, never);
    expect(statuses(seen)).toEqual(['BadNoCommunication', 'BadNoCommunication']);
    expect(clock.bootMs).toBe(before);
  });

  test('is probed by its shortest request, at most once a minute, and polled again after its first answer', async () => {
    const before = asked(1).length;
    await pass(300_000);
    const probes = asked(1).slice(before);
    expect(new Set(probes)).toEqual(new Set(['50+1']));
    expect(probes.length).toBeGreaterThanOrEqual(4);
    expect(probes.length).toBeLessThanOrEqual(6);
    silent.clear();
    await pass(62_000);
    expect(statuses(await poll('A'))).toEqual(['Good', 'Good']);
  });
});

test('a probe waits no longer than the line has nothing to do', async () => {
  server.behave((request, peer) => {
    if (request.unitId === 2) honest(request, peer);
  });
  await open([
    { id: 'A', unitId: 1, points: { one: { address: 0 } } },
    { id: 'B', unitId: 2, points: { only: { address: 7 } } },
  ]);
  await poll('A');
  await poll('B');
  await poll('A');
  await poll('B');
  // The third silence ends 300 ms before the next slot of B.
  await clock.advance(18_700 - (clock.wallMs % 10_000));
  const third = session.poll({ device: 'A', points: pointsOf(plan, 'A'), dueMs: clock.bootMs }, never);
  await until(() => asked(1).length === 3);
  await clock.advance(1000);
  expect(statuses(await third)).toEqual(['BadTimeout']);
  await until(() => asked(1).length === 4);
  await clock.advance(300);
  expect(clock.wallMs % 10_000).toBe(0);
  const seen = session.poll({ device: 'B', points: pointsOf(plan, 'B'), dueMs: clock.bootMs }, never);
  expect(statuses(await seen)).toEqual(['Good']);
});

test('a probe goes before a question of one who borrows the line', async () => {
  server.behave((request, peer) => {
    if (request.unitId !== 1) honest(request, peer);
  });
  await open([
    { id: 'A', unitId: 1, points: { one: { address: 0 }, other: { address: 50, type: 'uint32' } } },
    { id: 'B', unitId: 2, points: { only: { address: 7 } } },
  ]);
  await poll('A');
  await poll('B');
  await poll('A');
  await poll('B');
  await clock.advance(10_000 - (clock.wallMs % 10_000));
  const before = server.requests.length;
  const third = session.poll({ device: 'A', points: pointsOf(plan, 'A'), dueMs: clock.bootMs }, never);
  const lent = session.ask?.({ unitId: 9, table: 'input', address: 3, count: 1, timeoutMs: 1000 }, never);
  for (let requests = 1; requests <= 2; requests++) {
    await until(() => server.requests.length === before + requests);
    await clock.advance(1000);
  }
  expect(statuses(await third)).toEqual(['BadTimeout', 'BadNoCommunication']);
  expect(await lent).toMatchObject({ kind: 'data' });
  expect(server.requests.slice(before).map(({ unitId }) => unitId)).toEqual([1, 1, 9]);
});

test('who was silent waits for all that are due within twenty times as long, also in his next cycle', async () => {
  server.behave((request, peer) => {
    if (request.unitId !== 1) honest(request, peer);
  });
  await open(
    [1, 2, 3].map((unitId) => ({ id: `M${unitId}`, unitId, points: { one: { address: 0 } } })),
    { retries: 1 },
  );
  const ask = (device: string, dueMs: number): Promise<Observation[]> =>
    session.poll({ device, points: pointsOf(plan, device), dueMs }, never);
  const first = ask('M1', 0);
  await until(() => server.requests.length === 1);
  const others = [ask('M2', 19_000), ask('M3', 21_000)];
  await clock.advance(1000);
  await until(() => server.requests.length === 3);
  await clock.advance(1000);
  await Promise.all([first, ...others]);
  expect(server.requests.map(({ unitId }) => unitId)).toEqual([1, 2, 1, 3]);
  const next = [ask('M1', 30_000), ask('M2', 49_000), ask('M3', 51_000)];
  await until(() => server.requests.length === 6);
  await clock.advance(1000);
  await until(() => server.requests.length === 8);
  await clock.advance(1000);
  await Promise.all(next);
  expect(server.requests.slice(4).map(({ unitId }) => unitId)).toEqual([2, 1, 3, 1]);
});

test('a gateway that says so (0B) degrades a device as silence does', async () => {
  server.behave((request, peer) => {
    if (request.unitId === 1) peer.send(exception(request, 11));
    else honest(request, peer);
  });
  await open([
    { id: 'A', unitId: 1, points: { one: { address: 0 } } },
    { id: 'B', unitId: 2, points: { one: { address: 0 } } },
  ]);
  for (let cycle = 0; cycle < 3; cycle++) await poll('A');
  const [seen] = await session.poll({ device: 'A', points: pointsOf(plan, 'A'), dueMs: 0 }, never);
  expect([seen?.status, seen?.exceptionCode]).toEqual(['BadNoCommunication', null]);
});

describe('an address that a device does not know', () => {
  test.each([2, 3])('costs its own value alone (exception %i), and is looked for only twice', async (code) => {
    server.behave((request, peer) => {
      if (request.address <= 3 && 3 < request.address + request.count) peer.send(exception(request, code));
      else honest(request, peer);
    });
    const points = Object.fromEntries([0, 1, 2, 3].map((address) => [`p${address}`, { address }]));
    await open([{ id: 'A', unitId: 1, points }]);
    const requests: string[][] = [];
    for (let cycle = 0; cycle < 3; cycle++) {
      const from = asked(1).length;
      const seen = await poll('A');
      expect(seen.map(({ value }) => value)).toEqual([honestWord(1, 0), honestWord(1, 1), honestWord(1, 2), null]);
      expect(seen[3]?.exceptionCode).toBe(code);
      requests.push(asked(1).slice(from));
    }
    expect(requests).toEqual([
      ['0+4', '0+2', '2+2', '2+1', '3+1'],
      ['0+4', '0+2', '2+2', '2+1', '3+1'],
      ['0+2', '2+1', '3+1'],
    ]);
  });

  test('a table that a device does not have (01) is asked for twice in a cycle, the others are read', async () => {
    server.behave((request, peer) => {
      if (request.functionCode === 4) peer.send(exception(request, 1));
      else honest(request, peer);
    });
    const inputs = Object.fromEntries([0, 10, 20, 30].map((address) => [`i${address}`, { address, table: 'input' }]));
    await open([{ id: 'A', unitId: 1, points: { h: { address: 0 }, ...inputs } }]);
    const seen = await poll('A');
    expect(statuses(seen)).toEqual(['Good', ...Array<string>(4).fill('BadNotSupported')]);
    expect(seen.slice(1).map(({ exceptionCode }) => exceptionCode)).toEqual([1, 1, 1, 1]);
    expect(server.requests.filter(({ functionCode }) => functionCode === 4)).toHaveLength(2);
    await poll('A');
    expect(logged).toEqual([expect.stringMatching(/^Device A: .*exception 01.*table input.*Try holding/)]);
  });

  test('a single address that a device calls an unknown function (01) is no reason to doubt its table', async () => {
    server.behave((request, peer) => {
      if (request.address === 10) peer.send(exception(request, 1));
      else honest(request, peer);
    });
    await open([{ id: 'A', unitId: 1, points: { wrong: { address: 10 }, right: { address: 20 } } }]);
    expect(statuses(await poll('A'))).toEqual(['BadNotSupported', 'Good']);
    expect(logged).toEqual([]);
  });
});

test('a device that is busy (06) is asked for the rest, and then again', async () => {
  let busy = true;
  server.behave((request, peer) => {
    if (request.address === 0 && busy) peer.send(exception(request, 6));
    else honest(request, peer);
    if (request.address === 0) busy = false;
  });
  await open([{ id: 'A', unitId: 1, points: { a: { address: 0 }, b: { address: 50 } } }], { retries: 1 });
  expect(statuses(await poll('A'))).toEqual(['Good', 'Good']);
  expect(asked(1)).toEqual(['0+1', '50+1', '0+1']);
});

test('a block that is too long for a device is read in parts, once smaller reads were answered', async () => {
  server.behave((request, peer) => {
    if (request.count <= 2) honest(request, peer);
  });
  await open([
    {
      id: 'A',
      unitId: 1,
      points: {
        small: { address: 0 },
        ...Object.fromEntries([20, 21, 22, 23].map((at) => [`p${at}`, { address: at }])),
      },
    },
  ]);
  expect(statuses(await poll('A'))).toEqual(['Good', ...Array<string>(4).fill('BadTimeout')]);
  expect(statuses(await poll('A'))).toEqual(['Good', ...Array<string>(4).fill('BadTimeout')]);
  await poll('A');
  expect(statuses(await poll('A'))).toEqual(Array<string>(5).fill('Good'));
});

test('requests of a slow device let the others through', async () => {
  await open([
    { id: 'slow', unitId: 1, points: Object.fromEntries([0, 10, 20, 30].map((at) => [`p${at}`, { address: at }])) },
    { id: 'quick', unitId: 2, points: { p: { address: 0 } } },
  ]);
  const held: (() => void)[] = [];
  server.behave((request, peer) => {
    if (request.unitId === 1) held.push(() => honest(request, peer));
    else honest(request, peer);
  });
  const slow = session.poll({ device: 'slow', points: pointsOf(plan, 'slow'), dueMs: clock.bootMs }, never);
  const quick = session.poll({ device: 'quick', points: pointsOf(plan, 'quick'), dueMs: clock.bootMs + 100 }, never);
  await until(() => held.length === 1);
  await clock.advance(800);
  held.shift()?.();
  expect(statuses(await quick)).toEqual(['Good']);
  for (let left = 3; left > 0; left--) {
    await until(() => held.length === 1);
    held.shift()?.();
  }
  await slow;
  await settled();
  expect(server.requests.map(({ unitId }) => unitId)).toEqual([1, 2, 1, 1, 1]);
});
