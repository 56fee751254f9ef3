import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import type { Session } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import {
  answer,
  exception,
  honest,
  honestWord,
  honestWords,
  startRawServer,
} from '../../simulators/modbus-raw-server.ts';
import type { Behaviour, Peer, RawRequest, RawServer } from '../../simulators/modbus-raw-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { hostOf, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;
const timeoutMs = 1000;
const right = honestWord(5, 20);
let server: RawServer;
let clock: FakeClock;
let session: Session | undefined;

beforeEach(async () => {
  server = await startRawServer(honest);
  clock = new FakeClock();
  session = undefined;
});

afterEach(async () => {
  await session?.close();
  await server.close();
});

/** One poll as the agent would make it: the link is opened when there is none. The clock moves on when nothing else does. */
async function poll(): Promise<{ status: string; value: number | null }> {
  const { plan } = planOf(server.port, [
    { id: 'M', unitId: 5, points: { word: { address: 20 }, next: { address: 21 } } },
  ]);
  session ??= await driver.open(plan, hostOf(clock), never);
  const mine = session;
  void mine.ended.then(() => (session = session === mine ? undefined : session));
  const state = { done: false };
  const seen = mine.poll({ device: 'M', points: pointsOf(plan, 'M'), dueMs: 0 }, never).then(
    ([first]) => ({ status: first?.status ?? '', value: first?.value ?? null }),
    (error: unknown) => ({ status: error instanceof LinkError ? 'no link' : String(error), value: null }),
  );
  void seen.finally(() => (state.done = true));
  // Answers are real and come in real time; only when none comes is it time to move the clock.
  await Promise.race([seen, new Promise((resolve) => setTimeout(resolve, 100))]);
  while (!state.done) {
    await clock.advance(timeoutMs / 10);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await new Promise((resolve) => setTimeout(resolve, 2));
  return seen;
}

/** The honest answer, cut or changed. */
const whole = (request: RawRequest): Buffer => answer(request, honestWords(request));
const lying =
  (lie: (request: RawRequest) => Parameters<typeof answer>[2]): Behaviour =>
  (request, peer) =>
    peer.send(answer(request, honestWords(request), lie(request)));
const sending =
  (bytes: (request: RawRequest) => Buffer): Behaviour =>
  (request, peer) =>
    peer.send(bytes(request));

/** Words that would be taken for values if anything were believed. */
const wrongWords = (request: RawRequest): number[] => honestWords(request).map((word) => word ^ 0xffff);

const lateByOne = (): Behaviour => {
  let held: Buffer | undefined;
  return (request, peer) => {
    if (held !== undefined) peer.send(held);
    held = answer(request, wrongWords(request));
  };
};

const damaged = 'BadCommunicationError';
const faults: [string, Behaviour, string][] = [
  ['answers each request one request late', lateByOne(), 'BadTimeout'],
  ['says nothing', () => {}, 'BadTimeout'],
  ['answers with the next transaction id', lying((r) => ({ transactionId: (r.transactionId + 1) & 0xffff })), damaged],
  ['answers with an id 256 away', lying((r) => ({ transactionId: (r.transactionId + 256) & 0xffff })), damaged],
  ['answers for another unit', lying(() => ({ unitId: 6 })), damaged],
  ['answers for unit 0', lying(() => ({ unitId: 0 })), damaged],
  ['answers for another function code', lying(() => ({ functionCode: 4 })), damaged],
  ['answers that it wrote', lying(() => ({ functionCode: 16 })), damaged],
  ['speaks another protocol', lying(() => ({ protocolId: 1 })), damaged],
  ['tells a length of 65535', lying(() => ({ length: 0xffff })), damaged],
  ['tells a length of 0', lying(() => ({ length: 0 })), damaged],
  ['tells one byte too many', lying((r) => ({ length: 4 + r.count * 2 })), damaged],
  ['tells one byte too few', lying((r) => ({ length: 2 + r.count * 2 })), damaged],
  ['counts its bytes wrong', lying(() => ({ byteCount: 2 })), damaged],
  ['sends one register less', sending((r) => answer(r, wrongWords(r).slice(1))), damaged],
  ['sends one register more', sending((r) => answer(r, [0, ...wrongWords(r)])), damaged],
  ['sends garbage', sending(() => Buffer.from('9f3b7a0c11d2e4f5a6b7c8d9', 'hex')), damaged],
  ['is a web server', sending(() => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')), damaged],
  ['sends garbage before the answer', sending((r) => Buffer.concat([Buffer.from([0xff, 0xff]), whole(r)])), damaged],
  ['tells an exception of another function', sending((r) => exception({ ...r, functionCode: 4 }, 2)), damaged],
  ['stops after 5 bytes', sending((r) => whole(r).subarray(0, 5)), damaged],
  ['stops before the last byte', sending((r) => whole(r).subarray(0, -1)), damaged],
  ['resets', (_, peer) => peer.reset(), 'no link'],
  ['hangs up', (_, peer) => peer.finish(), 'no link'],
  ['hangs up in the middle of the answer', cutShort((peer) => peer.finish()), 'no link'],
  ['resets in the middle of the answer', cutShort((peer) => peer.reset()), 'no link'],
];

function cutShort(end: (peer: Peer) => void): Behaviour {
  return (request, peer) => {
    peer.send(whole(request).subarray(0, 9));
    setTimeout(() => end(peer), 5);
  };
}

describe.each(faults)('a server that %s', (_, fault, expected) => {
  test('never gives a value, each poll says why', async () => {
    server.behave(fault);
    expect(await poll()).toEqual({ status: expected, value: null });
    for (let round = 0; round < 2; round++) {
      const seen = await poll();
      expect(seen.value).toBeNull();
      // A link that was just given up may be noticed by the next poll only.
      expect([expected, 'no link']).toContain(seen.status);
    }
  });

  test('is read right within two timeouts after it came to its senses', async () => {
    server.behave(fault);
    await poll();
    server.behave(honest);
    const beganMs = clock.bootMs;
    let seen = await poll();
    while (seen.status !== 'Good') seen = await poll();
    expect(seen.value).toBe(right);
    expect(clock.bootMs - beganMs).toBeLessThanOrEqual(2 * timeoutMs);
  });
});

test('an answer that comes byte by byte is read', async () => {
  server.behave((request, peer) => {
    for (const [index, byte] of whole(request).entries()) setTimeout(() => peer.send(Buffer.from([byte])), index);
  });
  expect(await poll()).toEqual({ status: 'Good', value: right });
});

test('a late answer and the right one in one chunk: the right one counts', async () => {
  server.behave(() => {});
  await poll();
  const [late] = server.requests;
  if (late === undefined) throw new Error('no request came');
  server.behave((request, peer) => peer.send(Buffer.concat([answer(late, wrongWords(late)), whole(request)])));
  expect(await poll()).toEqual({ status: 'Good', value: right });
  expect(server.connections()).toBe(1);
});

test('an answer that comes twice is believed once, and the connection is renewed', async () => {
  server.behave((request, peer) => peer.send(Buffer.concat([whole(request), answer(request, wrongWords(request))])));
  expect(await poll()).toEqual({ status: 'Good', value: right });
  await until(() => session === undefined);
  expect(await poll()).toEqual({ status: 'Good', value: right });
  expect(server.connections()).toBe(2);
});

test('a frame that nobody asked for ends the link before it can be taken for an answer', async () => {
  server.behave((request, peer) => {
    peer.send(whole(request));
    setTimeout(
      () => peer.send(answer({ ...request, transactionId: request.transactionId + 1 }, wrongWords(request))),
      3,
    );
  });
  expect(await poll()).toEqual({ status: 'Good', value: right });
  await until(() => session === undefined);
  server.behave(honest);
  expect(await poll()).toEqual({ status: 'Good', value: right });
});

test('half an answer that nobody waits for is not the beginning of the next one', async () => {
  server.behave((request, peer) => {
    const next = { ...request, transactionId: (request.transactionId + 1) & 0xffff };
    peer.send(Buffer.concat([whole(request), answer(next, wrongWords(next)).subarray(0, -1)]));
  });
  expect(await poll()).toEqual({ status: 'Good', value: right });
  server.behave((_, peer) => peer.send(Buffer.from([0xff])));
  expect((await poll()).value).toBeNull();
});

test('an answer to a request that timed out is known for what it is 300 requests later', async () => {
  server.behave((request, peer) => {
    if (request.number >= 2) honest(request, peer);
  });
  expect((await poll()).status).toBe('BadTimeout');
  const [late] = server.requests;
  if (late === undefined) throw new Error('no request came');
  for (let round = 0; round < 300; round++) {
    server.behave((request, peer) => {
      if (round === 255) peer.send(answer(late, wrongWords(late)));
      honest(request, peer);
    });
    expect((await poll()).value).toBe(right);
  }
  expect(new Set(server.requests.map(({ transactionId }) => transactionId)).size).toBe(server.requests.length);
});

test('no change of a header, and no way of cutting it into chunks, makes a value', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 1, max: 255 }),
      fc.integer({ min: 0, max: 13 }),
      async (at, flip, cut) => {
        server.behave((request, peer) => {
          const frame = answer(request, wrongWords(request));
          frame[at] = (frame[at] ?? 0) ^ flip;
          peer.send(frame.subarray(0, cut));
          setImmediate(() => peer.send(frame.subarray(cut)));
        });
        expect((await poll()).value).toBeNull();
      },
    ),
    { numRuns: 150 },
  );
  server.behave(honest);
  let seen = await poll();
  if (seen.status === 'no link') seen = await poll();
  expect(seen.value).toBe(right);
});
