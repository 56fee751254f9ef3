import type { Seq } from '../agent/reading.ts';
import { heldFromIn } from './dating/dating.ts';
import type { WrongBoot } from './dating/dating.ts';
import { laneOf } from './protocol.ts';
import type { Described, ReadFrame, ReadFrames, ReadRequest } from './protocol.ts';
import type { Settled } from './ranges.ts';
import { codeOf, damagedRowsIn, isUnreadable } from './segments/segment-errors.ts';
import type { Shelf } from './segments/shelf.ts';
import type { Shelves } from './segments/shelves.ts';

/** Bytes of frames that one answer to a reader may hold. */
const mostReadBytes = 4 * 1024 * 1024;

/**
 * The lane's unsettled frames behind `after`, together about `most` entries. `newest`: the last seq on disk, up to which the reader has seen
 * everything when nothing is left.
 */
export function readBacklog(
  shelves: Shelves,
  settled: Settled,
  newest: Seq,
  { lane, after, most, before, known }: ReadRequest,
): ReadFrames {
  const frames: ReadFrame[] = [];
  const described: Described[] = [];
  let through = after;
  const end = before ?? Infinity;
  let entries = 0;
  let bytes = 0;
  const isEnough = (): boolean => entries >= most || bytes >= mostReadBytes;

  /** True when the segment has given all it has. May be asked again after it has thrown: what it found counts at its end only. */
  function readFrom(shelf: Shelf): boolean {
    const found: ReadFrame[] = [];
    const begun = { through, entries, bytes };
    try {
      for (const frame of shelf.framesAfter(lane, through)) {
        if (isEnough() || frame.first >= end) break;
        through = frame.last;
        if (settled.covers(frame.first, frame.last)) continue;
        const read = readFrame(shelf, lane, frame.first, frame.last, settled);
        if (read === null) {
          // Sound when it was indexed, damaged now.
          if (!shelf.isDistrusted) throw damagedRowsIn(shelf.file, 1);
          shelves.tellFrameLost(shelf, lane, frame);
          continue;
        }
        found.push(read);
        entries += frame.count;
        bytes += read.body.length;
      }
      if (found.length > 0) described.push(shelves.descriptors(shelf, known.get(shelf.name) ?? 0));
    } catch (error) {
      ({ through, entries, bytes } = begun);
      throw error;
    }
    frames.push(...found);
    return !isEnough();
  }

  for (const shelf of shelves.all) {
    const extent = shelf.lanes[lane];
    if (
      !extent ||
      extent.first >= end ||
      shelf.isCondemned ||
      extent.last <= through ||
      settled.covers(extent.first, extent.last)
    )
      continue;
    if (isEnough()) return { frames, through, described };
    const isDone = shelves.use(shelf, () => readFrom(shelf));
    // What is unreadable has been told as lost: the reader passes over it.
    if (isDone === undefined) through = Math.max(through, Math.min(extent.last, end - 1));
    if (isDone === false) return { frames, through, described };
  }
  return { frames, through: Math.max(through, Math.min(newest, end - 1)), described };
}

/** Searching damaged segments for slots would hold a start up. Examined ones are asked. */
const isReady = ({ isExamined }: Shelf): boolean => isExamined;

/** The newest packed slots, the segment that carries them, and all frames of the meter lane that came after, or wait for their date. */
export function readNewestSlots(
  shelves: Shelves,
  boots: readonly WrongBoot[],
): {
  from: Shelf | null;
  slots: Uint8Array | null;
  slotFrames: ReadFrames;
} {
  const heldFrom = heldFromIn(boots);
  for (const shelf of shelves.all.filter(isReady).toReversed()) {
    const slots = useAtStart(shelves, shelf, () => shelf.slots());
    if (slots)
      return { from: shelf, slots: slots.body, slotFrames: readMeters(shelves, Math.min(slots.seq, heldFrom - 1)) };
  }
  return { from: null, slots: null, slotFrames: readMeters(shelves, 0) };
}

function readMeters(shelves: Shelves, after: Seq): ReadFrames {
  const lane = laneOf('meter-readings');
  const frames: ReadFrame[] = [];
  const described: Described[] = [];
  for (const shelf of shelves.all.filter((one) => isReady(one) && (one.lanes[lane]?.last ?? 0) > after))
    useAtStart(shelves, shelf, () => {
      const found = shelf.framesAfter(lane, after).map(({ first, last }) => readFrame(shelf, lane, first, last, null));
      described.push(shelves.descriptors(shelf, 0));
      frames.push(...found.filter((frame) => frame !== null));
    });
  return { frames, through: after, described };
}

/** A reader asks again each second; a start must not end because a part of the disk fails. Row by row, what can be read of it is found later. */
function useAtStart<T>(shelves: Shelves, shelf: Shelf, use: () => T): T | undefined {
  try {
    return shelves.use(shelf, use);
  } catch (error) {
    if (!isUnreadable(error) && codeOf(error) !== 'DISK_FAILED') throw error;
    if (!shelf.isDistrusted) shelf.distrust();
    return undefined;
  }
}

function readFrame(shelf: Shelf, lane: number, first: Seq, last: Seq, settled: Settled | null): ReadFrame | null {
  const body = shelf.read(first);
  if (body === null) return null;
  const ranges = settled === null ? [] : [{ first: 0, last: settled.position }, ...settled.ranges];
  const inside = ranges.filter((range) => range.last >= first && range.first <= last);
  return { epoch: shelf.epoch, segment: shelf.name, lane, first, last, body, settled: inside };
}
