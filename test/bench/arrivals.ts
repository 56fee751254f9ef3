import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import type { Admin } from 'kafkajs';
import { rounded } from './numbers.ts';
import type { BenchSite } from './site.ts';

const mostMs = 180_000;
const lookMs = 100;

/** What lies in the broker, by its own offsets. */
export class Arrivals {
  readonly #admin: Admin;

  private constructor(admin: Admin) {
    this.#admin = admin;
  }

  static async at(bootstrap: string): Promise<Arrivals> {
    const admin = new Kafka({ clientId: 'bench', brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    return new Arrivals(admin);
  }

  async of(topic: string): Promise<number> {
    return (await this.#admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
  }

  close(): Promise<void> {
    return this.#admin.disconnect();
  }
}

export interface DrainFigures {
  readonly readings: number;
  readonly readingsPerSecond: number;
  readonly cpuPercent: number;
  readonly cpuMicrosPerReading: number;
  readonly peakRssMb: number;
}

/** How fast the running daemon brings the next readings to the broker, up to so many. The first tenth warms up and is left out. */
export async function drained(site: BenchSite, arrivals: Arrivals, readings: number): Promise<DrainFigures> {
  const before = await arrivals.of('sensor-values');
  const seen: { atMs: number; arrived: number; cpuMs: number }[] = [];
  const endMs = performance.now() + mostMs;
  while ((seen.at(-1)?.arrived ?? 0) < readings && performance.now() < endMs) {
    await sleep(lookMs);
    const arrived = (await arrivals.of('sensor-values')) - before;
    seen.push({ arrived, atMs: performance.now(), cpuMs: site.figures().cpuMs });
  }
  const first = seen.find((look) => look.arrived > readings / 10);
  const last = seen.at(-1);
  if (!first || !last) throw new Error('nothing was drained');
  const count = last.arrived - first.arrived;
  return {
    readings: last.arrived,
    readingsPerSecond: rounded((count * 1000) / (last.atMs - first.atMs)),
    cpuPercent: rounded((100 * (last.cpuMs - first.cpuMs)) / (last.atMs - first.atMs)),
    cpuMicrosPerReading: rounded((1000 * (last.cpuMs - first.cpuMs)) / count),
    peakRssMb: rounded(site.figures().peakRssMb),
  };
}
