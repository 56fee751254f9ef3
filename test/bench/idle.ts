import { setTimeout as sleep } from 'node:timers/promises';
import { rounded } from './numbers.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

const warmUpMs = 20_000;
const measuredMs = 60_000;

/** A small site, 5 devices every 15 min, connected to its broker and with nothing to do. */
export async function benchIdle(options: BenchOptions): Promise<Record<string, number>> {
  const site = await BenchSite.start({ ...options, meters: 5, pointsEach: 10, every: '15m' });
  try {
    site.startDaemon();
    await sleep(warmUpMs);
    const before = site.figures();
    await sleep(measuredMs);
    const { cpuMs, rssMb } = site.figures();
    return { cpuPercent: rounded((100 * (cpuMs - before.cpuMs)) / measuredMs), rssMb: rounded(rssMb) };
  } finally {
    await site.remove();
  }
}
