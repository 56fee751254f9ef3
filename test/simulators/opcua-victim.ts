/**
 * The driver against a hostile server, as a process of its own: connection after connection to the hostile one, and all the while polls of an honest one.
 *
 * Usage: opcua-victim.ts HOSTILE-PORT HONEST-PORT CONNECTIONS SECURITY-MODE STATE-DIR. Prints one JSON object at its end; an exception that nobody catches ends it with 1.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { LinkError } from '../../agent/errors.ts';
import type { DriverHost } from '../../drivers/driver.ts';
import { driver } from '../../drivers/opcua/index.ts';
import { Listener, planOf, pointsOf } from '../drivers/opcua/support.ts';

const [, , hostilePort, honestPort, connections, securityMode = 'None', stateDir = ''] = process.argv;
const home = { gateway: 'gw-1', stateDir, file: `${stateDir}/sluice.json` };
const points = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, { nodeId: `nsu=urn:site:plc;s=${name}` }]));
const never = new AbortController().signal;
const planFor = (port: string | undefined, mode: string): ReturnType<typeof planOf> =>
  planOf(Number(port), [{ id: 'PLC', points }], { mode }, { timeout: 1_000, publishingInterval: 100, securityMode });
const newHost = (): DriverHost => Object.assign(new Listener(), { home });

const over = new AbortController();
let worstMs = 0;
let polls = 0;
const loop = monitorEventLoopDelay({ resolution: 10 });
loop.enable();
async function beHonest(): Promise<void> {
  const plan = planFor(honestPort, 'poll');
  const session = await driver.open(plan, newHost(), never);
  while (!over.signal.aborted) {
    const beganMs = performance.now();
    const seen = await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never);
    if (seen.some(({ quality, status }) => quality !== 'good' && status !== 'BadTimeout'))
      throw new Error(`the honest server gave ${JSON.stringify(seen)}`);
    worstMs = Math.max(worstMs, performance.now() - beganMs);
    polls++;
    await sleep(50);
  }
  await session.close();
}

let opened = 0;
let refused = 0;
async function beAttacked(mode: string): Promise<void> {
  const plan = planFor(hostilePort, mode);
  const giveUp = AbortSignal.timeout(4_000);
  try {
    const session = await driver.open(plan, newHost(), giveUp);
    opened++;
    const job = { device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 };
    for (let count = 0; count < 5; count++)
      if ((await session.poll(job, AbortSignal.timeout(1_500))).length !== 4) throw new Error('not one for each point');
    await session.close();
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    refused++;
  }
}

const honest = beHonest();
const queue = Array.from({ length: Number(connections) }, (_, at) => (at % 2 === 0 ? 'poll' : 'subscribe'));
await Promise.all(
  Array.from({ length: 12 }, async () => {
    for (let mode = queue.pop(); mode !== undefined; mode = queue.pop()) await beAttacked(mode);
  }),
);
await sleep(500);
over.abort();
await honest;
// Not `maxRSS` of the resource usage: that begins with the most that the parent had.
const peakMb = Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024);
console.log(
  JSON.stringify({ opened, refused, polls, worstMs: Math.round(worstMs), stallMs: Math.round(loop.max / 1e6), peakMb }),
);
process.exit(0);
