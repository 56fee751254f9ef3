import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import { Listener, planOf, pointsOf } from './support.ts';

/** One of what `opcua-hostile.slow.test.ts` found: the others are drawn there. */

const never = new AbortController().signal;
let server: Server | undefined;
const sockets = new Set<Socket>();
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

const points = { a: { nodeId: 'nsu=urn:site:plc;s=a', mode: 'poll' } };

it('a chunk that says it is larger than was agreed ends the link, not the process', async () => {
  const honest = await startOpcUaServer();
  honest.variable('a', 'Double', 1.5);
  const { connect } = await import('node:net');
  let evil = false;
  const port = await listen((client) => {
    const real = connect(honest.port, '127.0.0.1');
    sockets.add(real);
    real.on('error', () => {});
    client.on('data', (bytes) => real.write(bytes));
    real.on('data', (bytes: Buffer) => {
      if (evil) bytes.writeUInt32LE(0x5e_5e_5e_5e, 4);
      client.write(bytes);
    });
  });
  const plan = planOf(port, [{ id: 'PLC', points }]);
  const session = await driver.open(plan, new Listener(), never);
  const job = { device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 };
  expect((await session.poll(job, never))[0]).toMatchObject({ value: 1.5 });
  evil = true;
  await expect(session.poll(job, never)).rejects.toBeInstanceOf(LinkError);
  expect(await session.ended).toBeInstanceOf(LinkError);
  await session.close();
  for (const socket of sockets) socket.destroy();
  await honest.close();
});

it('a server that only says nonsense, or nothing, is not there', async () => {
  const nonsense = planOf(await listen((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')), [
    { id: 'PLC', points },
  ]);
  await expect(driver.open(nonsense, new Listener(), never)).rejects.toBeInstanceOf(LinkError);
  const silent = planOf(await listen(() => {}), [{ id: 'PLC', points }], {}, { timeout: 200 });
  await expect(driver.open(silent, new Listener(), never)).rejects.toThrow(/no answer within 200 ms/);
});
