import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { type Broker, startBroker } from '../kafka/broker.ts';
import { kafkaJars } from '../kafka/jars.ts';
import { type FoundRecord, type Topics, readFileRecords, readKafka } from './read-records.ts';
import type { Uplink } from './station.ts';

/** Where the demo's gateway sends to, and how others read it. */
export interface DemoUplink {
  readonly uplink: Uplink;
  /** null: no broker of the demo's own, so none that it may stop. */
  readonly broker: Broker | null;
  /** Arguments of a consumer's command line. */
  source(consumer: 'finance' | 'reporting', stream: string): string[];
  records(): Promise<FoundRecord[]>;
}

export type Choice =
  | { readonly kind: 'own' }
  | { readonly kind: 'named'; readonly brokers: readonly string[] }
  | { readonly kind: 'file'; readonly reason: string };

export const streams = ['meter-readings', 'sensor-values', 'gateway-events'] as const;
const partitions = { 'meter-readings': 3, 'sensor-values': 3, 'gateway-events': 1 } as const;

/** Fetches Apache Kafka the first time. */
export async function chooseUplink(named: string | undefined): Promise<Choice> {
  const jars = await kafkaJars();
  if ('classPath' in jars) return { kind: 'own' };
  if (named !== undefined && named !== '') return { kind: 'named', brokers: named.split(',') };
  return { kind: 'file', reason: jars.missing };
}

export function isFetched(): boolean {
  return existsSync(join(import.meta.dirname, '../kafka/lib/jars'));
}

export async function openUplink(choice: Choice, dir: string): Promise<DemoUplink> {
  if (choice.kind === 'file') {
    const file = join(dir, 'uplink.ndjson');
    return {
      uplink: { file },
      broker: null,
      source: () => ['--file', file],
      records: () => readFileRecords(file),
    };
  }
  const own = choice.kind === 'own';
  // On somebody else's brokers the topics of the real consumers are left alone.
  const topics: Topics = Object.fromEntries(streams.map((stream) => [stream, own ? stream : `sluice-demo.${stream}`]));
  const wanted = streams.map((stream) => ({ topic: topics[stream] ?? stream, partitions: partitions[stream] }));
  const broker = own ? await startBroker({ dir: join(dir, 'kafka'), topics: wanted }) : null;
  const brokers = broker === null ? (choice as { brokers: readonly string[] }).brokers : [broker.bootstrap];
  if (broker === null) await makeTopics(brokers, wanted);
  const group = own ? '' : `sluice-demo.${process.pid}.`;
  return {
    uplink: { brokers, topics },
    broker,
    source: (consumer, stream) => {
      const topic = topics[stream] ?? stream;
      return ['--brokers', brokers.join(','), '--group', group + consumer, '--topics', topic];
    },
    records: () => readKafka(brokers, topics),
  };
}

async function makeTopics(
  brokers: readonly string[],
  wanted: readonly { topic: string; partitions: number }[],
): Promise<void> {
  const admin = new Kafka({ clientId: 'sluice-demo', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = wanted.map(({ topic, partitions: numPartitions }) => ({ topic, numPartitions }));
    await admin.createTopics({ topics, waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
}
