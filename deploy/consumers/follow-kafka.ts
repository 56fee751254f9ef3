import { setTimeout as sleep } from 'node:timers/promises';
import { type Consumer, Kafka, logLevel } from 'kafkajs';
import type { Inbox } from './inbox.ts';
import { readZstd } from './zstd.ts';

export interface KafkaSource {
  readonly brokers: readonly string[];
  readonly group: string;
  readonly topics: readonly string[];
}

const againAfterMs = 1_000;
const leaveWithinMs = 3_000;

/** Reads the topics into the inbox until `signal` fires, through everything the broker does meanwhile. */
export async function followKafka(
  source: KafkaSource,
  inbox: Inbox,
  signal: AbortSignal,
  tell: (text: string) => void,
): Promise<void> {
  readZstd();
  while (!signal.aborted) {
    const consumer = newConsumer(source);
    try {
      await Promise.race([consume(consumer, source, inbox), aborted(signal)]);
    } catch (error) {
      tell(`${String(error)}; trying again`);
    }
    await Promise.race([consumer.disconnect().catch(() => undefined), sleep(leaveWithinMs)]);
    await sleep(againAfterMs, undefined, { signal }).catch(() => undefined);
  }
}

function newConsumer({ brokers, group }: KafkaSource): Consumer {
  // After an error a new client is simpler to trust than one that mends itself.
  const retry = {
    initialRetryTime: 200,
    maxRetryTime: 1_000,
    retries: 3,
    restartOnFailure: () => Promise.resolve(false),
  };
  const kafka = new Kafka({ clientId: group, brokers: [...brokers], logLevel: logLevel.NOTHING, retry });
  return kafka.consumer({
    groupId: group,
    sessionTimeout: 6_000,
    heartbeatInterval: 2_000,
    maxWaitTimeInMs: 500,
    retry,
  });
}

/** Ends only by an error. */
async function consume(consumer: Consumer, { topics }: KafkaSource, inbox: Inbox): Promise<never> {
  const crashed = new Promise<never>((_, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  });
  // The group only shares out the partitions; where to go on stands in the database.
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    for (const [topic, partitions] of Object.entries(payload.memberAssignment)) {
      for (const partition of partitions) {
        const next = inbox.position(`${topic}/${partition}`);
        if (next !== undefined) consumer.seek({ topic, partition, offset: String(next) });
      }
    }
  });
  const start = async (): Promise<never> => {
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: (payload) => {
        const { batch } = payload;
        if (!payload.isStale()) {
          inbox.take({
            source: `${batch.topic}/${batch.partition}`,
            records: batch.messages.map(({ offset, key, value }) => ({
              position: Number(offset),
              key: key?.toString() ?? null,
              json: value?.toString() ?? null,
            })),
            next: Number(batch.lastOffset()) + 1,
          });
        }
        return Promise.resolve();
      },
    });
    return crashed;
  };
  return Promise.race([start(), crashed]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
