import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { suggest } from '../../../drivers/opcua/tools/suggest.ts';
import { tools } from '../../../drivers/opcua/tools/index.ts';
import type { BrowseOptions, Finding, ToolHost } from '../../../drivers/tools.ts';
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

  it.each([
    ['/2:Gone', '/2:Gone leads nowhere on URL; what there is: sluice browse URL'],
    ['ns=2;s=Gone', 'ns=2;s=Gone leads nowhere on URL; what there is: sluice browse URL'],
    ['nsu=urn:gone;s=X', /^URL has no namespace urn:gone; it has .*urn:site:plc; what there is: sluice browse URL$/],
    ['nsu=urn:site:plc;s=Tank.Serial', /^there is nothing below it/],
  ])('says once that nothing is below %s, and what to type', async (under, message) => {
    const host = hostOf();
    const found = await browse({ under }, host);
    const told = [...(found?.parts ?? []), ...(found?.notes ?? []), ...host.told].map((one) =>
      (typeof one === 'string' ? one : JSON.stringify(one)).replaceAll(url, 'URL'),
    );
    expect(found?.ok).toBe(false);
    expect(told).toEqual([typeof message === 'string' ? message : (expect.stringMatching(message) as string)]);
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

  it('takes a NodeId out of a URL that has it like a path', async () => {
    const found = await tools.probe(`${url}/nsu=urn:site:plc;s=Tank.Level`, { display: null }, hostOf());
    expect(found).toMatchObject({ ok: true, json: { nodeId: 'nsu=urn:site:plc;s=Tank.Level' } });
    await expect(tools.browse?.(`${url}/ns=2;s=Tank`, all, hostOf())).rejects.toThrow(
      "to begin there: --under 'ns=2;s=Tank'",
    );
    await expect(tools.probe(`${url}/ns=2;s=a?nodeId=i=1`, { display: null }, hostOf())).rejects.toThrow(
      'names a node twice',
    );
  });

  it('says of an element of an array how it is stated', async () => {
    const found = await tools.probe(`${url}?nodeId=ns=2;s=Arr[3]`, { display: null }, hostOf());
    expect(found.parts).toEqual([
      `ns=2;s=Arr[3] leads nowhere on ${url}; an element of an array is a node and an index: "nodeId": "ns=2;s=Arr", "index": 3; what there is: sluice browse ${url} (BadNodeIdUnknown)`,
    ]);
  });

  it('says what to type to see what is below a folder, with the security of the URL', async () => {
    const found = await tools.probe(`${url}?securityMode=None&nodeId=i=85`, { display: null }, hostOf());
    expect(JSON.stringify(found.parts)).toContain(
      `what is below it: sluice browse '${url}?securityMode=None' --under 'i=85'`,
    );
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

describe('scan', () => {
  const scan = (at = url, options = { units: null, sweep: false }): Promise<Finding> =>
    tools.scan?.(at, options, hostOf()) ?? Promise.reject(new Error('no scan'));

  it('shows what a server offers, the strongest first, and what to type next; nobody logs in', async () => {
    const found = await scan();
    expect(found.ok).toBe(true);
    const { endpoints, certificate } = found.json as {
      endpoints: { securityMode: string; securityPolicy: string; users: string[] }[];
      certificate: { thumbprint: string; notAfter: string };
    };
    expect(endpoints.map(({ securityMode, securityPolicy }) => `${securityMode} ${securityPolicy}`)).toEqual([
      'SignAndEncrypt Aes256_Sha256_RsaPss',
      'SignAndEncrypt Basic256Sha256',
      'SignAndEncrypt Aes128_Sha256_RsaOaep',
      'Sign Aes256_Sha256_RsaPss',
      'Sign Basic256Sha256',
      'Sign Aes128_Sha256_RsaOaep',
      'None None',
    ]);
    expect(endpoints[0]?.users.toSorted()).toEqual(['anonymous', 'certificate', 'userName']);
    const { fingerprint, validTo } = new X509Certificate(server.server.getCertificate());
    expect(certificate.thumbprint).toBe(fingerprint.replaceAll(':', '').toLowerCase());
    expect(Date.parse(certificate.notAfter)).toBe(Date.parse(validTo));
    expect(found.parts.at(-1)).toContain(
      `{"driver":"opcua","endpoint":"${url}","securityMode":"SignAndEncrypt","securityPolicy":"Aes256_Sha256_RsaPss"}`,
    );
    expect(count('CreateSessionRequest')).toBe(0);
  });

  it.each([
    ['ends the connection', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['says nothing', () => {}],
  ])('says that it is no OPC UA server where somebody listens and %s', async (_, meet) => {
    const sockets = new Set<Socket>();
    const stranger = createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      meet(socket);
    }).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { port } = stranger.address() as AddressInfo;
    await expect(scan(`opc.tcp://127.0.0.1:${port}?timeout=500ms`)).rejects.toThrow(
      /somebody listens there, and does not answer as an OPC UA server does \((?:it ended the connection|no answer within 500 ms)\)/,
    );
    for (const socket of sockets) socket.destroy();
    stranger.close();
    await once(stranger, 'close');
    await expect(scan(`opc.tcp://127.0.0.1:${port}`)).rejects.toThrow(
      `nobody listens on port ${port} of 127.0.0.1; check the port (most servers have 4840), and that the server runs (ECONNREFUSED)`,
    );
  });

  it('takes no keys of Modbus', async () => {
    await expect(scan(url, { units: null, sweep: true })).rejects.toThrow(
      '--units and --sweep are for lines of Modbus',
    );
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
