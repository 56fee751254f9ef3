/**
 * How long a reading takes from the meter's answer to a consumer: the record's `time` to its arrival in a consumer's hands.
 * 100 devices at one address, polled every second, commitEvery 1s, the real broker. Prints one JSON value.
 */
import { cpus, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { registerZstd } from '../../agent/uplink/codecs.ts';
import { FaultSite } from '../faults/site.ts';

const devices = 100;
const warmUpMs = 5_000;
const measuredMs = 20_000;

const site = await FaultSite.start({ meters: devices, pollEveryMs: 1000, commitEveryMs: 1000 });
registerZstd();
const kafka = new Kafka({ clientId: 'bench', brokers: [site.broker.bootstrap], logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId: 'bench', maxWaitTimeInMs: 50 });
const latencies: number[] = [];
try {
  site.daemon.start();
  const fromMs = Date.now() + warmUpMs;
  await consumer.connect();
  await consumer.subscribe({ topics: ['meter-readings', 'sensor-values'], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      const arrivedMs = Date.now();
      const { time } = JSON.parse(message.value?.toString() ?? '{}') as { time: string };
      if (Date.parse(time) >= fromMs) latencies.push(arrivedMs - Date.parse(time));
      return Promise.resolve();
    },
  });
  await sleep(warmUpMs + measuredMs);
} finally {
  await consumer.disconnect();
  await site.remove();
}
latencies.sort((a, b) => a - b);
const at = (share: number): number =>
  latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN;
const { model = 'unknown' } = cpus()[0] ?? {};
console.log(
  JSON.stringify({
    bench: 'register-to-consumer',
    machine: { cpu: model, cores: cpus().length, memoryGb: Math.round(totalmem() / 1e9), node: process.version },
    devices,
    readings: latencies.length,
    ms: { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
    aim: 'p99 below 2000 ms at commitEvery 1s',
  }),
);
process.exit(0);
