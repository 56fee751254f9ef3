import { setTimeout as sleep } from 'node:timers/promises';
import { AttributeIds, OPCUAClient } from 'node-opcua-client';
import type { Observation } from '../../agent/reading.ts';
import { freePort } from '../../deploy/kafka/broker.ts';
import { driver } from '../../drivers/opcua/index.ts';
import { Listener, planOf, pointsOf } from '../drivers/opcua/support.ts';
import { ServerProcess } from '../support/server-process.ts';
import { quantile, rounded } from './numbers.ts';

const items = 5_000;
const batch = 1_000;
const warmUpMs = 5_000;
const subscribedMs = 20_000;
const turnMs = 3_000;
const turns = 4;
/** By so much the value of an item grows with each change (test/simulators/opcua-many.ts). */
const growth = 20;
const never = new AbortController().signal;

/** The driver in this process, against a server in one of its own: 5,000 items that change every second, and reads in batches beside the bare library, in turns. */
export async function benchOpcUa(): Promise<object> {
  const port = await freePort();
  const argv = ['test/simulators/opcua-many.ts', String(port), String(items)];
  const server = await ServerProcess.start(process.execPath, argv);
  try {
    return { subscribed: await subscribed(port), polled: await polled(port) };
  } finally {
    await server.end();
  }
}

class Counter extends Listener {
  count = 0;
  readonly lagsMs: number[] = [];
  /** Changes between two values of an item that came. */
  missed = 0;
  readonly #last = new Map<string, number>();
  override push(seen: readonly Observation[]): Promise<void> {
    this.count += seen.length;
    const now = Date.now();
    for (const { point, value, deviceTimeMs } of seen) {
      if (deviceTimeMs !== null) this.lagsMs.push(now - deviceTimeMs);
      const before = this.#last.get(point.point);
      if (before !== undefined && value !== null) this.missed += Math.max(0, Math.round((value - before) / growth) - 1);
      if (value !== null) this.#last.set(point.point, value);
    }
    return Promise.resolve();
  }
}

const node = (at: number): string => `v${at}`;
const planOfMany = (port: number, count: number, mode: string): ReturnType<typeof planOf> => {
  const names = Array.from({ length: count }, (_, at) => node(at));
  const points = Object.fromEntries(names.map((name) => [name, { nodeId: `nsu=urn:site:plc;s=${name}` }]));
  return planOf(port, [{ id: 'PLC', points }], { mode });
};

async function subscribed(port: number): Promise<Record<string, number>> {
  const host = new Counter();
  const openedMs = performance.now();
  const session = await driver.open(planOfMany(port, items, 'subscribe'), host, never);
  const openMs = performance.now() - openedMs;
  await sleep(warmUpMs);
  host.count = 0;
  host.missed = 0;
  host.lagsMs.length = 0;
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  await sleep(subscribedMs);
  const tookMs = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(cpu);
  await session.close();
  return {
    items,
    openMs: rounded(openMs),
    changesPerSecond: rounded(((host.count + host.missed) * 1_000) / tookMs),
    valuesPerSecond: rounded((host.count * 1_000) / tookMs),
    missed: host.missed,
    lagP50Ms: rounded(quantile(host.lagsMs, 0.5)),
    lagP99Ms: rounded(quantile(host.lagsMs, 0.99)),
    cpuPercent: rounded((user + system) / 10 / tookMs),
    rssMb: rounded(process.memoryUsage.rss() / 1e6),
  };
}

async function polled(port: number): Promise<Record<string, number>> {
  const plan = planOfMany(port, batch, 'poll');
  const session = await driver.open(plan, new Listener(), never);
  const job = { device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 };
  const ours = async (): Promise<number> => (await session.poll(job, never)).length;

  const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 } });
  await client.connect(`opc.tcp://127.0.0.1:${port}`);
  const bareSession = await client.createSession();
  const namespaces = await bareSession.readNamespaceArray();
  const index = namespaces.indexOf('urn:site:plc');
  const nodes = Array.from({ length: batch }, (_, at) => ({
    nodeId: `ns=${index};s=${node(at)}`,
    attributeId: AttributeIds.Value,
  }));
  const bare = async (): Promise<number> => (await bareSession.read(nodes, 0)).length;

  const rates: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
  for (let turn = 0; turn <= turns; turn++) {
    const [first, second] = [await rateOf(bare), await rateOf(ours)];
    // The first turn warms up.
    if (turn > 0) {
      rates.bare.push(first);
      rates.ours.push(second);
    }
  }
  await session.close();
  await bareSession.close();
  await client.disconnect();
  const [mine, theirs] = [quantile(rates.ours, 0.5), quantile(rates.bare, 0.5)];
  return {
    valuesPerSecond: rounded(mine),
    bareClientPerSecond: rounded(theirs),
    shareOfBarePercent: rounded((100 * mine) / theirs),
  };
}

async function rateOf(read: () => Promise<number>): Promise<number> {
  const beganMs = performance.now();
  let values = 0;
  while (performance.now() - beganMs < turnMs) values += await read();
  return (values * 1_000) / (performance.now() - beganMs);
}
