import { messageOf } from '../../agent/errors.ts';
import type { Kept, PointInfo, Seq, Stream } from '../../agent/reading.ts';
import { decodeFrame } from './frame.ts';
import type { Dates } from './frame.ts';
import { Points } from './points.ts';
import type { Described, ReadFrame, ReadFrames } from '../protocol.ts';

/** Segments whose descriptors stay known: readers of a few lanes each stand in one or two. */
const mostSegments = 8;

export interface DecodedFrame {
  readonly segment: string;
  readonly first: Seq;
  readonly last: Seq;
  /** Those not settled yet. */
  readonly entries: readonly Kept[];
  /** Why the frame, though sound by its CRC, cannot be read; null: it can. */
  readonly damage: string | null;
}

/** Frames as the writer gives them to one reader, back to entries. Keeps the descriptors of segments that are being read. */
export class FrameDecoder {
  readonly #segments = new Map<string, { points: Map<number, PointInfo>; last: number }>();
  readonly #dates: Dates;
  readonly #points: Points;

  /** `points`: shared by all that read the same buffer. */
  constructor(dates: Dates, points = new Points()) {
    this.#dates = dates;
    this.#points = points;
  }

  /** Per segment the row up to which its descriptors are known. */
  known(): Map<string, number> {
    return new Map([...this.#segments].map(([segment, { last }]) => [segment, last]));
  }

  decode(stream: Stream, found: ReadFrames): DecodedFrame[] {
    return [...this.decodeEach(stream, found)];
  }

  /** One frame after the other, for whoever keeps next to nothing of what may be hundreds of thousands of entries. */
  *decodeEach(stream: Stream, found: ReadFrames): Generator<DecodedFrame, void> {
    for (const described of found.described) this.#learn(described);
    for (const frame of found.frames) yield this.#decodeOne(stream, frame);
    for (const segment of [...this.#segments.keys()].slice(0, -mostSegments)) this.#segments.delete(segment);
  }

  #learn({ segment, packed, last }: Described): void {
    const told = this.#points.of(packed);
    const known = this.#segments.get(segment) ?? { points: told, last };
    if (known.points !== told) for (const [id, point] of told) known.points.set(id, point);
    known.last = last;
    // The one used last goes to the end.
    this.#segments.delete(segment);
    this.#segments.set(segment, known);
  }

  #decodeOne(stream: Stream, frame: ReadFrame): DecodedFrame {
    const { segment, first, last } = frame;
    const points = this.#segments.get(segment)?.points;
    const describe = (id: number): PointInfo => {
      const point = points?.get(id);
      if (!point) throw new RangeError(`the segment carries no descriptor ${id}`);
      return point;
    };
    try {
      const entries = decodeFrame(frame.body, { epoch: frame.epoch, stream, describe, dates: this.#dates });
      const isUnsettled = ({ seq }: Kept): boolean =>
        frame.settled.every((range) => seq < range.first || seq > range.last);
      return { segment, first, last, entries: entries.filter(isUnsettled), damage: null };
    } catch (error) {
      return { segment, first, last, entries: [], damage: messageOf(error) };
    }
  }
}
