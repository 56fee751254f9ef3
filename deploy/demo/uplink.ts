import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Admin } from 'kafkajs';
import type { Destination } from '../../agent/uplink/uplink.ts';
import { mendIdleTimer } from '../../agent/uplink/kafkajs-idle.ts';
import { kafkajs } from '../../agent/uplink/kafkajs.ts';
import { type Topic, destinations, topicsOf } from '../../agent/uplink/topics.ts';
import { type Broker, startBroker } from '../kafka/broker.ts';
import { kafkaJars } from '../kafka/jars.ts';
import { type FoundRecord, readFileRecords, readKafka } from './read-records.ts';
import type { Uplink } from './station.ts';

/** Where the demo's gateway sends to, and how others read it. */
export interface DemoUplink {
  readonly uplink: Uplink;
  /** null: no broker of the demo's own, so none that it may stop. */
  readonly broker: Broker | null;
  /** Arguments of a consumer's command line. */
  source(consumer: string, stream: Destination): string[];
  records(): Promise<FoundRecord[]>;
  /** Leaves nothing behind. */
  close(): Promise<void>;
}

export type Choice =
  | { readonly kind: 'own' }
  | { readonly kind: 'named'; readonly brokers: readonly string[] }
  | { readonly kind: 'file'; readonly reason: string };

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
      close: () => Promise.resolve(),
    };
  }
  const own = choice.kind === 'own';
  mendIdleTimer();
  // On somebody else's brokers the demo has topics and groups of its own, so that no real consumer takes its readings for true.
  const prefix = own ? '' : `sluice-demo-${randomUUID().slice(0, 8)}.`;
  const topics = Object.fromEntries(destinations.map((stream) => [stream, prefix + stream])) as Record<
    Destination,
    string
  >;
  // As on real brokers, but for what one node can do.
  const wanted = topicsOf(topics, { partitions: 3, replicationFactor: 1 });
  const broker = own ? await startBroker({ dir: join(dir, 'kafka'), topics: wanted }) : null;
  const brokers = broker === null ? (choice as { brokers: readonly string[] }).brokers : [broker.bootstrap];
  if (broker === null) await withAdmin(brokers, (admin) => makeTopics(admin, wanted));
  return {
    uplink: { brokers, topics },
    broker,
    source: (consumer, stream) => {
      const topic = topics[stream];
      return ['--brokers', brokers.join(','), '--group', prefix + consumer, '--topics', topic];
    },
    records: () => readKafka(brokers, topics),
    close: () =>
      broker === null
        ? withAdmin(brokers, (admin) => admin.deleteTopics({ topics: Object.values(topics) }))
        : broker.kill(),
  };
}

/** With as many replicas as those brokers usually make. */
async function makeTopics(admin: Admin, wanted: readonly Topic[]): Promise<void> {
  const topics = wanted.map(({ topic, partitions: numPartitions, config }) => ({
    topic,
    numPartitions,
    configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
  }));
  await admin.createTopics({ topics, waitForLeaders: true });
}

async function withAdmin(brokers: readonly string[], work: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = new kafkajs.Kafka({
    clientId: 'sluice-demo',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  }).admin();
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.disconnect();
  }
}
