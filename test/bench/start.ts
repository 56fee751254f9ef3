import { setTimeout as sleep } from 'node:timers/promises';
import { quantile, rounded } from './numbers.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

const starts = 10;
const upMs = 3_000;

/** From the start of the process to the first request that a meter hears; the least of several, since others use the machine too. */
export async function benchStart(options: BenchOptions): Promise<Record<string, number>> {
  const hundred = await startsOf(options, 100);
  const five = await startsOf(options, 5);
  return {
    devices100LeastMs: rounded(Math.min(...hundred)),
    devices100MedianMs: rounded(quantile(hundred, 0.5)),
    devices5LeastMs: rounded(Math.min(...five)),
    devices5MedianMs: rounded(quantile(five, 0.5)),
  };
}

async function startsOf(options: BenchOptions, meters: number): Promise<number[]> {
  const site = await BenchSite.start({ ...options, meters, pointsEach: 30, every: '1s' });
  const took: number[] = [];
  try {
    for (let start = 0; start < starts; start++) {
      await site.seen();
      const startedMs = site.startDaemon();
      await sleep(upMs);
      took.push(((await site.seen()).firstPollMs ?? Number.NaN) - startedMs);
      await site.stopDaemon();
    }
  } finally {
    await site.remove();
  }
  return took;
}
