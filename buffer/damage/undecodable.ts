import type { DamagedFrame } from '../protocol.ts';
import type { Quarantine } from './quarantine.ts';
import type { Shelf } from '../segments/shelf.ts';
import type { Shelves } from '../segments/shelves.ts';
import { Untold } from './untold.ts';

type Found = DamagedFrame & { readonly count: number };
/** Frames that are sound by their CRC and yet cannot be decoded: told as lost, in one event for many, and their files kept. They count as delivered with the batch behind them,
 * so what is not told yet lies on disk. */
export class Undecodable {
  readonly #shelves: Shelves;
  readonly #quarantine: Quarantine;
  readonly #untold: Untold<Found>;
  #found: Found | null = null;
  #frames = 0;
  #isBehind = false;

  constructor(folder: string, shelves: Shelves, quarantine: Quarantine) {
    this.#shelves = shelves;
    this.#quarantine = quarantine;
    this.#untold = new Untold(folder, 'undecodable.json');
  }

  /** What an earlier start did not come to tell, with the events of this one's start. */
  tellEarlier(): void {
    for (const found of this.#untold.found().values()) this.#tellOne(found);
    this.#untold.forget();
  }

  get isUntold(): boolean {
    return this.#found !== null;
  }

  /** A reader could not make sense of it. */
  note(frame: DamagedFrame): void {
    const { lane, segment, first, last } = frame;
    const shelf = this.#shelves.all.find(({ name }) => name === segment);
    if (shelf) this.keepFile(shelf);
    const count = this.#shelves.countOf(frame);
    // By what made room before a reader came to it.
    if (shelf?.noteLost(lane, { first, last, count }) === false) return;
    const before = this.#found;
    if (before?.segment === segment && before.lane === lane)
      this.#found = { ...before, last, count: before.count + count };
    else {
      this.tell();
      this.#found = { ...frame, count };
      this.#frames = 0;
    }
    // A whole segment may be like that: not a sync for each.
    this.#isBehind = true;
    if (Number.isInteger(Math.log2(++this.#frames))) this.keepRest();
  }

  /** All that is not told yet is on disk: before a commit says that it is settled. */
  keepRest(): void {
    if (this.#isBehind && this.#found !== null) this.#untold.keep(new Map([[this.#found.segment, this.#found]]));
    this.#isBehind = false;
  }

  tell(): void {
    const found = this.#found;
    this.#found = null;
    if (found === null) return;
    this.#tellOne(found);
    this.#untold.forget();
  }

  #tellOne({ lane, segment, first, last, count, why }: Found): void {
    this.#shelves.tellLost(
      lane,
      first,
      last,
      count,
      `frames in segment ${segment} cannot be decoded (${why}); the file is kept`,
    );
  }

  /** For people, whatever becomes of the segment. */
  keepFile(shelf: Shelf): void {
    if (shelf.isDamaged) return;
    shelf.isDamaged = true;
    // A later start knows nothing of it: it would be removed like any other when the rest is delivered.
    if (!shelf.isSealed || shelf.isDistrusted) return;
    try {
      this.#quarantine.keep(shelf.file);
    } catch {
      // No room: it is moved when the rest is delivered.
    }
  }
}
