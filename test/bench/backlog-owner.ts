/**
 * Owns a buffer and measures it: the start, then a million readings drained from the oldest on, with as many appended before. A process of its own.
 * Parameter: the folder. One JSON value on standard output.
 */
import { systemClock } from '../../agent/time/system-clock.ts';
import { openBuffer } from '../../buffer/open.ts';
import { backlogPoints, backlogReading } from './backlog-site.ts';
import { rounded } from './numbers.ts';
import { figuresOf } from './process-figures.ts';

const [folder = ''] = process.argv.slice(2);
const readings = 1_000_000;
const perAppend = 100;
const perBatch = 2_000;
const never = new AbortController().signal;

const clock = systemClock({ source: () => Promise.resolve('synced'), builtAtMs: 0 });
const before = figuresOf(process.pid);
const beganMs = performance.now();
const buffer = await openBuffer({
  path: folder,
  maxBytes: 2_000_000_000,
  commitEveryMs: 1,
  clock,
  event: (event) => console.error(event.message),
});
const openedMs = performance.now();
const opened = { figures: figuresOf(process.pid), ...buffer.stats() };

/** Per second, and microseconds of any core for each. */
async function rate(work: () => Promise<void>): Promise<{ perSecond: number; cpuMicrosEach: number }> {
  const fromMs = performance.now();
  const from = figuresOf(process.pid).cpuMs;
  await work();
  const tookMs = performance.now() - fromMs;
  return {
    perSecond: rounded((readings * 1000) / tookMs),
    cpuMicrosEach: rounded(((figuresOf(process.pid).cpuMs - from) * 1000) / readings),
  };
}

const points = backlogPoints();
const append = await rate(async () => {
  for (let done = 0; done < readings; done += perAppend) {
    const at = clock.now();
    const batch = Array.from({ length: perAppend }, (_, row) => backlogReading(points, done + row, at));
    const accepted = buffer.append('sensor-values', batch);
    // As many at a time as fit in a commit: the disk's own rate, and what waits stays small.
    if (done % (30 * perAppend) === 0) await accepted;
  }
});
const drain = await rate(async () => {
  for (let after = 0, taken = 0; taken < readings;) {
    const batch = await buffer.next('sensor-values', after, perBatch, never);
    buffer.settle('sensor-values', batch.first, batch.last);
    after = batch.last;
    taken += batch.entries.length;
  }
});
const peakRssMb = figuresOf(process.pid).peakRssMb;
await buffer.close(never);
clock.close();
console.log(
  JSON.stringify({
    segments: opened.segments,
    waiting: opened.waiting['sensor-values'],
    openMs: rounded(openedMs - beganMs),
    openCpuMs: rounded(opened.figures.cpuMs - before.cpuMs),
    openRssMb: rounded(opened.figures.rssMb - before.rssMb),
    appendPerSecond: append.perSecond,
    appendCpuMicrosEach: append.cpuMicrosEach,
    drainPerSecond: drain.perSecond,
    drainCpuMicrosEach: drain.cpuMicrosEach,
    peakRssMb: rounded(peakRssMb),
  }),
);
