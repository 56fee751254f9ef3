import { afterAll } from 'vitest';
import { driver } from '../../../drivers/opcua/index.ts';
import { driverConformance } from '../../conformance/driver.ts';
import type { DriverBench } from '../../conformance/driver.ts';
import { startOpcUaServer } from '../../support/opcua-server.ts';
import type { OpcUaServer, SeenRequest } from '../../support/opcua-server.ts';
import { startProxy } from '../../support/proxy.ts';
import { planOf, pointsOf } from './support.ts';

let shared: Promise<OpcUaServer> | undefined;
afterAll(async () => (await shared)?.close());

driverConformance('opcua', async () => {
  shared ??= start();
  return benchOf(await shared);
});

async function start(): Promise<OpcUaServer> {
  const server = await startOpcUaServer();
  for (const device of ['PLC-1', 'PLC-2']) {
    server.variable(`${device}.level`, 'Float', 230.4);
    server.variable(`${device}.total`, 'UInt64', [1, 7]);
  }
  return server;
}

const reading =
  /^(?:GetEndpoints|CreateSession|ActivateSession|Read|Browse|BrowseNext|TranslateBrowsePathsToNodeIds|CloseSession)Request$/;

/** One server for all; what lies between can be cut for each bench. */
async function benchOf(server: OpcUaServer): Promise<DriverBench> {
  const proxy = await startProxy(() => server.port);
  const ids = ['PLC-1', 'PLC-2'];
  const plan = planOf(
    proxy.port,
    ids.map((id) => ({
      id,
      points: {
        level: { nodeId: `nsu=urn:site:plc;s=${id}.level` },
        total: { nodeId: `nsu=urn:site:plc;s=${id}.total` },
      },
    })),
    { mode: 'poll' },
  );
  const devicesOf = ({ nodeIds }: SeenRequest): string[] =>
    nodeIds.flatMap((nodeId) => /s=(PLC-\d)\./.exec(nodeId)?.[1] ?? []);
  const silent = new Set<string>();
  let held: (() => void)[] | undefined;
  server.requests.length = 0;
  server.gate = (request, answer) => {
    if (devicesOf(request).some((device) => silent.has(device))) return false;
    if (request.name === 'ReadRequest') held?.push(answer);
    return held === undefined || request.name !== 'ReadRequest';
  };
  return {
    devices: ids.map((id) => ({ id, points: pointsOf(plan, id) })),
    open: (host, signal) => driver.open(plan, host, signal),
    silence: (device) => silent.add(device),
    hold: () => {
      held = [];
    },
    release: () => {
      for (const answer of held ?? []) answer();
      held = undefined;
    },
    cut: () => proxy.cut(),
    vanish: () => proxy.close(),
    asked: () => server.requests.flatMap(devicesOf),
    onlyReads: () => server.requests.every(({ name }) => reading.test(name)),
    close: async () => {
      server.gate = () => true;
      await proxy.close().catch(() => {});
    },
  };
}
