import { DataType, Variant } from 'node-opcua-client';
import { afterEach, expect, it } from 'vitest';
import { driver } from '../../../drivers/opcua/index.ts';
import type { Settings } from '../../../drivers/driver.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { Listener, planOf, until } from './support.ts';

const never = new AbortController().signal;
let server: OpcUaServer;
afterEach(() => server.close());

/** Goes up and down slowly, and once by a jump. */
const course = [...Array.from({ length: 64 }, (_, at) => 50 + 5 * Math.sin(at / 6)), 90, 90.4, 90.8, 91.3];

/** What was sent while the value went its course, one value every 30 ms. */
async function wentThrough(deadband: Settings): Promise<Listener> {
  server = await startOpcUaServer();
  const objects = server.server.engine.addressSpace?.rootFolder.objects;
  const level = server.namespace.addAnalogDataItem({
    organizedBy: objects ?? '',
    browseName: 'Level',
    nodeId: 's=Level',
    dataType: 'Double',
    engineeringUnitsRange: { low: 0, high: 200 },
    minimumSamplingInterval: 10,
    value: new Variant({ dataType: DataType.Double, value: 50 }),
  });
  const plain = server.variable('Plain', 'Double', 50);
  const points = {
    level: { nodeId: 'nsu=urn:site:plc;s=Level', every: 50, ...deadband },
    plain: { nodeId: 'nsu=urn:site:plc;s=Plain', every: 50, ...deadband },
    all: { nodeId: 'nsu=urn:site:plc;s=Level', every: 50 },
  };
  const host = new Listener();
  const plan = planOf(server.port, [{ id: 'PLC', points }], {}, { publishingInterval: 50 });
  const session = await driver.open(plan, host, never);
  await until(() => host.of('level').length > 0 && host.of('plain').length > 0);
  for (const value of course) {
    for (const variable of [level, plain]) variable.setValueFromSource({ dataType: DataType.Double, value });
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await until(() => host.of('all').at(-1)?.value === course.at(-1));
  await new Promise((resolve) => setTimeout(resolve, 200));
  await session.close();
  return host;
}

/** Each value that the server saw (it was sent without a deadband beside) is no farther from the one sent last than the deadband. */
function expectNoneMissing(host: Listener, deadband: number): void {
  const sampled = host.of('all').map(({ value }) => value ?? Number.NaN);
  const sent = host.of('level').map(({ value }) => value ?? Number.NaN);
  expect(sent.length).toBeLessThan(sampled.length / 2);
  let next = 0;
  let last = sent[0] ?? Number.NaN;
  for (const value of sampled) {
    if (value === sent[next + 1]) last = sent[++next] ?? Number.NaN;
    expect(Math.abs(value - last)).toBeLessThanOrEqual(deadband + 1e-9);
  }
  expect(next).toBe(sent.length - 1);
}

it('an absolute deadband sends fewer values, and none is missing beyond it', async () => {
  const host = await wentThrough({ serverDeadband: { type: 'absolute', value: 2 } });
  expectNoneMissing(host, 2);
  expect(host.said).toEqual([]);
});

it('a deadband in percent is of the range that the server states; where it states none, every change is sent, and that is told', async () => {
  const host = await wentThrough({ serverDeadband: { type: 'percent', value: 1 } });
  expectNoneMissing(host, 2);
  expect(host.of('plain').length).toBeGreaterThan(host.of('all').length / 2);
  expect(host.of('plain').filter(({ quality }) => quality === 'bad')).toEqual([]);
  expect(host.said).toEqual([
    expect.stringMatching(
      /^PLC plain: the server refuses serverDeadband \(Bad\w+; a percentage is of the range \(EURange\) that the server states of the node\), so every change is sent; state it in the value's own unit, or drop it$/,
    ) as string,
  ]);
});
