import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Admin } from 'kafkajs';
import { registerZstd } from '../../agent/uplink/codecs.ts';
import { mendIdleTimer } from '../../agent/uplink/kafkajs-idle.ts';
import { kafkajs } from '../../agent/uplink/kafkajs.ts';
import { type Broker, type BrokerOptions, startBroker } from '../../deploy/kafka/broker.ts';
import { kafkaJars } from '../../deploy/kafka/jars.ts';

export interface StoredRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  /** Unix ms. */
  readonly timestamp: number;
}

/** A broker that has just started loads its group coordinator for a while. */
const retry = { initialRetryTime: 50, maxRetryTime: 300, retries: 30 };

const jars = await kafkaJars();

/** Why suites that need the real broker cannot run here; undefined: they can. CI must have it, so there it is an error. */
export const noKafka: string | undefined = 'missing' in jars ? jars.missing : undefined;
if (noKafka !== undefined && process.env['CI'] === 'true') {
  throw new Error(`CI needs the real Kafka broker: ${noKafka}`);
}

/** A broker in a new temporary folder, which `remove` ends and deletes. */
export async function temporaryBroker(
  options: Omit<BrokerOptions, 'dir'> = {},
): Promise<Broker & { remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-kafka-'));
  const broker = await startBroker({ ...options, dir });
  return Object.assign(broker, {
    remove: async () => {
      await broker.kill();
      await rm(dir, { recursive: true, force: true });
    },
  });
}

/** Everything that lies in a topic now, from the beginning to the high watermark; by partition, in order of offset. */
export async function readTopic(bootstrap: string, topic: string): Promise<StoredRecord[]> {
  registerZstd();
  mendIdleTimer();
  const kafka = new kafkajs.Kafka({
    clientId: 'reader',
    brokers: [bootstrap],
    retry,
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = kafka.admin({ retry: { retries: 3 } });
  await admin.connect();
  const bounds = await offsetsOf(admin, topic);
  const open = new Map<number, number>();
  for (const { partition, low, high } of bounds) if (Number(high) > Number(low)) open.set(partition, Number(high));
  const records: StoredRecord[] = [];
  if (open.size === 0) return records;

  const consumer = kafka.consumer({ groupId: `reader-${randomUUID()}`, maxWaitTimeInMs: 50 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => {
        if (!payload.restart) reject(payload.error);
      });
      consumer
        .run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            const high = open.get(batch.partition);
            if (high === undefined) return;
            for (const { offset, key, value, timestamp } of batch.messages) {
              if (Number(offset) >= high) continue;
              records.push({
                partition: batch.partition,
                offset: Number(offset),
                key: key?.toString() ?? null,
                value: value?.toString() ?? null,
                timestamp: Number(timestamp),
              });
            }
            if (Number(batch.lastOffset()) + 1 >= high) open.delete(batch.partition);
            if (open.size === 0) resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
}

async function offsetsOf(admin: Admin, topic: string): ReturnType<Admin['fetchTopicOffsets']> {
  try {
    return await admin.fetchTopicOffsets(topic);
  } finally {
    await admin.disconnect();
  }
}
