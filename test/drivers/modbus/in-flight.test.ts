import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import type { Session } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { answer, honest, honestWord, honestWords, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { Behaviour, Peer, RawRequest, RawServer } from '../../simulators/modbus-raw-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { hostOf, planOf, pointsOf, until } from './support.ts';
import type { DevicePart } from './support.ts';

const never = new AbortController().signal;
let server: RawServer;
let clock: FakeClock;
let session: Session;
let plan: ModbusPlan;
/** What the server holds back. */
let held: { request: RawRequest; peer: Peer }[];
const hold: Behaviour = (request, peer) => void held.push({ request, peer });
const release = ({ request, peer }: { request: RawRequest; peer: Peer }): void => honest(request, peer);

beforeEach(async () => {
  held = [];
  server = await startRawServer(hold);
  clock = new FakeClock();
});
afterEach(async () => {
  await session.close();
  await server.close();
});

const meters = (...unitIds: number[]): DevicePart[] =>
  unitIds.map((unitId) => ({ id: `M${unitId}`, unitId, points: { word: { address: 20 } } }));

async function open(
  devices: readonly DevicePart[],
  settings: Record<string, unknown> = {},
  common: Record<string, unknown> = {},
): Promise<void> {
  const to = { driver: 'modbus-tcp', settings: { host: '127.0.0.1', port: server.port, maxInFlight: 3, ...settings } };
  plan = planOf(to, devices, { every: 10_000, retries: 0, ...common }).plan;
  session = await driver.open(plan, hostOf(clock), never);
}

/** What became of a poll: the value, or the status, or that the link was lost. */
async function poll(device: string, dueMs = 0): Promise<unknown> {
  try {
    const [seen] = await session.poll({ device, points: pointsOf(plan, device), dueMs }, never);
    return seen?.value ?? seen?.status;
  } catch (error) {
    return error instanceof LinkError ? 'no link' : error;
  }
}

/** Long enough for what is on its way to arrive. */
const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15));
const right = (unitId: number): number => honestWord(unitId, 20);
const units = (): number[] => server.requests.map(({ unitId }) => unitId);

test('so many requests wait at once and no more, and answers in any order find their own', async () => {
  await open(meters(1, 2, 3, 4, 5, 6, 7));
  const polls = [1, 2, 3, 4, 5, 6, 7].map((unitId) => poll(`M${unitId}`));
  for (let left = 7; left > 0;) {
    const expected = Math.min(3, left);
    await until(() => held.length === expected);
    await moment();
    expect(held).toHaveLength(expected);
    expect(new Set(held.map(({ request }) => request.transactionId)).size).toBe(expected);
    // All but the oldest, the newest first.
    const some = expected === 1 ? held.splice(0) : held.splice(1).toReversed();
    for (const one of some) release(one);
    left -= some.length;
  }
  expect(await Promise.all(polls)).toEqual([1, 2, 3, 4, 5, 6, 7].map(right));
  expect(units()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(server.connections()).toBe(1);
});

async function serve(turn: Promise<void>, answerNow: () => void): Promise<void> {
  await turn;
  await new Promise((resolve) => setTimeout(resolve, 2));
  answerNow();
}

test('a gateway that serves one request at a time and queues the rest is read right', async () => {
  let line = Promise.resolve();
  let waiting = 0;
  let most = 0;
  server.behave((request, peer) => {
    most = Math.max(most, ++waiting);
    line = serve(line, () => {
      waiting--;
      honest(request, peer);
    });
  });
  await open(meters(1, 2, 3, 4, 5, 6, 7, 8));
  for (let round = 0; round < 5; round++)
    expect(await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((unitId) => poll(`M${unitId}`)))).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map(right),
    );
  expect(most).toBe(3);
});

test('a unit has one request to answer at a time, also where two devices share it', async () => {
  await open([
    { id: 'A', unitId: 1, points: { low: { address: 20 }, far: { address: 90 } } },
    { id: 'B', unitId: 1, points: { other: { address: 50 } } },
    ...meters(2),
  ]);
  const polls = ['A', 'B', 'M2'].map((id) => poll(id));
  await until(() => held.length === 2);
  await moment();
  expect(units()).toEqual([1, 2]);
  server.behave(honest);
  for (const one of held) release(one);
  await Promise.all(polls);
  expect(units()).toEqual([1, 2, 1, 1]);
});

test('the soonest due goes first', async () => {
  await open(meters(1, 2, 3, 4, 5), { maxInFlight: 2 });
  server.behave(honest);
  await Promise.all([5, 4, 3, 2, 1].map((unitId) => poll(`M${unitId}`, (6 - unitId) * 100)));
  expect(units()).toEqual([5, 4, 3, 2, 1]);
});

test('the silence of one says nothing about the others, and its late answer is thrown away', async () => {
  server.behave((request, peer) => (request.unitId === 1 ? hold : honest)(request, peer));
  await open(meters(1, 2, 3, 4));
  const dead = poll('M1');
  expect(await Promise.all([2, 3, 4].map((unitId) => poll(`M${unitId}`)))).toEqual([2, 3, 4].map(right));
  await clock.advance(600);
  server.behave(hold);
  const later = poll('M2');
  await until(() => held.length === 2);
  await clock.advance(400);
  expect(await dead).toBe('BadTimeout');
  const [late, mine] = held;
  if (late === undefined || mine === undefined) throw new Error('two requests');
  late.peer.send(answer(late.request, [0xdead]));
  release(mine);
  expect(await later).toBe(right(2));
  expect(server.connections()).toBe(1);
});

test('those who were silent share one place: the living have the others', async () => {
  server.behave((request, peer) => (request.unitId <= 3 ? hold : honest)(request, peer));
  await open(meters(1, 2, 3, 4, 5));
  const first = [1, 2, 3].map((unitId) => poll(`M${unitId}`));
  await until(() => held.length === 3);
  await clock.advance(1000);
  expect(await Promise.all(first)).toEqual(Array<string>(3).fill('BadTimeout'));
  const again = [1, 2, 3].map((unitId) => poll(`M${unitId}`, 100));
  expect(await Promise.all([4, 5].map((unitId) => poll(`M${unitId}`, 200)))).toEqual([4, 5].map(right));
  await moment();
  expect(held).toHaveLength(4);
  for (let more = 1; more <= 3; more++) {
    await until(() => held.length === 3 + more);
    await clock.advance(1000);
  }
  expect(await Promise.all(again)).toEqual(Array<string>(3).fill('BadTimeout'));
});

describe('never the wrong value', () => {
  const wrong = (request: RawRequest): number[] => honestWords(request).map((word) => word ^ 0xffff);

  /** Three requests wait, `lie` is sent; what became of the three polls. */
  async function told(lie: (held: RawRequest[]) => Buffer): Promise<unknown[]> {
    await open(meters(1, 2, 3));
    const polls = [1, 2, 3].map((unitId) => poll(`M${unitId}`));
    await until(() => held.length === 3);
    held[0]?.peer.send(lie(held.map(({ request }) => request)));
    await moment();
    for (const one of held) release(one);
    return Promise.all(polls);
  }
  const at = (all: RawRequest[], index: number): RawRequest => {
    const one = all[index];
    if (one === undefined) throw new Error(`no request ${index}`);
    return one;
  };

  test('from a gateway that swaps the ids of two requests', async () => {
    const seen = await told((all) =>
      Buffer.concat([
        answer(at(all, 0), honestWords(at(all, 0)), { transactionId: at(all, 1).transactionId }),
        answer(at(all, 1), honestWords(at(all, 1)), { transactionId: at(all, 0).transactionId }),
      ]),
    );
    expect(seen).toEqual(['no link', 'BadCommunicationError', 'no link']);
  });

  test('from an answer to nobody: no one can tell whose it was', async () => {
    const seen = await told((all) => answer(at(all, 0), wrong(at(all, 0)), { transactionId: foreignId(all) }));
    expect(seen).toEqual(Array<string>(3).fill('BadCommunicationError'));
  });

  test('from an answer that comes twice', async () => {
    const seen = await told((all) =>
      Buffer.concat([answer(at(all, 1), honestWords(at(all, 1))), answer(at(all, 1), wrong(at(all, 1)))]),
    );
    expect(seen).toEqual(['BadCommunicationError', right(2), 'BadCommunicationError']);
  });

  test('from an answer of the right length for another unit', async () => {
    const seen = await told((all) => answer(at(all, 2), wrong(at(all, 2)), { unitId: 1 }));
    expect(seen).toEqual(['no link', 'no link', 'BadCommunicationError']);
  });

  test('from garbage', async () => {
    expect(await told(() => Buffer.from('9f3b7a0c11d2e4f5a6b7c8d9', 'hex'))).toEqual(
      Array<string>(3).fill('BadCommunicationError'),
    );
  });

  test.each(Array.from({ length: 31 }, (_, cut) => cut + 8))(
    'from an answer that breaks off after %i bytes, where the next one begins',
    async (cut) => {
      await open([
        { id: 'long', unitId: 9, points: { text: { address: 0, type: 'string', length: 15 } } },
        ...meters(1, 2),
      ]);
      const polls = ['long', 'M1', 'M2'].map((id) => poll(id));
      await until(() => held.length === 3);
      const [long, ...others] = held.map(({ request }) => request);
      if (long === undefined) throw new Error('three requests');
      const whole = answer(long, Array<number>(15).fill(0x4141));
      held[0]?.peer.send(
        Buffer.concat([whole.subarray(0, cut), ...others.map((other) => answer(other, honestWords(other)))]),
      );
      await moment();
      await clock.advance(1000);
      const [text, ...values] = await Promise.all(polls);
      expect(['BadCommunicationError', 'no link', 'BadTimeout']).toContain(text);
      for (const [index, value] of values.entries())
        expect([right(index + 1), 'no link', 'BadTimeout', 'BadCommunicationError']).toContain(value);
    },
  );

  function foreignId(all: readonly RawRequest[]): number {
    return (Math.max(...all.map(({ transactionId }) => transactionId)) + 1) & 0xffff;
  }
});

test('an answer under way when another request times out is not suspected', async () => {
  await open(meters(1, 2));
  const dead = poll('M1');
  await until(() => held.length === 1);
  await clock.advance(500);
  const slow = poll('M2');
  await until(() => held.length === 2);
  const mine = held[1];
  if (mine === undefined) throw new Error('two requests');
  const whole = answer(mine.request, honestWords(mine.request));
  mine.peer.send(whole.subarray(0, 9));
  await moment();
  await clock.advance(500);
  expect(await dead).toBe('BadTimeout');
  mine.peer.send(whole.subarray(9));
  expect(await slow).toBe(right(2));
  expect(server.connections()).toBe(1);
});

test('a reset is told to all that wait', async () => {
  await open(meters(1, 2, 3, 4));
  const polls = [1, 2, 3, 4].map((unitId) => poll(`M${unitId}`));
  await until(() => held.length === 3);
  server.resetAll();
  expect(await Promise.all(polls)).toEqual(Array<string>(4).fill('no link'));
});

test('who borrows the line waits until nobody else does, and holds up nobody', async () => {
  await open(meters(1, 2));
  const first = poll('M1');
  const asked = session.ask?.({ unitId: 9, table: 'input', address: 3, count: 1, timeoutMs: 1000 }, never);
  await until(() => held.length === 1);
  await moment();
  expect(units()).toEqual([1]);
  held.splice(0).forEach(release);
  expect(await first).toBe(right(1));
  await until(() => held.length === 1);
  const second = poll('M2');
  await until(() => held.length === 2);
  held.splice(1).forEach(release);
  expect(await second).toBe(right(2));
  held.splice(0).forEach(release);
  expect(await asked).toMatchObject({ kind: 'data' });
  expect(units()).toEqual([1, 9, 2]);
});

test('after a device that wants a pause nobody is asked for so long', async () => {
  await open([{ id: 'P', unitId: 1, points: { word: { address: 20, pause: 50 } } }, ...meters(2, 3, 4)]);
  const polls = ['P', 'M2', 'M3', 'M4'].map((id) => poll(id));
  await until(() => held.length === 3);
  held.splice(0).forEach(release);
  await moment();
  await clock.advance(49);
  await moment();
  expect(units()).toEqual([1, 2, 3]);
  await clock.advance(1);
  await until(() => held.length === 1);
  held.forEach(release);
  expect(await Promise.all(polls)).toEqual([1, 2, 3, 4].map(right));
});

test('after a question of a stranger the longest pause is kept, whoever comes next', async () => {
  await open([{ id: 'P', unitId: 1, points: { word: { address: 20, pause: 50 } } }, ...meters(2)]);
  server.behave(honest);
  await session.ask?.({ unitId: 9, table: 'holding', address: 0, count: 1, timeoutMs: 100 }, never);
  const next = poll('P');
  await moment();
  await clock.advance(49);
  await moment();
  expect(units()).toEqual([9]);
  await clock.advance(1);
  expect(await next).toBe(right(1));
});

test('a connection that was given back is opened once for all that ask', async () => {
  await open(meters(1, 2, 3), { closeWhenIdle: true });
  server.behave(honest);
  for (const connections of [1, 2, 3]) {
    expect(await Promise.all([1, 2, 3].map((unitId) => poll(`M${unitId}`)))).toEqual([1, 2, 3].map(right));
    expect(server.connections()).toBe(connections);
    await moment();
  }
});
