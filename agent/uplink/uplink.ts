import type { Stream } from '../reading.ts';

/** Where records go: the lanes, and the unbuffered newest status. */
export type Destination = Stream | 'gateway-status';

export interface OutRecord {
  readonly key: string;
  /** null: a tombstone. */
  readonly value: string | null;
  /** Record timestamp, Unix ms. */
  readonly timestampMs: number;
}

/**
 * The broker's protocol, nothing kept. One instance (one producer) per lane: an error in one leaves the others alone.
 * Life: `connect` once, `send` one at a time, `close`. After any rejection the instance is spent: close it, take a new one, and
 * send what was in doubt first.
 */
export interface Uplink {
  /** Rejects with UplinkError. Has its own deadline besides `signal`. */
  connect(signal: AbortSignal): Promise<void>;
  /**
   * Resolves when all in-sync replicas have all records. Rejects with UplinkError (its `fate` says what now); then any of them may have
   * arrived. Has its own deadline besides `signal`.
   */
  send(to: Destination, records: readonly OutRecord[], signal: AbortSignal): Promise<void>;
  /** Never rejects, within 2 s, idempotent. When it has resolved, nothing of this instance can reach the broker any more. */
  close(): Promise<void>;
}

/** Makes a fresh, unconnected uplink. `name` tells producers apart in the broker's logs. */
export type UplinkFactory = (name: string) => Uplink;
