import type { PointInfo } from '../../agent/reading.ts';
import { unpackDescriptors } from '../segments/segment-format.ts';

/** Descriptors that stay known when no reader stands in their segment: those of a large site. */
const mostKnown = 20_000;

/**
 * What readings say besides their value, out of the packed rows of segments. All segments of an epoch carry nearly the same: rows of the same bytes are
 * unpacked once, and descriptors of the same text are one object, so that a backlog of many segments costs no more than one of few.
 */
export class Points {
  readonly #mostKnown: number;
  /** By their bytes, the one used last at the end. */
  readonly #rows = new Map<string, ReadonlyMap<number, PointInfo>>();
  #inRows = 0;
  readonly #byText = new Map<string, PointInfo>();

  constructor(most = mostKnown) {
    this.#mostKnown = most;
  }

  /** By their number in the epoch; the later row holds. One that cannot be unpacked gives nothing: whoever misses its descriptors tells. */
  of(packed: readonly Uint8Array[]): Map<number, PointInfo> {
    const points = new Map<number, PointInfo>();
    for (const row of packed) for (const [id, point] of this.#row(row)) points.set(id, point);
    return points;
  }

  #row(row: Uint8Array): ReadonlyMap<number, PointInfo> {
    const name = Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString('latin1');
    const points = this.#rows.get(name) ?? this.#unpacked(row);
    if (this.#rows.delete(name)) this.#inRows -= points.size;
    this.#rows.set(name, points);
    this.#inRows += points.size;
    for (const [oldest, { size }] of this.#rows) {
      if (this.#inRows <= this.#mostKnown || oldest === name) break;
      this.#rows.delete(oldest);
      this.#inRows -= size;
    }
    return points;
  }

  #unpacked(row: Uint8Array): ReadonlyMap<number, PointInfo> {
    try {
      return new Map(unpackDescriptors(row).map(({ id, json }) => [id, this.#point(json)]));
    } catch {
      return new Map();
    }
  }

  #point(json: string): PointInfo {
    const known = this.#byText.get(json);
    if (known) return known;
    const point = JSON.parse(json) as PointInfo;
    if (this.#byText.size >= this.#mostKnown) this.#byText.clear();
    this.#byText.set(json, point);
    return point;
  }
}
