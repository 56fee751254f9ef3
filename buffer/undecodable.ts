import type { DamagedFrame } from './protocol.ts';
import type { Quarantine } from './quarantine.ts';
import type { Shelf } from './shelf.ts';
import type { Shelves } from './shelves.ts';

/** Frames that are sound by their CRC and yet cannot be decoded: told as lost, in one event for many, and their files kept. */
export class Undecodable {
  readonly #shelves: Shelves;
  readonly #quarantine: Quarantine;
  #found: (DamagedFrame & { readonly count: number }) | null = null;

  constructor(shelves: Shelves, quarantine: Quarantine) {
    this.#shelves = shelves;
    this.#quarantine = quarantine;
  }

  get isUntold(): boolean {
    return this.#found !== null;
  }

  /** A reader could not make sense of it. */
  note({ lane, segment, first, last, why }: DamagedFrame): void {
    const shelf = this.#shelves.all.find(({ name }) => name === segment);
    if (shelf) this.keepFile(shelf);
    const count = (shelf && this.#shelves.use(shelf, () => shelf.countAt(lane, first))) ?? last - first + 1;
    const before = this.#found;
    if (before?.segment === segment && before.lane === lane)
      this.#found = { ...before, last, count: before.count + count };
    else {
      this.tell();
      this.#found = { lane, segment, first, last, why, count };
    }
  }

  tell(): void {
    const found = this.#found;
    this.#found = null;
    if (found === null) return;
    const { lane, segment, first, last, count, why } = found;
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
