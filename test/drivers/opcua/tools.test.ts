import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { suggest } from '../../../drivers/opcua/tools/suggest.ts';
import { tools } from '../../../drivers/opcua/tools/index.ts';
import type { BrowseOptions, ToolHost } from '../../../drivers/tools.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { serveTank } from './tank.ts';

const many = 1_200;
const clock = systemClock({ source: timeSource('none'), builtAtMs: 0 });
const all: BrowseOptions = {
  plan: null,
  under: null,
  match: null,
  type: null,
  depth: null,
  limit: null,
  values: false,
  points: false,
  properties: false,
};

let server: OpcUaServer;
let url: string;
beforeAll(async () => {
  server = await startOpcUaServer({ operationLimits: { maxNodesPerRead: 300, maxNodesPerBrowse: 4 } });
  serveTank(server, many);
  url = `opc.tcp://127.0.0.1:${server.port}`;
});
beforeEach(() => {
  server.requests.length = 0;
});
afterAll(async () => {
  clock.close();
  await server?.close();
});

function hostOf(
  signal = new AbortController().signal,
): ToolHost & { readonly told: string[]; readonly shown: string[] } {
  const told: string[] = [];
  const shown: string[] = [];
  return {
    clock,
    owner: { borrow: () => Promise.resolve(null) },
    signal,
    profiles: () => [],
    tell: (text) => void told.push(text),
    progress: (text) => void shown.push(text),
    told,
    shown,
  };
}

const browse = (options: Partial<BrowseOptions>, host = hostOf()) => tools.browse?.(url, { ...all, ...options }, host);
const count = (name: string): number => server.requests.filter((request) => request.name === name).length;

describe('browse', () => {
  it('shows a tree with NodeIds that a configuration takes, types and values', async () => {
    const found = await browse({ under: '/2:Tank', values: true });
    expect(found?.parts).toEqual([
      {
        head: ['name', 'nodeId', 'type', 'value'],
        rows: [
          ['Level', 'nsu=urn:site:plc;s=Tank.Level', 'Double', '5 m (UncertainEngineeringUnitsExceeded)'],
          ['Flow/in', 'nsu=urn:site:plc;s=Tank.Flow', 'Double', '40 m3/h'],
          ['Mode', 'nsu=urn:site:plc;s=Tank.Mode', 'UInt32', '2 automatic'],
          ['Valve', 'nsu=urn:site:plc;s=Tank.Valve', 'ValveState', '7 open'],
          ['Serial', 'nsu=urn:site:plc;s=Tank.Serial', 'String', 'T-\uFFFD[31m1'],
          ['Broken', 'nsu=urn:site:plc;s=Tank.Broken', 'Double', 'BadDeviceFailure'],
          ['Twin', 'nsu=urn:site:plc;s=Tank.Twin1', 'Int32', '1'],
          ['Twin', 'nsu=urn:site:plc;s=Tank.Twin2', 'Int32', '2'],
        ],
      },
    ]);
  });

  it('finds by a part of a name or NodeId, and shows what is above', async () => {
    const found = await browse({ match: 'tank.LEVEL', type: 'variable' });
    expect(found?.json).toEqual([
      expect.objectContaining({ nodeId: 'nsu=urn:site:plc;s=Tank.Level', names: ['Tank', 'Level'], class: 'variable' }),
    ]);
    expect(found?.parts[0]).toMatchObject({
      rows: [expect.arrayContaining(['Tank']), expect.arrayContaining(['  Level'])],
    });
  });

  it('takes up what the server did not send at once', async () => {
    const found = await browse({ under: 'nsu=urn:site:plc;s=Many' });
    expect(found?.json).toHaveLength(many);
    expect(found?.notes).toEqual([]);
    expect(count('BrowseNextRequest')).toBeGreaterThanOrEqual(2);
  });

  it('ends at the limit, says so, and gives back what the server keeps for it', async () => {
    const found = await browse({ under: 'nsu=urn:site:plc;s=Many', limit: 100 });
    expect(found?.json).toHaveLength(100);
    expect(found?.notes).toEqual([expect.stringContaining('ended at 100 nodes, there are more')]);
    expect(count('BrowseNextRequest')).toBe(1);
    expect(count('ReadRequest')).toBeLessThan(12);
  });

  it('ends with what was found when somebody has enough of it', async () => {
    const enough = new AbortController();
    const host = hostOf(enough.signal);
    server.gate = ({ name }) => {
      if (name === 'BrowseNextRequest') enough.abort(new Error('enough'));
      return true;
    };
    try {
      const found = await browse({ under: 'nsu=urn:site:plc;s=Many' }, host);
      expect(found?.ok).toBe(true);
      expect(found?.json).toHaveLength(500);
      expect(found?.notes).toEqual(['ended early, after 500 nodes']);
    } finally {
      server.gate = () => true;
    }
  });

  it('says how to go on where it did not open nodes', async () => {
    const found = await browse({ depth: 1 });
    expect(found?.notes).toEqual([expect.stringMatching(/^\d+ nodes at depth 1 were not opened; deeper: --depth N$/)]);
  });

  it('proposes points with name, kind and unit', async () => {
    const found = await browse({ under: '/2:Tank', points: true, match: 'e' });
    expect(found?.json).toEqual(
      expect.arrayContaining([
        { name: 'Level', unit: 'm', nodeId: 'nsu=urn:site:plc;s=Tank.Level' },
        { name: 'Mode', kind: 'state', nodeId: 'nsu=urn:site:plc;s=Tank.Mode' },
        { name: 'Serial', kind: 'text', nodeId: 'nsu=urn:site:plc;s=Tank.Serial' },
      ]),
    );
  });

  it.each([
    [{ under: 'Tank' }, 'is no NodeId and no browse path'],
    [
      { under: '/2:Tank', plan: { endpoint: 'opc.tcp://10.0.0.1:4840', connection: 'plc' } },
      'is not the endpoint of connection plc',
    ],
  ])('refuses %j', async (options, message) => {
    await expect(browse(options)).rejects.toThrow(message);
  });

  it('finds nothing below what is not there', async () => {
    expect(await browse({ under: '/2:Gone' })).toMatchObject({ ok: false });
  });
});

describe('probe', () => {
  it('says of a variable what a reading of it would be', async () => {
    const found = await tools.probe(`${url}?nodeId=nsu=urn:site:plc;s=Tank.Level`, { display: null }, hostOf());
    expect(found).toMatchObject({
      ok: true,
      json: {
        nodeId: 'nsu=urn:site:plc;s=Tank.Level',
        browseName: '2:Level',
        type: 'Double',
        status: 'Good',
        min: -1,
        max: 4,
        reading: { value: 5, unit: 'm', quality: 'uncertain' },
        point: { name: 'Level', unit: 'm', nodeId: 'nsu=urn:site:plc;s=Tank.Level' },
      },
    });
  });

  it.each([
    ['nodeId=nsu=urn:site:plc;s=Tank.Nope', 'BadNodeIdUnknown'],
    ['browsePath=/2:Nope', 'BadNodeIdUnknown'],
  ])('%s is not there', async (query, status) => {
    expect(await tools.probe(`${url}?${query}`, { display: null }, hostOf())).toMatchObject({
      ok: false,
      json: { status },
    });
  });

  it('without a node is about the server', async () => {
    const found = await tools.probe(url, { display: null }, hostOf());
    expect(found.json).toMatchObject({
      state: 'running',
      namespaces: expect.arrayContaining(['urn:site:plc']) as unknown,
    });
  });

  it.each([
    ['?node=i=1', '"node" is no key here'],
    ['?securityMode=sign', 'securityMode is "sign"'],
    ['?nodeId=Level', 'is no NodeId'],
    ['?nodeId=i=1&browsePath=/a', 'exclude each other'],
  ])('refuses %s', async (query, message) => {
    await expect(tools.probe(`${url}${query}`, { display: null }, hostOf())).rejects.toThrow(message);
  });
});

describe('proposed points', () => {
  const variable = { text: 'ns=2;i=1', type: 'Double', isArray: false, unit: null, isNamed: false };

  it('are counters where unit or name say so', () => {
    const points = suggest([
      { ...variable, names: ['E'], unit: 'kW.h' },
      { ...variable, names: ['Volume total'] },
      { ...variable, names: ['Summer'] },
      { ...variable, names: ['On'], type: 'Boolean' },
    ]);
    expect(points.map(({ name, kind }) => [name, kind])).toEqual([
      ['E', 'counter'],
      ['Volume_total', 'counter'],
      ['Summer', undefined],
      ['On', 'state'],
    ]);
  });

  it('have names that are ids, and as short as they can be told apart', () => {
    const names = (...ways: string[][]): unknown[] =>
      suggest(ways.map((way) => ({ ...variable, names: way }))).map(({ name }) => name);
    expect(names(['P1', 'Flow'], ['P2', 'Flow'], ['P2', 'Druck °'])).toEqual(['P1.Flow', 'P2.Flow', 'Druck']);
    expect(names(['a', 'x'], ['a', 'x'])).toEqual(['a.x', 'a.x_2']);
    expect(names(['°'], ['y'.repeat(90)])).toEqual(['point', 'y'.repeat(64)]);
  });
});
