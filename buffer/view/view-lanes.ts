import { messageOf } from '../../agent/errors.ts';
import { streams } from '../../agent/reading.ts';
import type { Kept, Seq, Stream } from '../../agent/reading.ts';
import { waitsForDate } from '../protocol.ts';
import type { Settled } from '../ranges.ts';
import type { ListedSegment } from '../segments/sealed-list.ts';
import type { Extent } from '../segments/segment-format.ts';
import type { BufferView, OpenSegment, ViewedSegment } from './view.ts';

export interface LaneStats {
  readonly stream: Stream;
  /** Not delivered yet. Exact. */
  readonly waiting: number;
  /** Of these: readings that wait until the clock is right. Exact. */
  readonly held: number;
  /** Delivered, and on disk until their segment is removed. */
  readonly settled: number;
  /** When the oldest waiting entry was true. Unix ms. */
  readonly oldestWaitingMs: number | null;
  /** When the newest entry on disk was true. Unix ms. */
  readonly newestMs: number | null;
}

type Frame = Parameters<OpenSegment['decode']>[0];

type Counting = { -readonly [Key in keyof LaneStats]: LaneStats[Key] };

export interface BufferStatsOnDisk {
  readonly lanes: readonly LaneStats[];
  readonly unreadable: readonly { readonly segment: string; readonly why: string }[];
  /** Frames that were looked at and cannot be read. Not all frames are looked at. */
  readonly damagedFrames: number;
}

/** How full each lane is. Sealed segments tell it by their summary, if they are settled as a whole or not at all; of the rest each frame is looked at. */
export function laneStats(view: BufferView): BufferStatsOnDisk {
  const lanes = streams.map((stream): Counting => ({
    stream,
    waiting: 0,
    held: 0,
    settled: 0,
    oldestWaitingMs: null,
    newestMs: null,
  }));
  const unreadable = [...view.unreadable];
  let damagedFrames = 0;
  const guarded = (segment: ViewedSegment, work: (open: OpenSegment) => void): void => {
    try {
      view.use(segment, work);
    } catch (error) {
      unreadable.push({ segment: segment.name, why: messageOf(error) });
    }
  };
  for (const segment of view.segments) {
    if (segment.listed !== null && countListed(segment.listed, view, lanes)) continue;
    guarded(segment, (open) => {
      damagedFrames += countIn(open, view, lanes);
    });
  }
  for (const segment of view.segments.toReversed()) {
    const isUnknown = (lane: Counting, at: number): boolean =>
      lane.newestMs === null && lane.waiting + lane.settled > 0 && segment.listed?.lanes[at] !== null;
    if (lanes.some(isUnknown)) guarded(segment, (open) => findNewest(open, lanes));
  }
  return { lanes, unreadable, damagedFrames };
}

/** Returns how many damaged frames it came upon. */
function countIn({ file, decode }: OpenSegment, { settled, heldFrom }: BufferView, lanes: readonly Counting[]): number {
  const summary = file.summary();
  const heldIn = (at: number): Seq => (heldFrom !== null && waitsForDate(at) ? heldFrom : Infinity);
  const isOpen = lanes.map(
    (lane, at) => summary === null || !countWhole(lane, summary[at] ?? null, settled[at], heldIn(at)),
  );
  const isKnown = (lane: Counting, at: number): boolean =>
    isOpen[at] === false && (lane.oldestWaitingMs !== null || lane.waiting === 0);
  let damagedFrames = 0;
  for (const frame of lanes.every(isKnown) ? [] : file.frames()) {
    const lane = lanes[frame.lane];
    const done = settled[frame.lane];
    const entries = frame.isSound ? decodedOrNull(frame, decode) : null;
    if (!lane || !done || entries === null) {
      damagedFrames += 1;
      continue;
    }
    const waiting = entries.filter(({ seq }) => !done.has(seq));
    if (isOpen[frame.lane] === true) {
      lane.waiting += waiting.length;
      lane.held += waiting.filter(({ seq }) => seq >= heldIn(frame.lane)).length;
      lane.settled += entries.length - waiting.length;
    }
    lane.oldestWaitingMs ??= waiting[0]?.timeMs ?? null;
    if (lanes.every(isKnown)) break;
  }
  return damagedFrames;
}

function decodedOrNull(frame: Frame, decode: OpenSegment['decode']): readonly Kept[] | null {
  try {
    return decode(frame);
  } catch {
    return null;
  }
}

/** True when the list is enough to count the segment; false: nothing was counted. */
function countListed({ lanes: listed }: ListedSegment, { settled, heldFrom }: BufferView, lanes: readonly Counting[]) {
  const counts = lanes.map((lane) => ({ ...lane }));
  const isCounted = counts.every((lane, at) => {
    const held = heldFrom !== null && waitsForDate(at) ? heldFrom : Infinity;
    const isWhole = countWhole(lane, listed[at] ?? null, settled[at], held);
    return isWhole && (lane.oldestWaitingMs !== null || lane.waiting === 0);
  });
  if (isCounted) for (const [at, lane] of lanes.entries()) Object.assign(lane, counts[at]);
  return isCounted;
}

/** True when the summary is enough to count the lane. */
function countWhole(lane: Counting, extent: Extent | null, settled: Settled | undefined, heldFrom: Seq): boolean {
  if (extent === null || settled === undefined) return true;
  if (settled.covers(extent.first, extent.last)) lane.settled += extent.count;
  else if (isUntouched(extent, settled) && (extent.last < heldFrom || extent.first >= heldFrom)) {
    lane.waiting += extent.count;
    if (extent.first >= heldFrom) lane.held += extent.count;
  } else return false;
  return true;
}

function isUntouched({ first, last }: { first: Seq; last: Seq }, settled: Settled): boolean {
  return settled.position < first && settled.ranges.every((range) => range.last < first || range.first > last);
}

function findNewest({ file, decode }: OpenSegment, lanes: readonly Counting[]): void {
  const summary = file.summary();
  const wanted = new Set(lanes.flatMap((lane, at) => (lane.newestMs === null && summary?.[at] !== null ? [at] : [])));
  for (const frame of file.frames(true)) {
    const lane = lanes[frame.lane];
    const newest = frame.isSound && wanted.has(frame.lane) ? decodedOrNull(frame, decode)?.at(-1) : undefined;
    if (lane && newest) {
      lane.newestMs = newest.timeMs;
      wanted.delete(frame.lane);
    }
    if (wanted.size === 0) return;
  }
}
