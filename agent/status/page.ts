import { bytesPerDay } from '../../buffer/wear.ts';
import type { Stamp } from '../clock.ts';
import type { GatewayStatus } from './facts.ts';
import { ailments, awaited, heldOf, remarks } from './health.ts';
import { lagMs, needsPerson } from './lag.ts';

/** `/status.json`. Keys are only ever added. Times are ISO 8601 in UTC, null: never. Counts are since the start. */
export interface StatusPage {
  readonly version: string;
  readonly gateway: string;
  readonly site: string | null;
  readonly epoch: string;
  readonly time: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  /** How far `time` is to be believed: `synced`, `unknown` (nobody to ask), `unsynced`. */
  readonly clock: string;
  /** `wrong`: what needs a person now. `remarks`: what is not as it should be, besides. */
  readonly health: { readonly ok: boolean; readonly wrong: readonly string[]; readonly remarks: readonly string[] };
  readonly state: 'running' | 'stopping';
  /** Every connection has had its first attempt. */
  readonly ready: boolean;
  readonly connections: readonly ConnectionLine[];
  readonly devices: readonly DeviceLine[];
  readonly buffer: {
    readonly bytes: number;
    readonly maxBytes: number;
    readonly full: boolean;
    readonly segments: number;
    /** To the disk since the start, and a day by the last one to two days of running; null: the kernel does not count, or not known yet. */
    readonly writtenBytes: number | null;
    readonly writtenBytesPerDay: number | null;
    readonly waiting: number;
    /** Of these: readings that wait until the clock is right. */
    readonly held: number;
    readonly commits: number;
    readonly refusedReadings: number;
  };
  readonly lanes: readonly LaneLine[];
  /** How often each event happened. */
  readonly events: Readonly<Record<string, number>>;
}

export interface ConnectionLine {
  readonly connection: string;
  readonly state: 'open' | 'opening' | 'waiting' | 'closed';
  readonly since: string | null;
  /** Why it is not open. */
  readonly error: string | null;
  readonly opened: number;
  readonly failedAttempts: number;
}

export interface DeviceLine {
  readonly device: string;
  readonly connection: string;
  /** `waiting`: not asked yet. */
  readonly presence: 'ok' | 'lost' | 'waiting';
  readonly lostSince: string | null;
  readonly lastGood: string | null;
  readonly nextSlot: string | null;
  /** What is wrong with it, in words. */
  readonly error: string | null;
  readonly badPoints: number;
  readonly polls: number;
  readonly good: number;
  readonly uncertain: number;
  readonly bad: number;
  readonly skippedSlots: number;
}

export interface LaneLine {
  readonly lane: string;
  readonly state: 'connecting' | 'connected' | 'waiting' | 'stalled' | 'stopped';
  readonly since: string | null;
  readonly waiting: number;
  /** Age of the oldest entry that is not delivered; null: not known yet. */
  readonly lagSeconds: number | null;
  readonly lastDelivery: string | null;
  readonly delivered: number;
  readonly repeated: number;
  /** In the dead letters. */
  readonly rejected: number;
  readonly error: {
    readonly time: string | null;
    readonly code: string;
    readonly message: string;
    readonly needsPerson: boolean;
  } | null;
}

/** What the status page shows, in words and in the order of the page. */
export function statusPage(status: GatewayStatus, version: string): StatusPage {
  const { gateway, site, epoch, startedAt, now, buffer } = status;
  const wrong = ailments(status);
  return {
    version,
    gateway,
    site,
    epoch,
    time: new Date(now.wallMs).toISOString(),
    startedAt: new Date(startedAt.wallMs).toISOString(),
    uptimeSeconds: Math.floor((now.bootMs - startedAt.bootMs) / 1000),
    clock: now.trust,
    health: { ok: wrong.length === 0, wrong, remarks: remarks(status) },
    state: status.isStopping ? 'stopping' : 'running',
    ready: awaited(status).length === 0,
    connections: status.connections.map(({ connection, state, since, error, opened, failed }) => ({
      connection,
      state,
      since: iso(since),
      error,
      opened,
      failedAttempts: failed,
    })),
    devices: status.devices.map(deviceLine),
    buffer: {
      bytes: buffer.bytes,
      maxBytes: buffer.maxBytes,
      full: buffer.full,
      segments: buffer.segments,
      writtenBytes: buffer.writtenBytes,
      writtenBytesPerDay: buffer.wear && bytesPerDay(buffer.wear.recent),
      waiting: Object.values(buffer.waiting).reduce((sum, one) => sum + one, 0),
      held: heldOf(buffer),
      commits: buffer.commits,
      refusedReadings: status.refusedReadings,
    },
    lanes: Object.keys(status.uplink).flatMap((lane) => laneLine(status, lane)),
    events: Object.fromEntries(status.events),
  };
}

function deviceLine(one: GatewayStatus['devices'][number]): DeviceLine {
  const { device, connection, presence, badPoints, polls, good, uncertain, bad, skippedSlots } = one;
  return {
    device,
    connection,
    presence,
    lostSince: iso(one.lostSince),
    lastGood: iso(one.lastGood),
    nextSlot: one.nextSlotMs === null ? null : isoOf(one.nextSlotMs),
    error: deviceError(one),
    badPoints,
    polls,
    good,
    uncertain,
    bad,
    skippedSlots,
  };
}

function deviceError({ lostBecause, firstBad, badPoints }: GatewayStatus['devices'][number]): string | null {
  if (lostBecause !== null) return lostBecause;
  if (firstBad === null) return null;
  const { point, status, exceptionCode } = firstBad;
  const exception =
    exceptionCode === null
      ? ''
      : ` (exception ${exceptionCode}${exceptionCode === 1 ? ': wrong `table`? holding or input' : ''})`;
  return `${point}: ${status}${exception}${badPoints > 1 ? `, and ${badPoints - 1} more ${badPoints === 2 ? 'point' : 'points'}` : ''}`;
}

function laneLine(status: GatewayStatus, lane: string): LaneLine[] {
  const one = status.uplink[lane];
  if (one === undefined) return [];
  const { phase, sinceMs, lastDeliveredMs, delivered, repeated, rejected, lastError } = one;
  const lag = lagMs(status, lane);
  return [
    {
      lane,
      state: phase,
      since: isoOf(sinceMs),
      waiting: new Map(Object.entries(status.buffer.waiting)).get(lane) ?? 0,
      lagSeconds: lag && lag / 1000,
      lastDelivery: isoOf(lastDeliveredMs),
      delivered,
      repeated,
      rejected,
      error: lastError && {
        time: isoOf(lastError.atMs),
        code: lastError.code,
        message: lastError.message,
        needsPerson: needsPerson(one),
      },
    },
  ];
}

function iso(stamp: Stamp | null): string | null {
  return stamp && isoOf(stamp.wallMs);
}

/** null too for what no calendar holds: a slot that never comes. */
function isoOf(ms: number | null): string | null {
  if (ms === null || Number.isNaN(new Date(ms).getTime())) return null;
  return new Date(ms).toISOString();
}
