import type { Stamp } from './clock.ts';

/** What a point is: a total, a momentary value, a bit or enum, a text. */
export type Kind = 'counter' | 'gauge' | 'state' | 'text';

/** Where entries go. The order is the order of worth when room runs out: the first is dropped last. */
export const streams = ['meter-readings', 'sensor-values', 'asset-metadata', 'gateway-events'] as const;
export type Stream = (typeof streams)[number];

export type Quality = 'good' | 'uncertain' | 'bad';
export type TimeSource = 'gateway' | 'device' | 'server';

/** Names an entry within a buffer: one sequence over all lanes, growing for ever. A safe integer. */
export type Seq = number;

/**
 * What every reading of a point says besides its value: frozen at acceptance, kept in the segment, never taken from the
 * configuration at sending. `hash` (12 hex digits) names this very content; two equal hashes are the same descriptor.
 */
export interface PointInfo {
  readonly hash: string;
  readonly gateway: string;
  readonly site: string | null;
  readonly device: string;
  readonly asset: string | null;
  readonly serial: string | null;
  readonly point: string;
  readonly kind: Kind;
  /** UCUM code, or null. */
  readonly unit: string | null;
  readonly stream: Stream;
  /** 12 hex digits: the exact register map, asset and profile revision of the device. */
  readonly map: string;
}

/** What a driver saw: no slot, no identity, no retry. */
export interface Observation {
  readonly point: PointInfo;
  /** Engineering value; null when `quality` is bad or the value is a text. Never NaN, never infinite, never −0. */
  readonly value: number | null;
  /** Strings, enum names, `true`/`false`, date-times, exact digits where a double cannot hold them; else null. */
  readonly text: string | null;
  readonly quality: Quality;
  /** Exactly an OPC UA status name: `Good`, `BadTimeout`, … */
  readonly status: string;
  /** Modbus exception code, else null. */
  readonly exceptionCode: number | null;
  /** When the answer arrived, or when the attempt ended. */
  readonly at: Stamp;
  /** When the value was true, by another clock that was found sane (`timeSource` names it), or the slot of `BadNoData`; null: `at`. Unix ms. */
  readonly timeMs: number | null;
  readonly timeSource: TimeSource;
  /** What the device or the SourceTimestamp said, even if not used. Unix ms. */
  readonly deviceTimeMs: number | null;
  /** Register words in hex as received, separated by a space: `0047 e352`; else null. */
  readonly raw: string | null;
  /** The source says it may have sent this before. */
  readonly repeat: boolean;
  /** The source kept it while the link was lost, and sends what is true now behind it, whether it changed or not. */
  readonly isLate?: true;
}

/** An observation with nothing beside its value: dated by the gateway, no words, no exception. */
export function observationOf(
  point: PointInfo,
  at: Stamp,
  seen: Pick<Observation, 'value' | 'text' | 'quality' | 'status'>,
): Observation {
  return {
    point,
    ...seen,
    exceptionCode: null,
    at,
    timeMs: null,
    timeSource: 'gateway',
    deviceTimeMs: null,
    raw: null,
    repeat: false,
  };
}

/** What is to be said of a point that nobody could ask, or whose answer never came. */
export function unanswered(point: PointInfo, status: string, at: Stamp): Observation {
  return observationOf(point, at, { value: null, text: null, quality: 'bad', status });
}

/** The source says once more what it said last, by its own time. */
export const isRepeated = (before: Observation, after: Observation): boolean =>
  after.deviceTimeMs !== null &&
  before.deviceTimeMs === after.deviceTimeMs &&
  before.value === after.value &&
  before.text === after.text &&
  before.status === after.status;

/** An observation with the slot it answers. Set by the poller; null for pushed values and for the look at the start. Unix ms. */
export interface Reading extends Observation {
  readonly slotMs: number | null;
  /** Of a counter that was read while the clock was known to be wrong: its slot follows from it once its time is known. `slotMs` is null then. */
  readonly laterSlot?: LaterSlot;
}

/** The slots of a counter, every `everyMs` from the full hour: a reading that was due less than `withinMs` after one answers it. */
export interface LaterSlot {
  readonly everyMs: number;
  readonly withinMs: number;
  /** From when it was due until it was made. */
  readonly lateMs: number;
}

/** A reading that waits for its true time, which tells whether it answers the slot before: by boot time it was due then, less than `withinMs` behind that slot. */
export interface HeldDue {
  readonly dueBootMs: number;
  readonly withinMs: number;
}

/**
 * An event or a metadata record. `json`: the body of the record without what is known only at the commit: `id` is not in it, `time` and `clock` are null
 * in their places, `removedAt: true` stands for that time; null: a tombstone.
 */
export interface Note {
  readonly at: Stamp;
  readonly key: string;
  readonly json: string | null;
}

/** How far a time is to be believed: `unsynced` and `corrected` belong to boots that began with a wrong clock. */
export type ClockMark = 'synced' | 'unknown' | 'unsynced' | 'corrected';

interface KeptBase {
  readonly epoch: string;
  readonly seq: Seq;
  readonly stream: Stream;
  /** Dated at the commit, so the same at every sending. Unix ms. */
  readonly timeMs: number;
  readonly clock: ClockMark;
  /** May have been sent before: by this process, by an earlier one that ended uncleanly, or by the source. */
  readonly repeat: boolean;
}

/** A reading as it lies on disk: dated and named. (epoch, seq) never gets other content. */
export interface KeptReading extends KeptBase {
  readonly form: 'reading';
  readonly point: PointInfo;
  readonly value: number | null;
  readonly text: string | null;
  readonly quality: Quality;
  readonly status: string;
  readonly exceptionCode: number | null;
  readonly timeSource: TimeSource;
  readonly slotMs: number | null;
  readonly deviceTimeMs: number | null;
  readonly raw: string | null;
}

export interface KeptNote extends KeptBase {
  readonly form: 'note';
  readonly key: string;
  readonly json: string | null;
}

export type Kept = KeptReading | KeptNote;

/** Names of events on `gateway-events`. */
export type EventName =
  | 'start'
  | 'stop'
  | 'device-lost'
  | 'device-found'
  | 'device-silent'
  | 'clock-step'
  | 'loss'
  | 'possible-loss'
  | 'slots-missed'
  | 'quarantine'
  | 'dead-letter'
  | 'counter-rollover'
  | 'counter-jump'
  | 'serial-mismatch'
  | 'payload-invalid'
  | 'config-changed'
  | 'config-refused';

export type Facts = Readonly<Record<string, string | number | boolean | null>>;

/** What happened, before it has a time or an identity. */
export interface GatewayEvent {
  readonly event: EventName;
  readonly severity: 'info' | 'warning' | 'error';
  /** One sentence for the person who must act: what, where, what to do. */
  readonly message: string;
  readonly device?: string | null;
  readonly point?: string | null;
  readonly facts?: Facts;
}
