import { setTimeout as sleep } from 'node:timers/promises';
import { deviation, quantile, rounded } from './numbers.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

const meters = 100;
const pointsEach = 30;
const warmUpMs = Number(process.env['W'] ?? 30_000);
const measuredMs = Number(process.env['M'] ?? 60_000);

/** 100 devices of 30 float values every second to the real broker, one record a reading. */
export async function benchPoll(options: BenchOptions): Promise<Record<string, number>> {
  const site = await BenchSite.start({ ...options, meters, pointsEach, every: '1s' });
  try {
    const startedMs = site.startDaemon();
    await sleep(warmUpMs);
    const { firstPollMs } = await site.seen();
    const before = site.figures();
    const beganMs = performance.now();
    const rssMb: number[] = [];
    while (performance.now() - beganMs < measuredMs) {
      await sleep(1000);
      rssMb.push(site.figures().rssMb);
    }
    const after = site.figures();
    const tookMs = performance.now() - beganMs;
    const { polls, intervalsMs } = await site.seen();
    const { devices, buffer } = await site.status();
    return {
      readingsPerSecond: rounded((polls * pointsEach * 1000) / tookMs),
      cpuPercent: rounded((100 * (after.cpuMs - before.cpuMs)) / tookMs),
      rssMb: rounded(quantile(rssMb, 0.5)),
      peakRssMb: rounded(after.peakRssMb),
      diskBytesPerReading: rounded((after.writtenBytes - before.writtenBytes) / (polls * pointsEach)),
      intervalSdMs: rounded(deviation(intervalsMs)),
      intervalP99OffMs: rounded(
        quantile(
          intervalsMs.map((ms) => Math.abs(ms - 1000)),
          0.99,
        ),
      ),
      startToFirstPollMs: rounded((firstPollMs ?? Number.NaN) - startedMs),
      skippedSlots: devices.reduce((sum, device) => sum + device.skippedSlots, 0),
      waiting: buffer.waiting,
    };
  } finally {
    await site.remove();
  }
}
