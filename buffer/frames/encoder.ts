import type { Stamp } from '../../agent/clock.ts';
import type { PointInfo, Stream } from '../../agent/reading.ts';
import { encodeFrame } from './frame.ts';
import type { Numbered } from './frame.ts';
import { laneOf } from '../protocol.ts';
import type { Descriptor, FrameBytes } from '../protocol.ts';

/** Frames as the writer takes them, with descriptors numbered within the epoch. */
export class FrameEncoder {
  readonly #ids = new Map<string, number>();
  #described: Descriptor[] = [];

  /** `entries`: of one lane, in order, not empty. */
  encode(anchor: Stamp, stream: Stream, entries: readonly Numbered[]): FrameBytes {
    const points = new Set<number>();
    const body = encodeFrame(anchor, entries, (point) => {
      const id = this.#idOf(point);
      points.add(id);
      return id;
    });
    const first = entries[0]?.seq ?? 0;
    const last = entries.at(-1)?.seq ?? 0;
    return { lane: laneOf(stream), first, last, count: entries.length, body, points: [...points] };
  }

  /** Descriptors first used since this was last asked. */
  takeDescribed(): Descriptor[] {
    const described = this.#described;
    this.#described = [];
    return described;
  }

  #idOf(point: PointInfo): number {
    const known = this.#ids.get(point.hash);
    if (known !== undefined) return known;
    const id = this.#ids.size + 1;
    this.#ids.set(point.hash, id);
    this.#described.push({ id, json: JSON.stringify(point) });
    return id;
  }
}
