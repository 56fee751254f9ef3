import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { startProxy } from '../../support/proxy.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;
const node = (name: string): { nodeId: string } => ({ nodeId: `nsu=urn:site:plc;s=${name}` });
const names = Array.from({ length: 9 }, (_, at) => `v${at}`);

describe('a session of OPC UA', () => {
  let server: OpcUaServer;
  let level: ReturnType<OpcUaServer['variable']>;
  beforeAll(async () => {
    server = await startOpcUaServer();
    for (const [at, name] of names.entries()) server.variable(name, 'Double', at);
    level = server.variable('level', 'Double', 0);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.requests.length = 0;
  });
  afterEach(() => {
    server.gate = () => true;
  });

  const planOfNames = (port = server.port): ReturnType<typeof planOf> =>
    planOf(port, [{ id: 'PLC', points: Object.fromEntries(names.map((name) => [name, node(name)])) }], {
      mode: 'poll',
    });
  const job = (
    plan: ReturnType<typeof planOf>,
  ): { device: string; points: ReturnType<typeof pointsOf>; dueMs: number } => ({
    device: 'PLC',
    points: pointsOf(plan, 'PLC'),
    dueMs: 0,
  });

  it('asks for less at once when the server says that it was too much, and remembers', async () => {
    server.gate = ({ name, nodeIds }) => name !== 'ReadRequest' || nodeIds.length <= 3 || 'BadTooManyOperations';
    const plan = planOfNames();
    const session = await driver.open(plan, new Listener(), never);
    const first = await session.poll(job(plan), never);
    expect(first.map(({ value }) => value)).toEqual([...names.keys()]);
    server.requests.length = 0;
    const second = await session.poll(job(plan), never);
    expect(second.map(({ value }) => value)).toEqual([...names.keys()]);
    const sizes = server.requests.flatMap(({ name, nodeIds }) => (name === 'ReadRequest' ? nodeIds.length : []));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(9);
    await session.close();
  });

  it('gives each point the status with which the server refuses a whole request, and goes on', async () => {
    const plan = planOfNames();
    const session = await driver.open(plan, new Listener(), never);
    server.gate = ({ name }) => (name === 'ReadRequest' ? 'BadOutOfMemory' : true);
    const refused = await session.poll(job(plan), never);
    expect(new Set(refused.map(({ status, value }) => `${status} ${value}`))).toEqual(new Set(['BadOutOfMemory null']));
    server.gate = () => true;
    expect((await session.poll(job(plan), never))[3]).toMatchObject({ value: 3, quality: 'good' });
    await session.close();
  });

  it('is over when the server says that it is', async () => {
    const plan = planOfNames();
    const session = await driver.open(plan, new Listener(), never);
    server.gate = ({ name }) => (name === 'ReadRequest' ? 'BadSessionIdInvalid' : true);
    await expect(session.poll(job(plan), never)).rejects.toThrow(LinkError);
    expect(await session.ended).toMatchObject({ message: expect.stringContaining('BadSessionIdInvalid') as string });
    await session.close();
  });

  it('is not had where the server has too many, and the message says so', async () => {
    const plan = planOfNames();
    server.gate = ({ name }) => name !== 'CreateSessionRequest' || 'BadTooManySessions';
    await expect(driver.open(plan, new Listener(), never)).rejects.toThrow(/BadTooManySessions/);
  });

  it('does not wait for another whose server takes its time', async () => {
    const slowPlan = planOfNames();
    const plan = planOfNames();
    const slow = await driver.open(slowPlan, new Listener(), never);
    const quick = await driver.open(plan, new Listener(), never);
    let first = true;
    server.gate = ({ name }, answer) => {
      if (name !== 'ReadRequest' || !first) return true;
      first = false;
      setTimeout(answer, 1_000);
      return false;
    };
    const order: string[] = [];
    const late = slow.poll(job(slowPlan), never).then(() => order.push('slow'));
    for (let at = 0; at < 5; at++) await quick.poll(job(plan), never).then(() => order.push('quick'));
    await late;
    expect(order).toEqual(['quick', 'quick', 'quick', 'quick', 'quick', 'slow']);
    await Promise.all([slow.close(), quick.close()]);
  });

  it('tells values that the server had no room for as a gap, at their place', async () => {
    const plan = planOf(
      server.port,
      [{ id: 'PLC', points: { level: { ...node('level'), every: 10, queueSize: 2 } } }],
      {},
      { publishingInterval: 1_000 },
    );
    const host = new Listener();
    const session = await driver.open(plan, host, never);
    await until(() => host.seen.length === 1);
    for (let at = 1; at <= 6; at++) {
      level.setValueFromSource({ dataType: 'Double', value: at });
      await new Promise((resolve) => setTimeout(resolve, 80));
    }
    await until(() => host.seen.at(-1)?.value === 6);
    await session.close();
    expect(host.seen.map(({ value, status }) => [value, status])).toEqual([
      [0, 'Good'],
      [null, 'BadDataLost'],
      [5, 'Good'],
      [6, 'Good'],
    ]);
  });

  it('says once what the server gives less than asked', async () => {
    const points = { level: { ...node('level'), every: 1 }, v0: { ...node('v0'), every: 1 } };
    const plan = planOf(server.port, [{ id: 'PLC', points }], {}, { publishingInterval: 50 });
    const host = new Listener();
    const session = await driver.open(plan, host, never);
    await session.close();
    expect(host.said).toEqual([
      'Connection plc: the server gives less than was asked: PLC.level and 1 more are sampled every 50 ms instead of 1 ms',
    ]);
  });

  it('gives up a link on which nothing comes any more, though it looks open', async () => {
    const proxy = await startProxy(() => server.port);
    const clock = new FakeClock();
    const plan = planOf(proxy.port, [{ id: 'PLC', points: { level: node('level') } }]);
    const session = await driver.open(plan, new Listener(clock), never);
    proxy.freeze();
    let ended: unknown = null;
    void session.ended.then((error) => (ended = error));
    await clock.advance(10_000);
    expect(ended).toBeNull();
    await clock.advance(3_000);
    expect(ended).toMatchObject({ message: expect.stringContaining('nothing was heard of a subscription') as string });
    await session.close();
    await proxy.close();
  });

  it('asks the server now and then when it has nothing else to ask, and ends when there is no answer', async () => {
    const proxy = await startProxy(() => server.port);
    const clock = new FakeClock();
    const session = await driver.open(planOfNames(proxy.port), new Listener(clock), never);
    server.requests.length = 0;
    await clock.advance(20_000);
    await until(() => server.requests.length === 1);
    expect(server.requests[0]).toMatchObject({ name: 'ReadRequest', nodeIds: ['ns=0;i=2255', 'ns=0;i=2257'] });
    proxy.freeze();
    await clock.advance(60_000);
    expect(await session.ended).toMatchObject({
      message: expect.stringContaining('no answer to 2 requests') as string,
    });
    await session.close();
    await proxy.close();
  });

  it('ends when the server numbers its namespaces anew: the nodes may be others', async () => {
    const clock = new FakeClock();
    const session = await driver.open(planOfNames(), new Listener(clock), never);
    server.server.engine.addressSpace?.registerNamespace('urn:new');
    await clock.advance(20_000);
    expect(await session.ended).toMatchObject({ message: expect.stringContaining('namespaces') as string });
    await session.close();
  });
});
