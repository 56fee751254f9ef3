import { afterEach, expect, it } from 'vitest';
import { DataType, Variant } from 'node-opcua-client';
import type { ServedVariable } from '../../support/opcua-server.ts';
import { defaults } from '../../../drivers/opcua/defaults.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;
let server: OpcUaServer;
afterEach(() => server.close());

/** As a program that is loaded into a PLC makes it: the NodeId is another one each time. */
const made = (nodeId: string, value: number): ServedVariable =>
  server.namespace.addVariable({
    organizedBy: server.server.engine.addressSpace?.rootFolder.objects ?? null,
    browseName: 'Level',
    nodeId,
    dataType: 'Double',
    minimumSamplingInterval: 10,
    value: new Variant({ dataType: DataType.Double, value }),
  } as Parameters<OpcUaServer['namespace']['addVariable']>[0]);

it('a browse path that leads nowhere, or no more, is followed again every minute, and told once', async () => {
  server = await startOpcUaServer();
  const host = new Listener();
  // A minute is 300 ms: the server is looked at every 100.
  const sleep = host.clock.sleep.bind(host.clock);
  host.clock.sleep = (ms, signal) => sleep(ms === defaults.lookMs ? 100 : ms, signal);
  const place = { browsePath: '/nsu=urn:site:plc;Level' };
  const plan = planOf(server.port, [{ id: 'PLC', points: { sent: place, read: { ...place, mode: 'poll' } } }]);
  const session = await driver.open(plan, host, never);
  const asked = pointsOf(plan, 'PLC').filter(({ point }) => point === 'read');
  const read = async (): Promise<number | string | undefined> => {
    const [seen] = await session.poll({ device: 'PLC', points: asked, dueMs: 0 }, never);
    return seen?.value ?? seen?.status;
  };
  const sent = (): (number | string)[] => host.of('sent').map(({ value, status }) => value ?? status);
  const looked = (): number => server.requests.filter(({ name }) => name.startsWith('TranslateBrowsePaths')).length;
  await until(() => looked() > 3);
  expect(await read()).toBe('BadNodeIdUnknown');
  expect(sent()).toEqual(['BadNodeIdUnknown']);
  const first = made('s=one', 1);
  await until(() => sent().length === 2);
  expect(await read()).toBe(1);

  server.server.engine.addressSpace?.deleteNode(first);
  await until(() => sent().length === 3);
  await read();
  made('s=two', 2);
  await until(() => sent().at(-1) === 2);
  expect(await read()).toBe(2);
  expect(sent().map((one) => (typeof one === 'number' ? one : 'gone'))).toEqual(['gone', 1, 'gone', 2]);
  await session.close();
  expect(host.said).toEqual([
    'PLC sent: /nsu=urn:site:plc;Level leads nowhere on this server; PLC read: /nsu=urn:site:plc;Level leads nowhere on this server; looked for again every minute; what there is: sluice browse --connection plc',
  ]);
});
