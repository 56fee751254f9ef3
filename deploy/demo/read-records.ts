import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Kafka, logLevel } from 'kafkajs';
import { readZstd } from '../consumers/zstd.ts';

export interface FoundRecord {
  readonly stream: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** Topic of a stream. */
export type Topics = Readonly<Record<string, string>>;

const deadlineMs = 60_000;

/** Independent of gateway and consumers: every partition of the topics from its beginning to its high watermark. */
export async function readKafka(brokers: readonly string[], topics: Topics): Promise<FoundRecord[]> {
  readZstd();
  const retry = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20 };
  const kafka = new Kafka({ clientId: 'demo-reader', brokers: [...brokers], logLevel: logLevel.NOTHING, retry });
  const open = new Map<string, number>();
  const admin = kafka.admin();
  await admin.connect();
  for (const topic of Object.values(topics)) {
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
      if (Number(high) > Number(low)) open.set(`${topic}/${partition}`, Number(high));
    }
  }
  await admin.disconnect();
  const found: FoundRecord[] = [];
  if (open.size === 0) return found;

  const streamOf = new Map(Object.entries(topics).map(([stream, topic]) => [topic, stream]));
  const highs = new Map(open);
  const consumer = kafka.consumer({ groupId: `demo-reader-${randomUUID()}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  let late: NodeJS.Timeout | undefined;
  try {
    await consumer.subscribe({ topics: Object.values(topics), fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      late = setTimeout(() => {
        reject(new Error(`the end of ${[...open.keys()].join(', ')} was not reached in ${deadlineMs / 1000} s`));
      }, deadlineMs);
      consumer.on('consumer.crash', ({ payload }) => {
        if (!payload.restart) reject(payload.error);
      });
      const run = consumer.run({
        autoCommit: false,
        eachBatch: ({ batch }) => {
          const { topic, partition, messages } = batch;
          const high = highs.get(`${topic}/${partition}`) ?? 0;
          for (const { offset, key, value } of messages) {
            if (Number(offset) >= high) continue;
            const text = { key: key?.toString() ?? null, value: value?.toString() ?? null };
            found.push({ stream: streamOf.get(topic) ?? topic, partition, offset: Number(offset), ...text });
          }
          if (Number(batch.lastOffset()) + 1 >= high) open.delete(`${topic}/${partition}`);
          if (open.size === 0) resolve();
          return Promise.resolve();
        },
      });
      run.catch(reject);
    });
  } finally {
    clearTimeout(late);
    await consumer.disconnect().catch(() => undefined);
  }
  return found;
}

/** The same from the file of a gateway without a broker. */
export async function readFileRecords(file: string): Promise<FoundRecord[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, offset) => {
    const { topic, key, value } = JSON.parse(line) as { topic: string; key: string; value: unknown };
    return { stream: topic, partition: 0, offset, key, value: value === null ? null : JSON.stringify(value) };
  });
}
