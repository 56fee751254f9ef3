import { afterEach, describe, expect, it } from 'vitest';
import { defaults } from '../../../drivers/opcua/defaults.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { MinuteLook } from '../../../drivers/opcua/minute-look.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { ScriptedWire } from './scripted-wire.ts';
import { Listener, planOf, until } from './support.ts';

const never = new AbortController().signal;
let server: OpcUaServer | null = null;
afterEach(async () => {
  await server?.close();
  server = null;
});

describe('a look at the nodes, once a minute', () => {
  it('that the server refuses as a whole ends no session, is told once, and is made again', async () => {
    const plc = await startOpcUaServer();
    server = plc;
    const variable = plc.variable('a', 'Double', 1);
    const host = new Listener();
    // A minute is 150 ms: the server is looked at every 50.
    const sleep = host.clock.sleep.bind(host.clock);
    host.clock.sleep = (ms, signal) => sleep(ms === defaults.lookMs ? 50 : ms, signal);
    const plan = planOf(plc.port, [{ id: 'PLC', points: { a: { nodeId: 'nsu=urn:site:plc;s=a' } } }]);
    const session = await driver.open(plan, host, never);
    await until(() => host.of('a').length === 1);
    let refused = 0;
    plc.gate = ({ name, nodeIds }) => {
      if (name !== 'ReadRequest' || !nodeIds.some((nodeId) => nodeId.endsWith('s=a'))) return true;
      refused++;
      return 'BadTimeout';
    };
    await until(() => refused > 3);
    variable.setValueFromSource({ dataType: 'Double', value: 2 });
    await until(() => host.of('a').at(-1)?.value === 2);
    plc.gate = () => true;
    plc.server.engine.addressSpace?.deleteNode(variable);
    await until(() => host.of('a').at(-1)?.quality === 'bad');
    expect(host.of('a').map(({ value }) => value)).toEqual([1, 2, null]);
    expect(host.said).toEqual([
      'Connection plc: the server does not say whether all nodes are still there (BadTimeout); those that vanish, return or are made anew in silence may not be noticed; it is asked again each minute',
    ]);
    await session.close();
    expect(await session.ended).toBeUndefined();
  });

  it('asks for nothing that is on its way, at a server that takes long to set all up', async () => {
    const plc = await startOpcUaServer();
    server = plc;
    plc.variable('a', 'Double', 1);
    const host = new Listener();
    const sleep = host.clock.sleep.bind(host.clock);
    host.clock.sleep = (ms, signal) => sleep(ms === defaults.lookMs ? 50 : ms, signal);
    const plan = planOf(plc.port, [{ id: 'PLC', points: { a: { nodeId: 'nsu=urn:site:plc;s=a' } } }]);
    const asked = (what: string): number => plc.requests.filter(({ name }) => name === what).length;
    let answer = (): void => {};
    plc.gate = ({ name }, later) => {
      if (name !== 'CreateMonitoredItemsRequest') return true;
      answer = later;
      return false;
    };
    const opening = driver.open(plan, host, never);
    await until(() => asked('CreateMonitoredItemsRequest') > 0);
    const before = asked('ReadRequest');
    await until(() => asked('ReadRequest') > before + 4);
    expect(asked('CreateMonitoredItemsRequest')).toBe(1);
    plc.gate = () => true;
    answer();
    const session = await opening;
    await until(() => host.of('a').length === 1);
    expect(asked('CreateMonitoredItemsRequest')).toBe(1);
    await session.close();
  });

  it('is given up before the library gives the link up', async () => {
    const wire = new ScriptedWire();
    wire.read = (_, signal) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('late'))));
    const clock = new FakeClock();
    const host = new Listener(clock);
    const look = new MinuteLook({ connection: 'plc', wire, host, signal: never });
    const seen = look.read([{ nodeId: 'ns=1;s=a' }]);
    await clock.advance(10_000);
    expect(await seen).toBeNull();
    expect(host.said).toEqual([expect.stringContaining('(no answer within 10000 ms)')]);
  });

  it('during which the link is lost says so', async () => {
    const wire = new ScriptedWire();
    wire.read = () => Promise.reject(new Error('cut'));
    const look = new MinuteLook({ connection: 'plc', wire, host: new Listener(new FakeClock()), signal: never });
    await expect(look.read([])).rejects.toThrow('cut');
  });
});
