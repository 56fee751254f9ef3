import type { ICustomPartitioner, RecordMetadata } from 'kafkajs';
import { kafkajs } from './kafkajs.ts';

const mostKeys = 10_000;

/**
 * Puts each record where the Java client would (murmur2 of the key), and knows afterwards which partitions a send used. Hashing
 * costs more than the rest of the encoding and a site has few keys, so each key's partition is kept.
 */
export class Placement {
  readonly #used = new Set<number>();

  /** Before each send. */
  begin(): void {
    this.#used.clear();
  }

  /**
   * The partitions of this send that no broker acknowledged by name. When a leader moves to a broker that has answered already, the
   * retry inside kafkajs 2.2.4 asks nobody again and resolves: those records would be settled and never written.
   */
  unacknowledged(acked: readonly RecordMetadata[]): number[] {
    const missing = new Set(this.#used);
    for (const { partition, errorCode } of acked) if (errorCode === 0) missing.delete(partition);
    return [...missing];
  }

  readonly partitioner: ICustomPartitioner = () => {
    const choose = kafkajs.Partitioners.DefaultPartitioner();
    const known = new Map<string, number>();
    let partitions = 0;
    return (request) => {
      const { partitionMetadata, message } = request;
      if (partitionMetadata.length !== partitions || known.size >= mostKeys) {
        known.clear();
        partitions = partitionMetadata.length;
      }
      const key = message.key as string;
      let partition = known.get(key);
      if (partition === undefined) {
        partition = choose(request);
        known.set(key, partition);
      }
      this.#used.add(partition);
      return partition;
    };
  };
}
