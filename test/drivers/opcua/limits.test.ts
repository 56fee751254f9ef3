import { afterEach, expect, it } from 'vitest';
import { startSupervisor } from '../../../agent/supervisor.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer, OpcUaServerOptions } from '../../support/opcua-server.ts';
import { Listener, planOf, until } from './support.ts';

const never = new AbortController().signal;
const names = ['a', 'b', 'c', 'd', 'e'];
let server: OpcUaServer;
afterEach(() => server.close());

async function serving(options: OpcUaServerOptions): Promise<Map<string, ReturnType<OpcUaServer['variable']>>> {
  server = await startOpcUaServer(options);
  return new Map(names.map((name, at) => [name, server.variable(name, 'Double', at)]));
}

/** Points of three publishing intervals. */
const planOfAll = (): ReturnType<typeof planOf> =>
  planOf(server.port, [
    {
      id: 'PLC',
      points: Object.fromEntries(
        names.map((name, at) => [
          name,
          { nodeId: `nsu=urn:site:plc;s=${name}`, every: 100, publishingInterval: [400, 100, 200][at % 3] },
        ]),
      ),
    },
  ]);

const valuesOf = (host: Listener, name: string): (number | string | null)[] =>
  host.of(name).map(({ value, status }) => value ?? status);

/** All of them, now and after they changed. */
async function allArrive(host: Listener, variables: Awaited<ReturnType<typeof serving>>): Promise<void> {
  await until(() => names.every((name) => host.of(name).length > 0));
  for (const variable of variables.values()) variable.setValueFromSource({ dataType: 'Double', value: 9.5 });
  await until(() => names.every((name) => host.of(name).at(-1)?.value === 9.5));
  expect(names.map((name) => valuesOf(host, name))).toEqual(names.map((_, at) => [at, 9.5]));
}

it('a server that takes fewer subscriptions than there are publishing intervals sends all points by those that it takes', async () => {
  const variables = await serving({ limits: { maxSubscriptionsPerSession: 1 } });
  const host = new Listener();
  const session = await driver.open(planOfAll(), host, never);
  await allArrive(host, variables);
  await session.close();
  expect(host.said).toEqual([
    'Connection plc: the server takes no more subscriptions (BadTooManySubscriptions): what is to be sent every 200 ms goes with what is sent every 100 ms',
    'Connection plc: the server takes no more subscriptions (BadTooManySubscriptions): what is to be sent every 400 ms goes with what is sent every 100 ms',
  ]);
});

it('of a server that takes no subscription at all every point is read, and what changed is sent', async () => {
  const variables = await serving({});
  server.gate = ({ name }) => name !== 'CreateSubscriptionRequest' || 'BadTooManySubscriptions';
  const host = new Listener();
  const session = await driver.open(planOfAll(), host, never);
  await allArrive(host, variables);
  await session.close();
  expect(host.said).toEqual([
    'Connection plc: the server watches no more points (BadTooManySubscriptions): PLC.b and 4 more are read instead, as often as it would send them; raise its limit, or write "mode": "poll" where that is enough',
  ]);
});

it('points beyond those that the server watches are read, and the others are sent', async () => {
  const variables = await serving({ limits: { maxMonitoredItemsPerSubscription: 1 } });
  const host = new Listener();
  const session = await driver.open(planOfAll(), host, never);
  await allArrive(host, variables);
  await session.close();
  expect(host.said).toEqual([expect.stringContaining('watches no more points (BadTooManyMonitoredItems)') as string]);
  expect(host.said[0]).toMatch(/PLC\.\w and 1 more are read instead/);
});

it('points of a request that is refused as a whole for their number are read', async () => {
  const variables = await serving({});
  server.gate = ({ name }) => name !== 'CreateMonitoredItemsRequest' || 'BadTooManyMonitoredItems';
  const host = new Listener();
  const session = await driver.open(planOfAll(), host, never);
  await allArrive(host, variables);
  await session.close();
  expect(host.said[0]).toMatch(/PLC\.b and 4 more are read instead/);
});

it('a server that has no session to give is asked again, is told as that, and keeps no other connection waiting', async () => {
  await serving({ mostSessions: 1 });
  const host = new Listener();
  const first = await driver.open(planOfAll(), host, never);
  const logged: string[] = [];
  const waiting = new Listener();
  const supervisor = startSupervisor({
    connection: 'plc',
    load: () => Promise.resolve(driver),
    plan: planOfAll(),
    host: waiting,
    clock: waiting.clock,
    log: (_, message) => logged.push(message),
    random: () => 0.5,
  });
  await until(() => logged.length > 0);
  expect(logged).toEqual([
    `Connection plc cannot be opened: opc.tcp://127.0.0.1:${server.port}: the server has as many sessions as it takes (BadTooManySessions); end other clients there, or raise its limit. One that a lost link left behind goes within a minute. Attempts go on.`,
  ]);
  await until(() => supervisor.state().failed >= 2);
  await until(() => names.every((name) => host.of(name).length > 0));
  await first.close();
  await until(() => supervisor.state().state === 'open');
  await until(() => names.every((name) => waiting.of(name).length > 0));
  await supervisor.close();
});
