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
const retentionDays = 400;
const tombstoneDays = 30;
/** Kafka's default, and its greatest value; brokers may have another. */
const anyAge = '9223372036854775807';
const metadataBytes = 4 * 1024 * 1024;

/** Why each setting is as it is, for whoever runs the brokers. */
export const reasons: Readonly<Record<string, string>> = {
  'retention.ms': `${retentionDays} days: longer than a year of bills, and than the longest outage of a gateway`,
  'retention.bytes': 'no limit by size: the time above holds',
  'message.timestamp.type': 'a record bears the time of its reading, not that of its arrival',
  'message.timestamp.before.max.ms':
    'no record is too old: after an outage readings come late. Brokers before Kafka 3.6 do not know it: leave it out there, if message.timestamp.difference.max.ms is at its default',
  'min.insync.replicas': 'with acks=all: what was acknowledged survives the loss of a broker, and one may be down',
  'delete.retention.ms': `${tombstoneDays} days: how long a consumer may be away and still see that a device was removed`,
  'max.message.bytes': `${metadataBytes / 1024 / 1024} MiB: a register map of some thousand points is one record`,
  'segment.ms': '1 day: compaction begins behind the segment that is being written',
};

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
    : { ...compacted, 'segment.ms': String(dayMs) };
}
