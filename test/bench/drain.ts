import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Arrivals, drained } from './arrivals.ts';
import type { DrainFigures } from './arrivals.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

const readings = 1_000_000;
const fillProgram = fileURLToPath(new URL('./fill.ts', import.meta.url));

/** A start on a buffer that holds one million readings: how fast they come to lie in the broker. */
export async function benchDrain(options: BenchOptions): Promise<DrainFigures> {
  const site = await BenchSite.start({ ...options, meters: 1, pointsEach: 1, every: '15m' });
  const arrivals = await Arrivals.at(site.bootstrap);
  try {
    const fill = spawn(process.execPath, [fillProgram, site.buffer, String(readings)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [code] = (await once(fill, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`filling the buffer ended with ${code}`);
    site.startDaemon();
    return await drained(site, arrivals, readings);
  } finally {
    await arrivals.close();
    await site.remove();
  }
}
