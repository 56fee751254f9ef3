import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driver } from '../../../drivers/opcua/index.ts';
import { plainNumber, saidBy } from '../../../drivers/opcua/server-says.ts';
import { simulatedValue } from '../../../drivers/opcua/simulated-values.ts';
import { unreachable } from '../../../drivers/opcua/unreachable.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { Listener, planOf, pointsOf } from './support.ts';

const never = new AbortController().signal;

describe('where nobody can be asked it is said what to check', () => {
  const endpoint = 'opc.tcp://plc.site:4841/ua';
  it.each([
    ['connect ECONNREFUSED 10.0.0.1:4841', 'nobody listens on port 4841 of plc.site; check the port'],
    ['getaddrinfo ENOTFOUND plc.site', 'the name plc.site is not known here; check its spelling'],
    ['getaddrinfo EAI_AGAIN plc.site', '(EAI_AGAIN)'],
    ['connect EHOSTUNREACH 10.0.0.1:4841', 'there is no way to plc.site from here; check the address'],
    ['connect ETIMEDOUT 10.0.0.1:4841', 'no answer from plc.site on port 4841; check the address'],
    ['ERROR in waiting for data on socket', 'ended the connection at once; check that it is an OPC UA server'],
  ])('%s', (text, said) => {
    expect(unreachable(text, endpoint)).toContain(said);
  });

  it('and what is no matter of the network is left as it is', () => {
    expect(unreachable('BadIdentityTokenRejected', endpoint)).toBeNull();
  });

  it('by the driver, in one line', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await expect(driver.open(planOf(port, []), new Listener(), never)).rejects.toThrow(
      `opc.tcp://127.0.0.1:${port}: nobody listens on port ${port} of 127.0.0.1; check the port (most servers have 4840), and that the server runs (ECONNREFUSED)`,
    );
  });
});

describe('an element of an array that is written into its NodeId', () => {
  let server: OpcUaServer;
  beforeAll(async () => {
    server = await startOpcUaServer();
    server.variable('Odd[1]', 'Double', 7);
  });
  afterAll(() => server?.close());

  it.each(['subscribe', 'poll'])(
    'is told once with how to state it, where the server has no such node (%s)',
    async (mode) => {
      const nodes = { a: 'Arr[3]', b: 'Mat[1, 2]', odd: 'Odd[1]', gone: 'Gone' };
      const points = Object.fromEntries(
        Object.entries(nodes).map(([name, node]) => [name, { nodeId: `nsu=urn:site:plc;s=${node}` }]),
      );
      const plan = planOf(server.port, [{ id: 'PLC', points }], { mode });
      const host = new Listener();
      const session = await driver.open(plan, host, never);
      for (const _ of mode === 'poll' ? [1, 2] : [])
        await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never);
      await session.close();
      expect(host.said).toEqual([
        'PLC a: the server has no nsu=urn:site:plc;s=Arr[3]; an element of an array is a node and an index: "nodeId": "nsu=urn:site:plc;s=Arr", "index": 3 (1 more like that)',
      ]);
    },
  );
});

it('a simulated server states ranges without the noise of binary numbers', () => {
  const [point] = planOf(4840, [{ id: 'PLC', points: { level: { nodeId: 'ns=2;s=L' } } }]).devices[0]?.points ?? [];
  if (point === undefined) throw new Error('no point');
  const info = { ...point.info, unit: 'm' };
  expect(simulatedValue({ ...point, info }, 1).range).toEqual({ low: 1.9, high: 3.3 });
});

describe('a range that the server made of floats', () => {
  const range = { low: Math.fround(0.1), high: Math.fround(100.3) };

  it('is shown as it was meant', () => {
    expect([range.low, range.high, 5, 1.9, -0.1, 123_456_792].map(plainNumber)).toEqual([
      0.1, 100.3, 5, 1.9, -0.1, 123_456_792,
    ]);
  });

  it('holds a value at its very end, float or double', () => {
    const said = saidBy({ EURange: range }, null).range;
    expect(said?.low).toBeLessThanOrEqual(0.1);
    expect(said?.high).toBeGreaterThanOrEqual(range.high);
  });
});
