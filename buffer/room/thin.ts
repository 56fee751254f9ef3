import { streams } from '../../agent/reading.ts';
import type { GatewayEvent, Kept, Kind, Seq, Stream } from '../../agent/reading.ts';
import type { Bounds } from '../dating/dating.ts';
import { laneOf, streamOf } from '../protocol.ts';
import type { Drop, Tally } from '../protocol.ts';
import type { Settled } from '../ranges.ts';
import type { Extent } from '../segments/segment-format.ts';

/** Streams in the order in which their entries are dropped when room runs out. Of the others nothing is ever dropped. */
const dropOrder: readonly Stream[] = ['sensor-values', 'meter-readings'];

/** A copy that wins less is not worth the wear. */
const leastGainBytes = 8 * 1024;
const leastGainShare = 1 / 64;
/** Of the entries of a segment, before anybody looks how many bytes they take. */
const leastSettledShare = 1 / 32;

/** What a lane's readers hold or may ask of memory, and thus is not dropped. */
export interface Given {
  /** Per lane: entries up to this seq may be on their way. */
  readonly given: readonly Seq[];
  /** Entries behind this seq may be read from memory. */
  readonly newest: Seq;
}

/**
 * The oldest entries of the least worth: those of one lane in one segment that are neither settled nor on their way. `segments`: those that space comes
 * back from, oldest first. null: there is nothing to drop. The drop begins where nothing undelivered of the lane lies before it, so that one after the other
 * they are one range.
 */
export function nextDrop(
  segments: readonly { readonly lanes: readonly (Extent | null)[] }[],
  settled: readonly Settled[],
  { given, newest }: Given,
): (Drop & { readonly at: number }) | null {
  for (const lane of dropOrder.map(laneOf)) {
    const done = settled[lane];
    const through = given[lane] ?? 0;
    if (!done) continue;
    for (const [at, { lanes }] of segments.entries()) {
      const extent = lanes[lane];
      if (!extent || extent.last <= through || extent.last > newest) continue;
      const from = Math.max(extent.first, through + 1);
      if (done.covers(from, extent.last)) continue;
      const ends = [
        done.position,
        through,
        ...done.ranges.map(({ last }) => last),
        ...segments.map((one) => one.lanes[lane]?.last ?? 0),
      ].filter((end) => end < from);
      return { at, lane, first: Math.max(...ends) + 1, last: extent.last };
    }
  }
  return null;
}

/** `settled`: how many of the segment's `count` entries are. */
export function maySaveRoom(settled: number, count: number): boolean {
  return settled > 0 && settled < count && settled >= count * leastSettledShare;
}

/** Whether a copy without what is settled wins enough, from `bytes` to `copyBytes`. */
export function savesRoom(bytes: number, copyBytes: number): boolean {
  return bytes - copyBytes >= Math.max(leastGainBytes, bytes * leastGainShare);
}

/** Counts entries per device and kind. */
export class Tallying {
  readonly #tallies = new Map<string, Tally>();
  count = 0;

  /** `boot`: in which it was committed. */
  add(entry: Kept, boot: string): void {
    const isReading = entry.form === 'reading';
    const [device, kind] = isReading ? [entry.point.device, entry.point.kind] : [null, null];
    // A source's own time is none of the gateway's clock.
    const isWrong = entry.clock === 'unsynced' && !(isReading && entry.timeSource !== 'gateway');
    const wrongBoot = isWrong ? boot : null;
    this.addMany({ device, kind, wrongBoot, count: 1, fromMs: entry.timeMs, toMs: entry.timeMs });
  }

  addMany(more: Tally): void {
    const name = `${more.device}\n${more.kind}\n${more.wrongBoot}`;
    const before = this.#tallies.get(name);
    this.count += more.count;
    this.#tallies.set(name, before ? joined(before, more) : more);
  }

  tallies(): Tally[] {
    return [...this.#tallies.values()];
  }
}

function joined(one: Tally, other: Tally): Tally {
  return {
    ...one,
    count: one.count + other.count,
    fromMs: Math.min(one.fromMs, other.fromMs),
    toMs: Math.max(one.toMs, other.toMs),
  };
}

/** What people are told of a drop: an event for every device and kind, and for every clock that was wrong. */
export function dropEvents(
  drop: Drop,
  tallies: readonly Tally[],
  maxBytes: number,
  boundsOf: (wrongBoot: string) => Bounds,
): GatewayEvent[] {
  const stream = streamOf(drop.lane);
  return tallies.map(({ device, kind, wrongBoot, count, fromMs, toMs }) => {
    const wrong = wrongBoot === null ? null : wrongTimes(wrongBoot, boundsOf(wrongBoot));
    const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
    const reason = `the buffer is full (buffer.maxSize is ${maxBytes} bytes) and whenFull is "thin"`;
    return {
      event: 'loss',
      severity: 'error',
      device,
      message: `${count} ${count === 1 ? 'entry' : 'entries'} of ${stream}${ofWhat(device, kind)} from ${from} to ${to}${wrong?.said ?? ''} ${count === 1 ? 'was' : 'were'} dropped: ${reason}. Restore the uplink, or raise buffer.maxSize.`,
      facts: {
        stream,
        device,
        kind,
        count,
        from,
        to,
        ...wrong?.facts,
        reason,
        firstSeq: drop.first,
        lastSeq: drop.last,
      },
    };
  });
}

function wrongTimes(boot: string, { afterMs, beforeMs }: Bounds) {
  const [trueAfter, trueBefore] = [afterMs, beforeMs].map((ms) => (ms === null ? null : new Date(ms).toISOString()));
  const bounds = [trueAfter && `after ${trueAfter}`, trueBefore && `before ${trueBefore}`]
    .filter(Boolean)
    .join(' and ');
  const truly = bounds === '' ? 'when truly is not known' : `truly ${bounds}`;
  return { said: ` by a clock that was wrong (${truly})`, facts: { clock: 'unsynced', boot, trueAfter, trueBefore } };
}

function ofWhat(device: string | null, kind: Kind | null): string {
  if (device === null) return '';
  return kind === null ? ` of ${device}` : ` (${kind} of ${device})`;
}

/** Positions as they are once the drops are on disk. */
export function withDrops(settled: readonly Settled[], drops: readonly Drop[]): Settled[] {
  return streams.map((_, lane) => {
    const copy = settled[lane]?.copy();
    if (!copy) throw new RangeError(`lane ${lane} is not known`);
    for (const drop of drops) if (drop.lane === lane) copy.add(drop.first, drop.last);
    return copy;
  });
}
