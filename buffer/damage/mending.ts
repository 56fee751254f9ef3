import { salvagedEvent } from './damage-events.ts';
import type { GatewayEvent } from '../../agent/reading.ts';
import type { Quarantine } from './quarantine.ts';
import type { Settled } from '../ranges.ts';
import { salvage } from './salvage.ts';
import { copyTail } from '../segments/segment-copy.ts';
import { sizeOf } from '../segments/segment-files.ts';
import type { Extent } from '../segments/segment-format.ts';
import type { Shelf } from '../segments/shelf.ts';
import type { Shelves } from '../segments/shelves.ts';
import type { Undecodable } from './undecodable.ts';

/** After a salvage that found no room or failed. Until then the segment is read as it is. */
const salvageAgainMs = 60_000;
/** What one step of confirming may take: a commit that waits goes next. */
const confirmMs = 10;

interface Salvaging {
  readonly shelf: Shelf;
  readonly steps: Generator<undefined, void>;
}

export interface MendingParts {
  readonly shelves: Shelves;
  readonly undecodable: Undecodable;
  readonly quarantine: Quarantine;
  readonly settled: readonly Settled[];
  readonly tell: (event: GatewayEvent) => void;
}

/** What can wait for commits and readers: damaged segments that nobody has come to are examined, and what can be read of them is written anew. */
export class Mending {
  readonly #parts: MendingParts;
  #salvage: Salvaging | null = null;
  #salvageAgainMs = -Infinity;

  constructor(parts: MendingParts) {
    this.#parts = parts;
  }

  /** Of a segment that is being written anew. */
  get bytes(): number {
    return this.#salvage === null ? 0 : sizeOf(this.#salvage.shelf.file + copyTail);
  }

  /** There is something to do for `step`. */
  get isNeeded(): boolean {
    if (this.#parts.undecodable.isUntold || this.#salvage !== null) return true;
    const isNow = performance.now() >= this.#salvageAgainMs;
    return this.#parts.shelves.all.some(
      ({ isExamined, isConfirmed, isDistrusted, isCondemned }) =>
        !isCondemned && (!isExamined || !isConfirmed || (isDistrusted && isNow)),
    );
  }

  /** False: there is nothing to do now. May throw what may pass. `hasRoom`: for so many bytes within the quota. */
  step(hasRoom: (bytes: number) => boolean): boolean {
    const { shelves, undecodable, quarantine, tell } = this.#parts;
    undecodable.tell();
    const unexamined = shelves.all.find(({ isExamined, isCondemned }) => !isExamined && !isCondemned);
    if (unexamined) {
      shelves.use(unexamined, () => undefined);
      return true;
    }
    if (this.#confirmed()) return true;
    const begun = this.#salvage ?? this.#begin(hasRoom);
    if (begun === null) return false;
    try {
      const isThere = shelves.all.includes(begun.shelf);
      if (isThere && begun.steps.next().done !== true) return true;
      this.end();
      if (isThere) {
        shelves.listSealed(begun.shelf);
        tell(salvagedEvent(begun.shelf, quarantine.folder));
      }
    } catch (error) {
      this.end();
      this.#salvageAgainMs = performance.now() + salvageAgainMs;
      throw error;
    }
    return true;
  }

  /** Segments of which only a list told what they hold are opened, as a start would do without it. False: none is left. */
  #confirmed(): boolean {
    const { shelves } = this.#parts;
    const untilMs = performance.now() + confirmMs;
    let isAny = false;
    for (const shelf of shelves.all.filter(({ isConfirmed, isCondemned }) => !isConfirmed && !isCondemned)) {
      isAny = true;
      try {
        shelf.confirm();
      } catch {
        // As a reader meets it: what passes is asked again, damage is told.
        shelves.use(shelf, () => shelf.confirm());
      }
      if (performance.now() > untilMs) break;
    }
    return isAny;
  }

  /** What was begun is as if it had not been. */
  end(): void {
    this.#salvage?.steps.return();
    this.#salvage = null;
  }

  #begin(hasRoom: (bytes: number) => boolean): Salvaging | null {
    const { shelves, quarantine, settled } = this.#parts;
    if (performance.now() < this.#salvageAgainMs) return null;
    const shelf = shelves.all.find((one) => one.isDistrusted && one.isExamined && !one.isCondemned);
    if (shelf === undefined) return null;
    const described = hasRoom(shelf.bytes) ? shelves.use(shelf, () => shelves.descriptors(shelf, 0)) : undefined;
    if (described === undefined) {
      this.#salvageAgainMs = performance.now() + salvageAgainMs;
      return null;
    }
    const { packed } = described;
    const lost = (lane: number, frame: Extent): void => shelves.tellFrameLost(shelf, lane, frame);
    const steps = salvage({ shelf, packed, settled, quarantine, lost });
    this.#salvage = { shelf, steps };
    return this.#salvage;
  }
}
