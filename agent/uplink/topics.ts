/** The topics that a fleet writes to, with the settings that they need. Pure: what creates them is printed by `sluice schema topics`. */
import { streams } from '../reading.ts';
import type { Destination } from './uplink.ts';

export const destinations: readonly Destination[] = [...streams, 'gateway-status'];

export interface Topic {
  readonly stream: Destination;
  readonly topic: string;
  /** For ever: another count would send a device's records to another partition. */
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Settings of Kafka, all that differ from its defaults or must not be left to a cluster's own. */
  readonly config: Readonly<Record<string, string>>;
}

export interface TopicOptions {
  /** Of the readings; the other topics have one. */
  readonly partitions?: number;
  readonly replicationFactor?: number;
}

export const defaultPartitions = 6;
export const defaultReplicationFactor = 3;

const dayMs = 86_400_000;
/** Longer than a year of bills, and than the longest gateway that was cut off. */
const retentionDays = 400;
/** How long a consumer may be away and still see that a device was removed. */
const tombstoneDays = 30;
/** No record is too old: a backlog bears the time at which it was read. Kafka's default, and its greatest value; brokers may have another. */
const anyAge = '9223372036854775807';
/** A register map of some thousand points, uncompressed. */
const metadataBytes = 4 * 1024 * 1024;

/** `names`: as the configuration calls them. A topic that several streams share is told once, for the first of them. */
export function topicsOf(names: Readonly<Record<Destination, string>>, options: TopicOptions = {}): Topic[] {
  const { partitions = defaultPartitions, replicationFactor = defaultReplicationFactor } = options;
  const firsts = destinations.filter(
    (stream) => destinations.find((other) => names[other] === names[stream]) === stream,
  );
  return firsts.map((stream) => ({
    stream,
    topic: names[stream],
    partitions: stream === 'meter-readings' || stream === 'sensor-values' ? partitions : 1,
    replicationFactor,
    config: {
      ...(stream === 'asset-metadata' || stream === 'gateway-status' ? newestOnly(stream) : everything()),
      'message.timestamp.type': 'CreateTime',
      'message.timestamp.before.max.ms': anyAge,
      // With acks=all: what was acknowledged survives the loss of a broker, and one may be down.
      'min.insync.replicas': String(Math.max(1, Math.min(2, replicationFactor - 1))),
    },
  }));
}

function everything(): Record<string, string> {
  return { 'cleanup.policy': 'delete', 'retention.ms': String(retentionDays * dayMs), 'retention.bytes': '-1' };
}

function newestOnly(stream: 'asset-metadata' | 'gateway-status'): Record<string, string> {
  const compacted = { 'cleanup.policy': 'compact', 'delete.retention.ms': String(tombstoneDays * dayMs) };
  return stream === 'asset-metadata'
    ? { ...compacted, 'max.message.bytes': String(metadataBytes) }
    : // Written every minute by every gateway: compaction begins behind the segment that is being written.
      { ...compacted, 'segment.ms': String(dayMs) };
}
