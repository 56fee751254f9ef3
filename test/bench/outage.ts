import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Arrivals, drained } from './arrivals.ts';
import { quantile, rounded } from './numbers.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

const waiting = 10_000_000;
const drainedReadings = 1_000_000;
const starts = 5;
const mostUpMs = 30_000;
const lookMs = 20;
const fillProgram = fileURLToPath(new URL('./fill-backlog.ts', import.meta.url));
const run = promisify(execFile);

/**
 * The daemon's starts on what an outage of three months left, in turn with starts on a buffer of nothing, and the next million of that backlog on its way to
 * the broker beside a million in one segment. Ends within five minutes.
 */
export async function benchOutage(options: BenchOptions): Promise<Record<string, object>> {
  const empty = await OutageSite.start(options);
  const full = await OutageSite.start(options);
  try {
    console.error(`  filling with ${waiting} readings`);
    await full.fill(waiting, 20);
    console.error('  starting');
    for (let start = 0; start < starts; start++) for (const one of [empty, full]) await one.once();
    console.error('  draining');
    await empty.fill(drainedReadings, 0);
    return { empty: await empty.ended(), inThreeMonths: await full.ended() };
  } finally {
    for (const one of [empty, full]) await one.remove();
  }
}

interface Start {
  /** All from the start of the process on. */
  readonly pollMs: number;
  /** The event that tells of the start lies in the broker. */
  readonly eventMs: number;
  /** A reading does: the oldest of the backlog, or the first that was polled. */
  readonly readingMs: number;
  readonly rssMb: number;
}

/** Five meters and a broker of their own. */
class OutageSite {
  readonly #site: BenchSite;
  readonly #arrivals: Arrivals;
  readonly #starts: Start[] = [];

  private constructor(site: BenchSite, arrivals: Arrivals) {
    this.#site = site;
    this.#arrivals = arrivals;
  }

  static async start(options: BenchOptions): Promise<OutageSite> {
    const site = await BenchSite.start({ ...options, meters: 5, pointsEach: 30, every: '1s' });
    return new OutageSite(site, await Arrivals.at(site.bootstrap));
  }

  /** Commits of 250; `perHour`: after so many a segment was an hour old, 0: all within the hour. */
  async fill(readings: number, perHour: number): Promise<void> {
    const args = [this.#site.buffer, String(readings), '250', String(perHour)];
    await run(process.execPath, ['--max-semi-space-size=4', fillProgram, ...args]);
  }

  /** One start, stopped as soon as it has sent. */
  async once(): Promise<void> {
    const topics = ['gateway-events', 'sensor-values'];
    const before = await Promise.all(topics.map((topic) => this.#arrivals.of(topic)));
    const startedMs = await this.#begun();
    const passedMs = (): number => performance.timeOrigin + performance.now() - startedMs;
    const arrivedMs = topics.map(() => Number.NaN);
    while (arrivedMs.some(Number.isNaN) && passedMs() < mostUpMs) {
      await sleep(lookMs);
      for (const [at, topic] of topics.entries())
        if (Number.isNaN(arrivedMs[at]) && (await this.#arrivals.of(topic)) > (before[at] ?? 0))
          arrivedMs[at] = passedMs();
    }
    const { rssMb } = this.#site.figures();
    const pollMs = ((await this.#site.seen()).firstPollMs ?? Number.NaN) - startedMs;
    const [eventMs = Number.NaN, readingMs = Number.NaN] = arrivedMs;
    this.#starts.push({ pollMs, eventMs, readingMs, rssMb });
    await this.#site.stopDaemon();
  }

  async #begun(): Promise<number> {
    await this.#site.seen();
    return this.#site.startDaemon();
  }

  /** The last start, for the drain, and the figures of all of them. */
  async ended(): Promise<object> {
    await this.#begun();
    const drain = await drained(this.#site, this.#arrivals, drainedReadings);
    const { buffer, devices } = await this.#site.status();
    await this.#site.stopDaemon();
    const median = (figure: keyof Start): number =>
      rounded(
        quantile(
          this.#starts.map((one) => one[figure]),
          0.5,
        ),
      );
    const least = (figure: keyof Start): number => rounded(Math.min(...this.#starts.map((one) => one[figure])));
    return {
      segments: buffer.segments,
      waiting: buffer.waiting,
      firstPollLeastMs: least('pollMs'),
      firstPollMedianMs: median('pollMs'),
      startEventSentMedianMs: median('eventMs'),
      firstReadingSentMedianMs: median('readingMs'),
      startedRssMb: median('rssMb'),
      drain,
      skippedSlotsMeanwhile: devices.reduce((sum, { skippedSlots }) => sum + skippedSlots, 0),
    };
  }

  async remove(): Promise<void> {
    await this.#arrivals.close();
    await this.#site.remove();
  }
}
