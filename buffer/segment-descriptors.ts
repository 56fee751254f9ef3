import type { PointInfo } from '../agent/reading.ts';
import type { Described } from './protocol.ts';

/** Segments whose descriptors stay known: readers of a few lanes each stand in one or two. */
const mostSegments = 8;

/** The descriptors of segments that are being read, by their number in the segment. */
export class SegmentDescriptors {
  readonly #segments = new Map<string, { points: Map<number, PointInfo>; last: number }>();

  /** Per segment the row up to which it is known. */
  known(): Map<string, number> {
    return new Map([...this.#segments].map(([segment, { last }]) => [segment, last]));
  }

  add(described: readonly Described[]): void {
    for (const { segment, descriptors, last } of described) {
      const entry = this.#segments.get(segment) ?? { points: new Map<number, PointInfo>(), last };
      for (const { id, json } of descriptors) entry.points.set(id, JSON.parse(json) as PointInfo);
      entry.last = last;
      // The one used last goes to the end.
      this.#segments.delete(segment);
      this.#segments.set(segment, entry);
    }
    for (const segment of [...this.#segments.keys()].slice(0, -mostSegments)) this.#segments.delete(segment);
  }

  point(segment: string, id: number): PointInfo {
    const point = this.#segments.get(segment)?.points.get(id);
    if (!point) throw new RangeError(`segment ${segment} carries no descriptor ${id}`);
    return point;
  }

  clear(): void {
    this.#segments.clear();
  }
}
