import { setTimeout as sleep } from 'node:timers/promises';
import { rounded } from './numbers.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

/** A slot may be half of it late: at shorter ones the figure is how long this machine leaves a process waiting for a core. */
const everyMs = 1_000;
const warmUpMs = 8_000;
const measuredMs = 12_000;
const firstPollsPerSecond = 1_000;
const leastPollsPerSecond = 50;
const mostPollsPerSecond = 8_000;
/** The search ends when the step between what held and what did not is below this share. */
const leastStep = 0.15;
/** More than this still to be sent means that sending cannot keep up, though polling can. */
const mostWaitingMs = 3_000;

interface Step {
  readonly pollsPerSecond: number;
  readonly held: boolean;
  /** What gave way first. */
  readonly limit: 'nothing' | 'slots were skipped' | 'sending fell behind';
  readonly cpuPercent: number;
  readonly skippedSlots: number;
  readonly waiting: number;
}

export interface RateFigures {
  readonly pointsEach: number;
  readonly heldPollsPerSecond: number;
  readonly heldReadingsPerSecond: number;
  readonly steps: readonly Step[];
}

/** The highest rate at which no slot is skipped and sending keeps up: doubled until it breaks, then halved in. One record a reading. */
export async function benchRate(options: BenchOptions, pointsEach: number): Promise<RateFigures> {
  const steps: Step[] = [];
  let held = 0;
  let broken = Infinity;
  let next = firstPollsPerSecond;
  while (next <= mostPollsPerSecond && (broken === Infinity || broken - held > leastStep * broken)) {
    const step = await oneRate(options, pointsEach, next);
    steps.push(step);
    console.error(
      `  ${step.pollsPerSecond} polls/s: ${step.limit === 'nothing' ? 'held' : step.limit}, ${step.cpuPercent} %`,
    );
    if (step.held) held = next;
    else broken = next;
    next = Number.isFinite(broken) ? Math.round((held + broken) / 2 / 10) * 10 : held * 2;
    if (next < leastPollsPerSecond) break;
  }
  return { pointsEach, heldPollsPerSecond: held, heldReadingsPerSecond: held * pointsEach, steps };
}

async function oneRate(options: BenchOptions, pointsEach: number, pollsPerSecond: number): Promise<Step> {
  const meters = Math.max(1, Math.round((pollsPerSecond * everyMs) / 1000));
  const site = await BenchSite.start({ ...options, meters, pointsEach, every: `${everyMs}ms` });
  try {
    site.startDaemon();
    await sleep(warmUpMs);
    await site.seen();
    const before = { figures: site.figures(), skipped: skippedOf(await site.status()) };
    const beganMs = performance.now();
    await sleep(measuredMs);
    const tookMs = performance.now() - beganMs;
    const { cpuMs } = site.figures();
    const { polls } = await site.seen();
    const status = await site.status();
    const skippedSlots = skippedOf(status) - before.skipped;
    const { waiting } = status.buffer;
    const isBehind = waiting > (pollsPerSecond * pointsEach * mostWaitingMs) / 1000;
    const limit = skippedSlots > 0 ? 'slots were skipped' : isBehind ? 'sending fell behind' : 'nothing';
    return {
      pollsPerSecond: rounded((polls * 1000) / tookMs),
      held: limit === 'nothing',
      limit,
      cpuPercent: rounded((100 * (cpuMs - before.figures.cpuMs)) / tookMs),
      skippedSlots,
      waiting,
    };
  } finally {
    await site.remove();
  }
}

function skippedOf({ devices }: Awaited<ReturnType<BenchSite['status']>>): number {
  return devices.reduce((sum, device) => sum + device.skippedSlots, 0);
}
