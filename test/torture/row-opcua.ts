import { setTimeout as sleep } from 'node:timers/promises';
import { figuresOf } from '../bench/process-figures.ts';
import { makers } from '../drivers/opcua/plant.ts';
import type { Maker } from '../drivers/opcua/plant.ts';
import { PlantSite } from '../faults/plant-site.ts';
import { startProxy } from '../support/proxy.ts';
import type { Proxy } from '../support/proxy.ts';
import type { Row } from './row.ts';

const awayMs = 60_000;
const backMs = 15_000;
const healthyMs = 5_000;
/** Memory that each outage takes and none gives back shows as a second half that lies above the first by more than this. */
const mostGrowthMb = 15;

interface Outage {
  readonly name: string;
  readonly begin: (site: PlantSite, proxy: Proxy) => Promise<void> | void;
  readonly end: (site: PlantSite, proxy: Proxy) => Promise<void> | void;
}

const outages: readonly Outage[] = [
  { name: 'kill -9', begin: ({ plant }) => plant.end('SIGKILL'), end: ({ plant }) => plant.start() },
  { name: 'freeze', begin: ({ plant }) => plant.freeze(), end: ({ plant }) => plant.thaw() },
  { name: 'half-open link', begin: (_, proxy) => proxy.freeze(), end: (_, proxy) => proxy.thaw() },
  { name: 'stop', begin: ({ plant }) => plant.end('SIGTERM'), end: ({ plant }) => plant.start() },
];

/** OPC UA servers of three makers, each with a daemon of its own, go away for a minute in one way after the other: each point delivers again within 15 s of the return. */
export const opcua: Row = {
  about: 'OPC UA servers of three makers are killed, stopped, frozen and cut off for 60 s each',
  async run({ minutes, say }) {
    const endMs = performance.now() + minutes * 60_000;
    const wrong: string[] = [];
    const there = makers.filter(([maker, missing]) => {
      if (missing !== undefined) say(`without ${maker}: ${missing}`);
      return missing === undefined;
    });
    await Promise.all(there.map(([maker], at) => survive(maker, at, endMs, say, wrong)));
    return wrong;
  },
};

async function survive(
  maker: Maker,
  offset: number,
  endMs: number,
  say: (text: string) => void,
  wrong: string[],
): Promise<void> {
  let port = 0;
  const proxy = await startProxy(() => port);
  const site = await PlantSite.start(maker, (real) => {
    port = real;
    return proxy.port;
  });
  try {
    await site.allDeliver(0, 60_000);
    const rssMb: number[] = [];
    for (let count = offset; performance.now() < endMs; count++) {
      const { name, begin, end } = outages[count % outages.length] as Outage;
      await begin(site, proxy);
      await sleep(awayMs);
      await end(site, proxy);
      const from = site.delivered().length;
      try {
        say(`${maker}: ${name}: all points again after ${await site.allDeliver(from, backMs)} ms`);
      } catch (error) {
        wrong.push(`${maker}: ${name}: ${error instanceof Error ? error.message : String(error)}`);
        say(wrong.at(-1) ?? '');
      }
      await sleep(healthyMs);
      rssMb.push(Math.round(figuresOf(site.daemon.pid ?? 0).rssMb));
    }
    say(`${maker}: memory after each outage: ${rssMb.join(', ')} MB`);
    const grownMb = growthMb(rssMb);
    if (grownMb > mostGrowthMb) wrong.push(`${maker}: the daemon's memory has grown by ${grownMb} MB`);
    const code = await site.daemon.end('SIGTERM');
    if (code !== 0) wrong.push(`${maker}: the daemon ended with ${String(code)}`);
    wrong.push(...site.wrong().map((text) => `${maker}: ${text}`));
    say(`${maker}: ${site.delivered().length} readings`);
  } finally {
    await site.remove();
    await proxy.close();
  }
}

/** From the most of the first half to the least of the second. */
function growthMb(rssMb: readonly number[]): number {
  if (rssMb.length < 2) return 0;
  const middle = Math.ceil(rssMb.length / 2);
  return Math.min(...rssMb.slice(middle)) - Math.max(...rssMb.slice(0, middle));
}
