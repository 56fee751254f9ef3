import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { StatusCodes } from 'node-opcua-client';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { monitor, subscribe } from '../../../drivers/opcua/wire-subscriptions.ts';
import type { RawSession } from '../../../drivers/opcua/wire-subscriptions.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { Listener, planOf, pointsOf } from './support.ts';

/** What `opcua-hostile.slow.test.ts` found; it draws many more. An exception that nobody catches makes the run fail. */

const never = new AbortController().signal;
const sockets = new Set<Socket>();
let honest: OpcUaServer;
let server: Server | undefined;
beforeAll(async () => {
  honest = await startOpcUaServer();
  honest.variable('a', 'Double', 1.5);
});
afterAll(() => honest.close());
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server?.close(resolve) ?? resolve(null));
});

async function listen(answer: (socket: Socket) => void): Promise<number> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    answer(socket);
  });
  await new Promise<void>((resolve) => void server?.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** The honest server, what it says changed on its way. `at`: the how manieth piece of the connection. `heard`: what it was asked. */
function before(change: (bytes: Buffer, at: number) => Buffer, heard?: (bytes: Buffer) => void): Promise<number> {
  return listen((client) => {
    let at = 0;
    const real = connect(honest.port, '127.0.0.1');
    sockets.add(real);
    real.on('error', () => {});
    client.on('data', (bytes: Buffer) => {
      heard?.(bytes);
      real.write(bytes);
    });
    real.on('data', (bytes: Buffer) => client.write(change(bytes, at++)));
  });
}

const planAt = (port: number): ReturnType<typeof planOf> =>
  planOf(
    port,
    [{ id: 'PLC', points: { a: { nodeId: 'nsu=urn:site:plc;s=a', mode: 'poll' } } }],
    {},
    { timeout: 1_000 },
  );

it('a chunk that says it is larger than was agreed ends the link, not the process', async () => {
  let isEvil = false;
  const plan = planAt(
    await before((bytes) => {
      if (isEvil) bytes.writeUInt32LE(0x5e_5e_5e_5e, 4);
      return bytes;
    }),
  );
  const session = await driver.open(plan, new Listener(), never);
  const job = { device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 };
  expect((await session.poll(job, never))[0]).toMatchObject({ value: 1.5 });
  isEvil = true;
  await expect(session.poll(job, never)).rejects.toBeInstanceOf(LinkError);
  expect(await session.ended).toBeInstanceOf(LinkError);
  await session.close();
});

it('such a chunk right behind the first message ends the attempt, not the process', async () => {
  const port = await before((bytes, at) => (at === 0 ? Buffer.concat([bytes, Buffer.alloc(5_000, 0x5e)]) : bytes));
  await expect(driver.open(planAt(port), new Listener(), never)).rejects.toBeInstanceOf(LinkError);
});

it('a server that only says nonsense, or nothing, is not there', async () => {
  const nonsense = planAt(await listen((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')));
  await expect(driver.open(nonsense, new Listener(), never)).rejects.toBeInstanceOf(LinkError);
  const silent = planAt(await listen(() => {}));
  await expect(driver.open(silent, new Listener(), never)).rejects.toThrow(/no answer within 1000 ms/);
});

it('a channel that is to live for longer than a timer can wait is opened once', async () => {
  // 600 s is what is asked for, and what the honest server gives.
  const asked = Buffer.alloc(4);
  asked.writeUInt32LE(600_000);
  let openings = 0;
  const port = await before(
    (bytes) => {
      for (let at = bytes.indexOf('OPNF'); at >= 0; at = bytes.indexOf('OPNF', at + 1))
        bytes.writeUInt32LE(0xff_ff_ff_ff, bytes.indexOf(asked, at));
      return bytes;
    },
    (bytes) => (openings += bytes.toString('latin1').split('OPNF').length - 1),
  );
  const session = await driver.open(planAt(port), new Listener(), never);
  await sleep(500);
  expect(openings).toBe(1);
  await session.close();
});

it.each([0, -1, NaN, Infinity, 1e-300])(
  'a session that is kept for %d ms is not looked after all the time',
  async (keptMs) => {
    // 60 s is what is asked for, and what the honest server gives.
    const asked = Buffer.alloc(8);
    asked.writeDoubleLE(60_000);
    let changed = 0;
    const port = await before((bytes) => {
      const at = bytes.indexOf(asked);
      if (at > 0) changed += bytes.writeDoubleLE(keptMs, at) > 0 ? 1 : 0;
      return bytes;
    });
    const session = await driver.open(planAt(port), new Listener(), never);
    honest.requests.length = 0;
    await sleep(500);
    expect(changed).toBe(1);
    expect(honest.requests.filter(({ name }) => name === 'ReadRequest').length).toBeLessThan(3);
    await session.close();
  },
);

it('intervals that are no numbers are as they were asked for', async () => {
  const session = {
    createSubscription: () =>
      Promise.resolve({ subscriptionId: 7, revisedPublishingInterval: NaN, revisedMaxKeepAliveCount: 5 }),
    createMonitoredItems: () =>
      Promise.resolve({
        results: [
          { statusCode: StatusCodes.Good, monitoredItemId: 1, revisedSamplingInterval: NaN, revisedQueueSize: 10 },
        ],
      }),
  } as unknown as RawSession;
  expect(await subscribe(session, 1_000, 4_000)).toMatchObject({ publishingMs: 1_000, silentAfterMs: 9_000 });
  const target = {
    nodeId: 'i=1',
    clientHandle: 1,
    samplingMs: 500,
    publishingMs: 1_000,
    queueSize: 10,
    deadband: null,
  };
  expect(await monitor(session, 7, [target])).toMatchObject([{ itemId: 1, samplingMs: 500 }]);
});
