import { messageOf } from '../agent/errors.ts';
import type { GatewayEvent, Kept, PointInfo, Seq, Stream } from '../agent/reading.ts';
import { decodeFrame } from './frame.ts';
import type { Described, ReadFrame, ReadFrames } from './protocol.ts';

/** Segments whose descriptors stay known: readers of a few lanes each stand in one or two. */
const mostSegments = 8;

export interface DecodedFrame {
  readonly first: Seq;
  readonly last: Seq;
  /** Those not settled yet; null: the frame is sound by its CRC, yet not to be read. That has been told as loss. */
  readonly entries: readonly Kept[] | null;
}

/** Frames as the writer gives them, back to entries. Keeps the descriptors of segments that are being read. */
export class FrameDecoder {
  readonly #segments = new Map<string, { points: Map<number, PointInfo>; last: number }>();
  readonly #event: (event: GatewayEvent) => void;

  constructor(event: (event: GatewayEvent) => void) {
    this.#event = event;
  }

  /** Per segment the row up to which its descriptors are known. */
  known(): Map<string, number> {
    return new Map([...this.#segments].map(([segment, { last }]) => [segment, last]));
  }

  decode(stream: Stream, found: ReadFrames): DecodedFrame[] {
    for (const described of found.described) this.#learn(described);
    const frames = found.frames.map((frame) => ({
      first: frame.first,
      last: frame.last,
      entries: this.#entries(stream, frame),
    }));
    for (const segment of [...this.#segments.keys()].slice(0, -mostSegments)) this.#segments.delete(segment);
    return frames;
  }

  #learn({ segment, descriptors, last }: Described): void {
    const known = this.#segments.get(segment) ?? { points: new Map<number, PointInfo>(), last };
    for (const { id, json } of descriptors) known.points.set(id, JSON.parse(json) as PointInfo);
    known.last = last;
    // The one used last goes to the end.
    this.#segments.delete(segment);
    this.#segments.set(segment, known);
  }

  #entries(stream: Stream, frame: ReadFrame): Kept[] | null {
    const points = this.#segments.get(frame.segment)?.points;
    const describe = (id: number): PointInfo => {
      const point = points?.get(id);
      if (!point) throw new RangeError(`segment ${frame.segment} carries no descriptor ${id}`);
      return point;
    };
    try {
      const entries = decodeFrame(frame.body, { epoch: frame.epoch, stream, describe });
      return entries.filter(({ seq }) => frame.settled.every(({ first, last }) => seq < first || seq > last));
    } catch (error) {
      this.#event({
        event: 'loss',
        severity: 'error',
        message: `A frame of ${stream} in buffer segment ${frame.segment} cannot be decoded: ${messageOf(error)}. Keep the file.`,
        facts: { stream, segment: frame.segment, firstSeq: frame.first, lastSeq: frame.last },
      });
      return null;
    }
  }
}
