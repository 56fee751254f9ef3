import { globSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driver } from '../../../drivers/opcua/index.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer } from '../../support/opcua-server.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

/** Services that look and listen (OPC UA Part 4): discovery, session, view, read, monitored items, subscriptions. */
const services =
  /^(?:GetEndpoints|CreateSession|ActivateSession|CloseSession|Read|Browse|BrowseNext|TranslateBrowsePathsToNodeIds|CreateSubscription|DeleteSubscriptions|CreateMonitoredItems|DeleteMonitoredItems|Publish|Republish|TransferSubscriptions)Request$/;

const textOf = (file: string): string => readFileSync(file, 'utf8').replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
/** Serving is for `sluice simulate`, which opens no address but the own machine's. */
const files = globSync('{agent,buffer,drivers}/**/*.ts').filter(
  (file) => !/from 'node-opcua-server'/.test(textOf(file)),
);
const users = files.filter((file) => /from 'node-opcua-/.test(textOf(file)));

describe('the sources', () => {
  it('name the library in the driver alone', () => {
    expect(users.length).toBeGreaterThan(3);
    expect(users.filter((file) => !file.startsWith('drivers/opcua/'))).toEqual([]);
  });

  it('call on its clients and sessions what looks and listens, and nothing else', () => {
    const called = new Set(
      users.flatMap((file) =>
        [...textOf(file).matchAll(/\b(?:session|client)\s*[?!]?\.\s*(\w+)\(/gi)].map(([, name = '']) => name),
      ),
    );
    expect([...called].toSorted()).toEqual(
      expect.arrayContaining([
        'browse',
        'createMonitoredItems',
        'createSession',
        'publish',
        'read',
        'translateBrowsePath',
      ]),
    );
    const looks =
      /^(?:on|once|off|connect|disconnect|getEndpoints|createSession|close|read|browse|browseNext|translateBrowsePath|createSubscription|createMonitoredItems|deleteMonitoredItems|publish|republish|transferSubscriptions)$/;
    expect([...called].filter((name) => !looks.test(name))).toEqual([]);
  });

  it('take no request from it that could change anything, and send none of their own making but these', () => {
    const all = users.map(textOf).join('\n');
    expect([...new Set(all.match(/\b\w+Request\b/g))].toSorted()).toEqual(['PublishRequest', 'RepublishRequest']);
    expect(
      all.match(
        /performMessageTransaction|\b(?:write|writeSingleNode|writeNode|callMethod|historyUpdate|addNodes|deleteNodes|addReferences|registerNodes)\s*\(/g,
      ),
    ).toBeNull();
  });
});

describe('a server', () => {
  let server: OpcUaServer;
  beforeAll(async () => {
    server = await startOpcUaServer();
    for (const name of ['a', 'b', 'c']) server.variable(name, 'Double', 1.5);
  });
  afterAll(() => server.close());

  it('is asked by a whole session for nothing that could change anything', async () => {
    const plan = planOf(
      server.port,
      [
        {
          id: 'PLC',
          points: {
            a: { nodeId: 'nsu=urn:site:plc;s=a' },
            b: { nodeId: 'nsu=urn:site:plc;s=b', mode: 'poll' },
            c: { browsePath: '/2:c' },
            gone: { nodeId: 'nsu=urn:site:plc;s=gone' },
          },
        },
      ],
      {},
      { publishingInterval: 100 },
    );
    const host = new Listener();
    const session = await driver.open(plan, host, new AbortController().signal);
    await until(() => host.of('a').length > 0 && host.of('gone').length > 0);
    await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, new AbortController().signal);
    await session.close();
    const asked = new Set(server.requests.map(({ name }) => name));
    expect([...asked].toSorted()).toEqual(
      expect.arrayContaining(['CreateMonitoredItemsRequest', 'PublishRequest', 'ReadRequest']),
    );
    expect([...asked].filter((name) => !services.test(name))).toEqual([]);
  });
});
