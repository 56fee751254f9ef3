import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driver } from '../../../drivers/opcua/index.ts';
import type { Observation } from '../../../agent/reading.ts';
import type { Settings } from '../../../drivers/driver.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';
import { serveTank } from './tank.ts';

const never = new AbortController().signal;
const nodeOf = (name: string): Settings => ({ nodeId: `nsu=urn:site:plc;s=Tank.${name}` });

let server: OpcUaServer;
beforeAll(async () => {
  server = await startOpcUaServer({
    operationLimits: { maxNodesPerRead: 5, maxNodesPerBrowse: 2, maxNodesPerTranslateBrowsePathsToNodeIds: 2 },
  });
  serveTank(server);
});
afterAll(() => server?.close());

async function polled(
  points: Readonly<Record<string, Settings>>,
): Promise<{ host: Listener; seen: Readonly<Record<string, Observation>> }> {
  const plan = planOf(server.port, [{ id: 'PLC', points }], { mode: 'poll' });
  const host = new Listener();
  const session = await driver.open(plan, host, never);
  const seen = await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never);
  await session.close();
  return { host, seen: Object.fromEntries(seen.map((one) => [one.point.point, one])) };
}

describe('a browse path', () => {
  it('is followed by index and by URI, in the batches that the server takes', async () => {
    const { host, seen } = await polled({
      level: { browsePath: '/2:Tank/2:Level' },
      flow: { browsePath: '/nsu=urn:site:plc;Tank/nsu=urn:site:plc;Flow&/in' },
      mode: { browsePath: '/2:Tank/nsu=urn:site:plc;Mode' },
    });
    expect(Object.values(seen).map(({ value }) => value)).toEqual([5, 40, 2]);
    expect(host.said).toEqual([]);
  });

  it('that leads nowhere is BadNodeIdUnknown, and told once with what it says', async () => {
    const { host, seen } = await polled({
      gone: { browsePath: '/2:Tank/2:Depth' },
      foreign: { browsePath: '/nsu=urn:gone;Tank' },
      level: nodeOf('Level'),
    });
    expect(seen['gone']).toMatchObject({ value: null, status: 'BadNodeIdUnknown' });
    expect(seen['foreign']).toMatchObject({ value: null, status: 'BadNodeIdUnknown' });
    expect(seen['level']).toMatchObject({ value: 5 });
    expect(host.said).toHaveLength(1);
    expect(host.said[0]).toContain('PLC gone: /2:Tank/2:Depth leads nowhere on this server');
    expect(host.said[0]).toContain('PLC foreign: /nsu=urn:gone;Tank leads nowhere');
  });

  it('that leads to several nodes is the first of them, and told', async () => {
    const { host, seen } = await polled({ twin: { browsePath: '/2:Tank/2:Twin' } });
    expect(seen['twin']).toMatchObject({ value: 1, quality: 'good' });
    expect(host.said).toEqual([expect.stringContaining('/2:Tank/2:Twin leads to 2 nodes') as string]);
  });

  it('is subscribed too', async () => {
    const plan = planOf(server.port, [{ id: 'PLC', points: { level: { browsePath: '/2:Tank/2:Level' } } }]);
    const host = new Listener();
    const session = await driver.open(plan, host, never);
    await until(() => host.seen.length > 0);
    await session.close();
    expect(host.seen[0]).toMatchObject({ value: 5, point: { unit: 'm' } });
  });
});

describe('what the server says where the configuration is silent', () => {
  it('is the unit: by its code, else by its usual spelling, and the descriptor is another one', async () => {
    const points = { level: nodeOf('Level'), flow: nodeOf('Flow'), mode: nodeOf('Mode') };
    const { seen } = await polled(points);
    expect(Object.values(seen).map(({ point }) => point.unit)).toEqual(['m', 'm3/h', null]);
    const plan = planOf(server.port, [{ id: 'PLC', points }], { mode: 'poll' });
    const [level, , mode] = pointsOf(plan, 'PLC');
    expect(seen['level']?.point.hash).toMatch(/^[0-9a-f]{12}$/);
    expect(seen['level']?.point.hash).not.toBe(level?.hash);
    expect(seen['mode']?.point).toEqual(mode);
  });

  it('is the range, that of the instrument first', async () => {
    const { seen } = await polled({
      level: nodeOf('Level'),
      high: { ...nodeOf('Level'), max: 6 },
      flow: nodeOf('Flow'),
    });
    expect(seen['level']).toMatchObject({ value: 5, status: 'UncertainEngineeringUnitsExceeded' });
    expect(seen['high']).toMatchObject({ value: 5, status: 'Good' });
    expect(seen['flow']).toMatchObject({ value: 40, status: 'Good' });
  });

  it('are names of numbers: of the variable, of its type', async () => {
    const { seen } = await polled({
      mode: nodeOf('Mode'),
      valve: nodeOf('Valve'),
      stated: { ...nodeOf('Mode'), enum: { '2': 'auto' } },
      plain: nodeOf('Twin1'),
    });
    expect(Object.values(seen).map(({ value, text }) => [value, text])).toEqual([
      [2, 'automatic'],
      [7, 'open'],
      [2, 'auto'],
      [1, null],
    ]);
  });

  it('is not taken for a point that is scaled here', async () => {
    const { seen } = await polled({
      level: { ...nodeOf('Level'), scale: 100 },
      mode: { ...nodeOf('Mode'), offset: -1 },
    });
    expect(seen['level']).toMatchObject({ value: 500, status: 'Good', point: { unit: null } });
    expect(seen['mode']).toMatchObject({ value: 1, text: null, status: 'Good' });
  });

  it('does not keep a session from opening when the server does not answer', async () => {
    server.gate = ({ name }) => name !== 'BrowseRequest';
    const beganMs = Date.now();
    try {
      const { seen } = await polled({ level: nodeOf('Level') });
      expect(seen['level']).toMatchObject({ value: 5, status: 'Good', point: { unit: null } });
    } finally {
      server.gate = () => true;
    }
    expect(Date.now() - beganMs).toBeLessThan(4_500);
  });
});

it('the asset register hears the unit of each point that is there', async () => {
  const { host } = await polled({
    level: nodeOf('Level'),
    valve: nodeOf('Valve'),
    gone: { browsePath: '/2:Tank/2:Depth' },
  });
  expect(host.saidOfPoints).toEqual([
    { device: 'PLC', point: 'level', unit: 'm' },
    { device: 'PLC', point: 'valve', unit: null },
  ]);
});
