import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { registerZstd } from '../../agent/uplink/codecs.ts';
import { quantile, rounded } from './numbers.ts';
import { BenchSite } from './site.ts';
import type { BenchOptions } from './site.ts';

const warmUpMs = 8_000;
const measuredMs = 20_000;

/** From the meter's answer (the record's `time`) to a consumer's hands: 100 devices every second, commitEvery 1s. */
export async function benchLatency(options: BenchOptions): Promise<Record<string, number>> {
  const site = await BenchSite.start({ ...options, meters: 100, pointsEach: 1, every: '1s' });
  registerZstd();
  const kafka = new Kafka({ clientId: 'bench', brokers: [site.bootstrap], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: 'bench', maxWaitTimeInMs: 50 });
  const latenciesMs: number[] = [];
  try {
    site.startDaemon();
    const fromMs = Date.now() + warmUpMs;
    await consumer.connect();
    await consumer.subscribe({ topics: ['sensor-values'], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        const arrivedMs = Date.now();
        const { time } = JSON.parse(message.value?.toString() ?? '{}') as { time: string };
        if (Date.parse(time) >= fromMs) latenciesMs.push(arrivedMs - Date.parse(time));
        return Promise.resolve();
      },
    });
    await sleep(warmUpMs + measuredMs);
  } finally {
    await consumer.disconnect();
    await site.remove();
  }
  return {
    readings: latenciesMs.length,
    p50Ms: rounded(quantile(latenciesMs, 0.5)),
    p99Ms: rounded(quantile(latenciesMs, 0.99)),
    maxMs: rounded(quantile(latenciesMs, 1)),
  };
}
