import type { Seq } from '../agent/reading.ts';
import { ByteReader, ByteWriter } from './frames/bytes.ts';

export interface Range {
  readonly first: Seq;
  readonly last: Seq;
}

/** What of a range lies outside of another. */
export function without({ first, last }: Range, hole: Range): Range[] {
  const around = [
    { first, last: Math.min(last, hole.first - 1) },
    { first: Math.max(first, hole.last + 1), last },
  ];
  return around.filter((part) => part.first <= part.last);
}

/** How many ranges beyond the position a row carries. What does not fit counts as unsettled on disk: it is sent again, never lost. */
export const mostRanges = 64;

/**
 * Which seqs of one lane are settled: all up to `position`, and some ranges beyond it. The lanes share one sequence, so a
 * range may span seqs of other lanes; only whether a seq *of this lane* lies inside has meaning.
 */
export class Settled {
  #position: Seq;
  #ranges: Range[];

  constructor(position: Seq = 0, ranges: readonly Range[] = []) {
    this.#position = position;
    this.#ranges = [];
    for (const range of ranges) this.add(range.first, range.last);
  }

  get position(): Seq {
    return this.#position;
  }

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  copy(): Settled {
    return new Settled(this.#position, this.#ranges);
  }

  add(first: Seq, last: Seq): void {
    let from = first;
    let to = last;
    const kept: Range[] = [];
    for (const range of this.#ranges) {
      if (range.last + 1 < from || range.first > to + 1) {
        kept.push(range);
      } else {
        from = Math.min(from, range.first);
        to = Math.max(to, range.last);
      }
    }
    if (from <= this.#position + 1) {
      this.#position = Math.max(this.#position, to);
    } else {
      kept.push({ first: from, last: to });
      kept.sort((a, b) => a.first - b.first);
    }
    this.#ranges = kept.filter((range) => range.last > this.#position);
  }

  /** All that `other` says, too. */
  addAll({ position, ranges }: Pick<Settled, 'position' | 'ranges'>): void {
    this.add(1, position);
    for (const { first, last } of ranges) this.add(first, last);
  }

  /** The highest that is settled. */
  get last(): Seq {
    return this.#ranges.at(-1)?.last ?? this.#position;
  }

  has(seq: Seq): boolean {
    return seq <= this.#position || this.#ranges.some((range) => range.first <= seq && seq <= range.last);
  }

  /** Every seq from `first` to `last` is settled. */
  covers(first: Seq, last: Seq): boolean {
    return last <= this.#position || this.#ranges.some((range) => range.first <= first && last <= range.last);
  }
}

/** Settled positions of all lanes as one field of a row, lanes by their number. */
export function encodeSettled(lanes: readonly Settled[]): Buffer {
  const writer = new ByteWriter();
  writer.unsigned(lanes.length);
  for (const lane of lanes) {
    const ranges = lane.ranges.slice(0, mostRanges);
    writer.unsigned(lane.position);
    writer.unsigned(ranges.length);
    let previous = lane.position;
    for (const range of ranges) {
      writer.unsigned(range.first - previous);
      writer.unsigned(range.last - range.first);
      previous = range.last;
    }
  }
  return Buffer.from(writer.done());
}

/** Reads what `encodeSettled` wrote. Throws RangeError when the bytes end early. */
export function decodeSettled(bytes: Uint8Array): Settled[] {
  const reader = new ByteReader(bytes);
  return Array.from({ length: reader.unsigned() }, () => {
    const position = reader.unsigned();
    let previous = position;
    const ranges = Array.from({ length: reader.unsigned() }, () => {
      const first = previous + reader.unsigned();
      previous = first + reader.unsigned();
      return { first, last: previous };
    });
    return new Settled(position, ranges);
  });
}
