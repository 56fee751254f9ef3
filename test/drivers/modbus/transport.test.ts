import { afterEach, expect, test } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import { honest, startRawServer } from '../../simulators/modbus-raw-server.ts';
import { honestRtu, startRtuGateway } from '../../simulators/rtu-line.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { hostOf, planOf, pointsOf, until } from './support.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
const never = new AbortController().signal;
const devices = [{ id: 'A', unitId: 1, points: { a: { address: 0 } } }];

test.each(['modbus-tcp', 'modbus-rtu-over-tcp'])('over %s the pause after connecting is kept', async (kind) => {
  const server = await (kind === 'modbus-tcp' ? startRawServer(honest) : startRtuGateway(honestRtu));
  closing.push(() => server.close());
  const clock = new FakeClock();
  const settings = { host: '127.0.0.1', port: server.port, pauseAfterConnect: 500 };
  const { plan } = planOf({ driver: kind, settings }, devices);
  const state = { open: false };
  const opening = driver.open(plan, hostOf(clock), never).then((session) => {
    state.open = true;
    return session;
  });
  await until(() => server.connections() === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await clock.advance(499);
  expect(state.open).toBe(false);
  await clock.advance(1);
  const session = await opening;
  closing.push(() => session.close());
  const [seen] = await session.poll({ device: 'A', points: pointsOf(plan, 'A'), dueMs: 0 }, never);
  expect(seen?.status).toBe('Good');
});

test('the pause after connecting can be given up', async () => {
  const server = await startRawServer(honest);
  closing.push(() => server.close());
  const settings = { host: '127.0.0.1', port: server.port, pauseAfterConnect: 500 };
  const { plan } = planOf({ driver: 'modbus-tcp', settings }, devices);
  const giveUp = new AbortController();
  const opening = driver.open(plan, hostOf(new FakeClock()), giveUp.signal);
  await until(() => server.connections() === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  giveUp.abort();
  await expect(opening).rejects.toBeInstanceOf(LinkError);
});

test.each(['modbus-tcp', 'modbus-rtu-over-tcp'])('over %s a connection is given back when it is idle', async (kind) => {
  const server = await (kind === 'modbus-tcp' ? startRawServer(honest) : startRtuGateway(honestRtu));
  closing.push(() => server.close());
  const settings = { host: '127.0.0.1', port: server.port, closeWhenIdle: true };
  const { plan } = planOf({ driver: kind, settings }, devices);
  const session = await driver.open(plan, hostOf(new FakeClock()), never);
  closing.push(() => session.close());
  for (const connections of [1, 2, 3]) {
    const [seen] = await session.poll({ device: 'A', points: pointsOf(plan, 'A'), dueMs: 0 }, never);
    expect(seen?.status).toBe('Good');
    expect(server.connections()).toBe(connections);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await server.close();
  await expect(session.poll({ device: 'A', points: pointsOf(plan, 'A'), dueMs: 0 }, never)).rejects.toBeInstanceOf(
    LinkError,
  );
  expect(await session.ended).toBeInstanceOf(LinkError);
});
