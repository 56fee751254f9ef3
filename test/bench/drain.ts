import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { rounded } from './numbers.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

const readings = 1_000_000;
const mostMs = 180_000;
const lookMs = 100;
const fillProgram = fileURLToPath(new URL('./fill.ts', import.meta.url));

/** A start on a buffer that holds one million readings: how fast they come to lie in the broker, by the broker's own offsets. */
export async function benchDrain(options: BenchOptions): Promise<Record<string, number>> {
  const site = await BenchSite.start({ ...options, meters: 1, pointsEach: 1, every: '15m' });
  const kafka = new Kafka({ clientId: 'bench', brokers: [site.bootstrap], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  try {
    const fill = spawn(process.execPath, [fillProgram, join(site.folder, 'state', 'buffer'), String(readings)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [code] = (await once(fill, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`filling the buffer ended with ${code}`);
    await admin.connect();
    const arrived = async (): Promise<number> =>
      (await admin.fetchTopicOffsets('sensor-values')).reduce((sum, { high }) => sum + Number(high), 0);

    site.startDaemon();
    const seen: { atMs: number; arrived: number; cpuMs: number }[] = [];
    const endMs = performance.now() + mostMs;
    while ((seen.at(-1)?.arrived ?? 0) < readings && performance.now() < endMs) {
      await sleep(lookMs);
      seen.push({ arrived: await arrived(), atMs: performance.now(), cpuMs: site.figures().cpuMs });
    }
    // The first tenth warms up.
    const first = seen.find((look) => look.arrived > readings / 10);
    const last = seen.find((look) => look.arrived >= readings) ?? seen.at(-1);
    if (!first || !last) throw new Error('nothing was drained');
    const count = last.arrived - first.arrived;
    return {
      readings: last.arrived,
      readingsPerSecond: rounded((count * 1000) / (last.atMs - first.atMs)),
      cpuPercent: rounded((100 * (last.cpuMs - first.cpuMs)) / (last.atMs - first.atMs)),
      cpuMicrosPerReading: rounded((1000 * (last.cpuMs - first.cpuMs)) / count),
      peakRssMb: rounded(site.figures().peakRssMb),
    };
  } finally {
    await admin.disconnect();
    await site.remove();
  }
}
