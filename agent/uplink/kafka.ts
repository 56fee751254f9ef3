import { createSecureContext } from 'node:tls';
import type { Producer, RecordMetadata, SASLOptions } from 'kafkajs';
import { UplinkError, messageOf } from '../errors.ts';
import { registerZstd } from './codecs.ts';
import { within } from './deadline.ts';
import { uplinkErrorOf } from './kafka-errors.ts';
import { mendIdleTimer } from './kafkajs-idle.ts';
import { kafkajs } from './kafkajs.ts';
import { Placement } from './placement.ts';
import { Sockets } from './sockets.ts';
import type { Destination, OutRecord, Uplink, UplinkFactory } from './uplink.ts';

export interface KafkaConfig {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** PEM texts; null: no TLS. */
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
  } | null;
  readonly sasl: {
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
    readonly username: string;
    /** Asked at every connect, so that a changed secret needs no restart. */
    readonly password: () => string;
  } | null;
  readonly topics: Readonly<Record<Destination, string>>;
  readonly compression: 'none' | 'gzip' | 'zstd';
  readonly sendTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
}

const { CompressionTypes, Kafka, logLevel } = kafkajs;

const compressionTypes = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
} as const;

const ackOfAllInSyncReplicas = -1;
const closeTimeoutMs = 1500;

/** Kafka by kafkajs. Its traps, and what each rule here is for, are told in agent/DESIGN.md. */
export function kafkaUplink(config: KafkaConfig): UplinkFactory {
  registerZstd();
  mendIdleTimer();
  return (name) => new KafkaUplink(config, name);
}

class KafkaUplink implements Uplink {
  readonly #config: KafkaConfig;
  readonly #name: string;
  readonly #sendTimeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #placement = new Placement();
  #sockets: Sockets | undefined;
  #producer: Producer | undefined;
  #spent = false;

  constructor(config: KafkaConfig, name: string) {
    this.#config = config;
    this.#name = name;
    this.#sendTimeoutMs = config.sendTimeoutMs ?? 30_000;
    this.#connectTimeoutMs = config.connectTimeoutMs ?? 10_000;
  }

  async connect(signal: AbortSignal): Promise<void> {
    const doing = `connecting to ${this.#config.brokers.join(', ')}`;
    await this.#once(doing, async () => {
      const producer = this.#build();
      await within(this.#connectTimeoutMs, signal, doing, () => producer.connect());
    });
  }

  async send(to: Destination, records: readonly OutRecord[], signal: AbortSignal): Promise<void> {
    const topic = this.#config.topics[to];
    const doing = `sending to topic ${topic}`;
    await this.#once(doing, async () => {
      const producer = this.#producer;
      if (producer === undefined) throw new UplinkError('retry', 'NOT_CONNECTED', `${doing}: not connected`);
      this.#placement.begin();
      const acked = await within(this.#sendTimeoutMs, signal, doing, () =>
        producer.send({
          topic,
          acks: ackOfAllInSyncReplicas,
          timeout: this.#sendTimeoutMs,
          compression: compressionTypes[this.#config.compression],
          messages: records.map(({ key, value, timestampMs }) => ({ key, value, timestamp: String(timestampMs) })),
        }),
      );
      this.#verify(acked, doing);
    });
  }

  async close(): Promise<void> {
    this.#spent = true;
    const sockets = this.#sockets;
    const producer = this.#producer;
    this.#producer = undefined;
    if (sockets === undefined || producer === undefined) return;
    const late = new AbortController();
    const limit = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, closeTimeoutMs);
      late.signal.addEventListener('abort', () => clearTimeout(timer));
    });
    await Promise.race([sockets.destroy(), limit]);
    late.abort();
    // Only to let go of its timers: without sockets it can say nothing any more.
    producer.disconnect().catch(() => undefined);
  }

  /**
   * After a send that failed in one partition, kafkajs rolls back the sequence numbers of all, and the next record on a good one is acked
   * and never written. So a producer that failed once is spent.
   */
  async #once(doing: string, work: () => Promise<void>): Promise<void> {
    if (this.#spent)
      throw new UplinkError('retry', 'SPENT', `Kafka: ${doing}: this producer failed before or was closed`);
    try {
      await work();
    } catch (error) {
      this.#spent = true;
      throw uplinkErrorOf(error, doing);
    }
  }

  #verify(acked: readonly RecordMetadata[], doing: string): void {
    const missing = this.#placement.unacknowledged(acked).join(', ');
    if (missing !== '')
      throw new UplinkError('retry', 'NOT_ACKED', `Kafka: ${doing}: partitions ${missing} were not acknowledged`);
  }

  #build(): Producer {
    const { brokers, clientId } = this.#config;
    const sockets = new Sockets(this.#tls());
    const sasl = this.#sasl();
    const kafka = new Kafka({
      // Shuffled: kafkajs always begins with the first, and asks only two.
      brokers: shuffled(brokers),
      clientId: `${clientId}-${this.#name}`,
      socketFactory: sockets.factory,
      ssl: this.#config.tls !== null,
      connectionTimeout: this.#connectTimeoutMs / 2,
      authenticationTimeout: this.#connectTimeoutMs,
      requestTimeout: this.#sendTimeoutMs,
      retry: { retries: 1, initialRetryTime: 100, maxRetryTime: 500 },
      // Every failure reaches us as an error, and is told once by the forwarder.
      logLevel: logLevel.NOTHING,
      ...(sasl === undefined ? {} : { sasl }),
    });
    this.#sockets = sockets;
    this.#producer = kafka.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      createPartitioner: this.#placement.partitioner,
      retry: { retries: 1 },
    });
    return this.#producer;
  }

  #tls(): ConstructorParameters<typeof Sockets>[0] {
    const { tls } = this.#config;
    if (tls === null) return null;
    const { serverName, ...pem } = tls;
    try {
      return { context: createSecureContext(pem), serverName };
    } catch (cause) {
      throw new UplinkError(
        'operator',
        'TLS_SETTINGS',
        `\`uplink.kafka.tls\`: the certificates or the key cannot be used: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  #sasl(): SASLOptions | undefined {
    const { sasl } = this.#config;
    if (sasl === null) return undefined;
    try {
      const mechanism = sasl.mechanism.toLowerCase() as 'plain';
      return { mechanism, username: sasl.username, password: sasl.password() };
    } catch (cause) {
      throw new UplinkError(
        'operator',
        'SASL_SECRET',
        `\`uplink.kafka.sasl.password\` cannot be read: ${messageOf(cause)}`,
        { cause },
      );
    }
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
