import type { Kept, Seq } from '../agent/reading.ts';

interface RecentFrame {
  readonly last: Seq;
  readonly entries: readonly Kept[];
}

/** The newest committed frames of one lane, so that a forwarder that keeps up never reads the disk. Bounded; the oldest go first. */
export class Recent {
  readonly #most: number;
  #frames: RecentFrame[] = [];
  #entries = 0;
  /** All frames of the lane that end behind it are here. */
  #base: Seq;

  constructor(base: Seq, mostEntries: number) {
    this.#base = base;
    this.#most = mostEntries;
  }

  /** Nothing of the lane behind `after` is on disk only. */
  reaches(after: Seq): boolean {
    return after >= this.#base;
  }

  /** All of the lane up to here was dropped from memory. */
  get base(): Seq {
    return this.#base;
  }

  /** `isOnlyHere`: it lies nowhere else, so that nothing gives way to it. */
  add(frame: RecentFrame, isOnlyHere = false): void {
    this.#frames.push(frame);
    this.#entries += frame.entries.length;
    if (isOnlyHere) return;
    while (this.#entries > this.#most) this.#drop();
  }

  /** A frame up to here is on disk only. */
  skip(last: Seq): void {
    this.#frames = [];
    this.#entries = 0;
    this.#base = Math.max(this.#base, last);
  }

  /** Whole frames behind `after`, together about `mostEntries`. */
  take(after: Seq, mostEntries: number): { entries: Kept[]; through: Seq } | null {
    const entries: Kept[] = [];
    let through = after;
    for (const frame of this.#frames) {
      if (frame.last <= after) continue;
      if (entries.length >= mostEntries) break;
      entries.push(...(frame.last > after ? frame.entries.filter((entry) => entry.seq > after) : []));
      through = frame.last;
    }
    return entries.length === 0 ? null : { entries, through };
  }

  /** All up to here has been settled. */
  forget(through: Seq): void {
    while ((this.#frames[0]?.last ?? Infinity) <= through) this.#drop();
  }

  #drop(): void {
    const frame = this.#frames.shift();
    if (!frame) return;
    this.#entries -= frame.entries.length;
    this.#base = Math.max(this.#base, frame.last);
  }
}
