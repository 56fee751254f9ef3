import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import { driver } from '../../../drivers/opcua/index.ts';
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

/** The honest server, what it says changed on its way. `at`: the how manieth piece of the connection. */
function before(change: (bytes: Buffer, at: number) => Buffer): Promise<number> {
  return listen((client) => {
    let at = 0;
    const real = connect(honest.port, '127.0.0.1');
    sockets.add(real);
    real.on('error', () => {});
    client.on('data', (bytes) => real.write(bytes));
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
