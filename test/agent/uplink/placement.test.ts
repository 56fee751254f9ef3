import { createRequire } from 'node:module';
import type { RecordMetadata } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { Placement } from '../../../agent/uplink/placement.ts';

const load = createRequire(import.meta.url);
type Send = (request: object) => Promise<RecordMetadata[]>;
const createSendMessages = load('kafkajs/src/producer/sendMessages') as (parts: object) => Send;
const createRetry = load('kafkajs/src/retry') as (settings: object) => unknown;
const { createErrorFromCode } = load('kafkajs/src/protocol/error') as { createErrorFromCode: (code: number) => Error };

const partitionMetadata = [0, 1].map((partitionId) => ({
  partitionId,
  leader: 1,
  partitionErrorCode: 0,
  replicas: [],
  isr: [],
}));
const notLeader = 6;
const nothing = (): void => undefined;

interface Produce {
  topicData: { partitions: { partition: number }[] }[];
}

/** The sending code of kafkajs over two brokers; when B is asked for partition 1, its leader has just moved to A. */
function sendWhileLeaderMoves(placement: Placement): { send: Send; written: number[] } {
  const written: number[] = [];
  let leaders: Record<string, number[]> = { A: [0], B: [1] };
  const brokers: Record<string, object> = {
    A: {
      nodeId: 'A',
      produce: async ({ topicData }: Produce) => {
        const partitions = topicData.flatMap((topic) => topic.partitions.map(({ partition }) => partition));
        written.push(...partitions);
        return {
          topics: [{ topicName: 't', partitions: partitions.map((partition) => ({ partition, errorCode: 0 })) }],
        };
      },
    },
    B: {
      nodeId: 'B',
      produce: async () => {
        leaders = { A: [0, 1] };
        await new Promise((resolve) => setTimeout(resolve, 10));
        throw createErrorFromCode(notLeader);
      },
    },
  };
  const send = createSendMessages({
    logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    cluster: {
      addMultipleTargetTopics: async () => undefined,
      refreshMetadataIfNecessary: async () => undefined,
      refreshMetadata: async () => undefined,
      findTopicPartitionMetadata: () => partitionMetadata,
      findLeaderForPartitions: () => leaders,
      findBroker: async ({ nodeId }: { nodeId: string }) => brokers[nodeId],
      isConnected: () => true,
    },
    partitioner: placement.partitioner(),
    eosManager: {
      acquireBrokerLock: async () => undefined,
      releaseBrokerLock: nothing,
      isTransactional: () => false,
      getSequence: () => 0,
      updateSequence: nothing,
      getProducerId: () => 1,
      getProducerEpoch: () => 0,
    },
    retrier: createRetry({ retries: 1, initialRetryTime: 1 }),
  });
  return { send, written };
}

describe('the placement of records', () => {
  it('notices that kafkajs resolves without having written a partition whose leader moved', async () => {
    const placement = new Placement();
    const { send, written } = sendWhileLeaderMoves(placement);
    placement.begin();
    const messages = ['EM-1', 'EM-5'].map((device) => ({ key: `ps-12/${device}`, value: '{}' }));
    const acked = await send({ acks: -1, timeout: 1000, compression: 0, topicMessages: [{ topic: 't', messages }] });
    expect(written).toEqual([0]);
    expect(placement.unacknowledged(acked)).toEqual([1]);
    placement.begin();
    expect(placement.unacknowledged(acked)).toEqual([]);
  });

  it('moves a key when the number of partitions changes, as the Java client does', () => {
    const place = new Placement().partitioner();
    const request = (count: number): Parameters<typeof place>[0] => ({
      topic: 't',
      partitionMetadata: Array.from({ length: count }, () => partitionMetadata[0] as never),
      message: { key: 'foobar', value: '' },
    });
    // From org.apache.kafka.common.utils.UtilsTest: murmur2("foobar") is -790332482.
    const hash = -790332482 & 0x7fffffff;
    for (const count of [3, 3, 7, 2, 64]) expect(place(request(count))).toBe(hash % count);
  });
});
