import type { OutRecord } from '../uplink/uplink.ts';
import type { GatewayStatus } from './facts.ts';
import { ailments } from './health.ts';

/** The value of a record on `gateway-status`. Key: the gateway; only the newest counts. Keys are only ever added. */
export interface StatusRecord {
  readonly gateway: string;
  readonly site: string | null;
  /** Names this start. Two that alternate under one gateway are two machines: a cloned card. */
  readonly epoch: string;
  /** Names the machine, 32 hex digits; null: it cannot be told from others. */
  readonly machine: string | null;
  readonly version: string;
  /** 12 hex digits over the configuration in use, without secrets: equal where it says the same. */
  readonly config: string;
  /** Of this record, ISO 8601 in UTC. */
  readonly time: string;
  /** How far `time` is to be believed: `synced`, `unknown`, `unsynced`. */
  readonly clock: string;
  readonly startedAt: string;
  /** `stopped`: the last record of an orderly stop. A gateway that is `running` and older than three minutes is away. */
  readonly state: 'running' | 'stopped';
  /** Nothing needs a person at the gateway; else `wrong` says what, at most ten sentences. */
  readonly ok: boolean;
  readonly wrong: readonly string[];
  readonly devices: number;
  readonly devicesOk: number;
  readonly devicesLost: number;
  /** Ids of lost devices, the first fifty. */
  readonly lost: readonly string[];
  readonly bufferBytes: number;
  readonly bufferMaxBytes: number;
  /** Entries not delivered yet. */
  readonly bufferWaiting: number;
  readonly lanes: Readonly<Record<string, { readonly delivering: boolean; readonly waiting: number }>>;
}

export interface Identity {
  readonly machine: string | null;
  readonly version: string;
  readonly config: string;
}

const mostSentences = 10;
const mostLost = 50;
/** Lanes that this record speaks of: not of the one it goes through. */
const own = 'gateway-status';

/** One record for gateway-status, as `gateway-status.schema.json` describes it. */
export function statusRecord(status: GatewayStatus, identity: Identity, state: StatusRecord['state']): StatusRecord {
  const { gateway, site, epoch, now, startedAt, devices, buffer, uplink } = status;
  const wrong = ailments(status);
  const lost = devices.filter(({ presence }) => presence === 'lost');
  const waiting: Readonly<Record<string, number>> = buffer.waiting;
  return {
    gateway,
    site,
    epoch,
    ...identity,
    time: new Date(now.wallMs).toISOString(),
    clock: now.trust,
    startedAt: new Date(startedAt.wallMs).toISOString(),
    state,
    ok: wrong.length === 0,
    wrong: wrong.slice(0, mostSentences),
    devices: devices.length,
    devicesOk: devices.filter(({ presence }) => presence === 'ok').length,
    devicesLost: lost.length,
    lost: lost.slice(0, mostLost).map(({ device }) => device),
    bufferBytes: buffer.bytes,
    bufferMaxBytes: buffer.maxBytes,
    bufferWaiting: Object.values(waiting).reduce((sum, one) => sum + one, 0),
    lanes: Object.fromEntries(
      Object.entries(uplink)
        .filter(([lane]) => lane !== own)
        .map(([lane, { phase }]) => [lane, { delivering: phase === 'connected', waiting: waiting[lane] ?? 0 }]),
    ),
  };
}

/** Equal while nothing happened that is worth a record of its own: counts that move all the time are none. */
export function gist(record: StatusRecord): string {
  const { site, config, clock, state, ok, devices, devicesOk, lost, devicesLost, lanes } = record;
  const delivering = Object.entries(lanes).map(([lane, one]) => [lane, one.delivering]);
  return JSON.stringify([site, config, clock, state, ok, devices, devicesOk, lost, devicesLost, delivering]);
}

/** Keyed by the gateway, so that a compacted topic keeps the newest of each. */
export function outRecord(record: StatusRecord): OutRecord {
  return { key: record.gateway, value: JSON.stringify(record), timestampMs: Date.parse(record.time) };
}
