import type { Clock, Stamp } from '../../agent/clock.ts';
import { messageOf } from '../../agent/errors.ts';
import type { GatewayEvent, Seq } from '../../agent/reading.ts';
import { Dating, holding } from './dating.ts';
import type { Bounds, TrustedInstant, WrongBoot } from './dating.ts';
import type { Dates } from '../frames/frame.ts';

const lookEveryMs = 1_000;
export const defaultHoldMs = 24 * 3_600_000;

export interface HeldParts {
  readonly clock: Clock;
  readonly holdMs: number;
  /** What was kept could not be read: nothing is decided before a start that can. */
  readonly isUnknown: boolean;
  /** Nothing that comes now lies on disk: what is decided is kept in memory, and written before it. */
  readonly isInMemory: () => boolean;
  /** Resolves when they are on disk, or, in memory, will be before what they date. */
  readonly keep: (boots: readonly WrongBoot[]) => Promise<unknown>;
  readonly tell: (event: GatewayEvent) => void;
  /** Resolves when the events told so far are on disk, or cannot be. */
  readonly told: () => Promise<void>;
  /** The newest seq that was given to the disk. */
  readonly newest: () => Seq;
  /** Readings may be sent that had to wait. */
  readonly released: () => void;
  readonly log: (message: string) => void;
  readonly closed: AbortSignal;
}

/** Which readings wait for their date: asks the decisions for it once a second as long as any does, and keeps them before anything is sent by them. */
export class HeldReadings implements Dates {
  readonly #parts: HeldParts;
  readonly #dating: Dating;
  #holdMs: number;
  #until: Seq | null;
  /** Commits that have not returned and bring rows. */
  #keeping = 0;
  #isWatching = false;
  /** What a look has decided is not on disk yet. */
  #isDeciding = false;
  #isHoldTold = false;
  #isTroubleTold = false;

  constructor(parts: HeldParts, kept: readonly WrongBoot[], trusted: TrustedInstant | null) {
    this.#parts = parts;
    this.#holdMs = parts.holdMs;
    this.#dating = new Dating(kept, trusted, parts.holdMs);
    this.#until = this.#dating.heldFrom;
  }

  /** Readings from here on must not be sent yet; null: all may be. */
  get until(): Seq | null {
    return this.#until;
  }

  /** The boot whose readings wait; null: none does. */
  get boot(): WrongBoot | null {
    return this.#dating.held;
  }

  hold(holdMs: number): void {
    this.#holdMs = holdMs;
    this.#dating.holdMs = holdMs;
  }

  offsetOf(boot: string, seq: Seq): number | null {
    return this.#dating.offsetOf(boot, seq);
  }

  /** Between which times lies what the wrong clock of this boot has dated, as far as it is known now. */
  boundsOf(boot: string): Bounds {
    return this.#dating.boundsOf(boot, this.#parts.clock.now());
  }

  /** Readings from `first` on are about to be committed; what is given must be on disk before them. */
  committing(now: Stamp, first: Seq): readonly WrongBoot[] {
    this.#dating.committing(now, first);
    const held = this.#dating.held;
    this.#until ??= held?.heldFrom ?? null;
    // By each start: a kill may have taken the event of the one before.
    if (held !== null && !this.#isHoldTold) this.#parts.tell(holding(held, this.#holdMs));
    this.#isHoldTold = held !== null;
    const changed = this.#dating.takeChanged();
    if (this.#parts.isInMemory()) {
      if (changed.length > 0) void this.#keepInMemory(changed);
      this.#dating.committed(now);
      this.watch();
      return [];
    }
    if (changed.length > 0) this.#keeping += 1;
    return changed;
  }

  async #keepInMemory(changed: readonly WrongBoot[]): Promise<void> {
    try {
      await this.#parts.keep(changed);
    } catch {
      // The disk is back and failed: the next look tries again, and says so.
      this.#dating.giveBack(changed);
    }
  }

  /** `kept`: what `committing` gave for it. */
  committed(now: Stamp, kept: readonly WrongBoot[]): void {
    if (kept.length > 0) this.#keeping -= 1;
    this.#dating.committed(now);
    // What a look had decided and could not keep went along: it is on disk, and no look finds it changed any more.
    const isAllKept = this.#keeping === 0 && !this.#isDeciding && this.#dating.isKept;
    if (kept.length > 0 && isAllKept && this.#until !== this.#dating.heldFrom) {
      this.#until = this.#dating.heldFrom;
      this.#parts.released();
    }
    this.watch();
  }

  /** Goes on until nothing waits and nothing is left to tell. */
  watch(): void {
    if (this.#isWatching || this.#parts.isUnknown || this.#parts.closed.aborted) return;
    this.#isWatching = true;
    void this.#watch().finally(() => {
      this.#isWatching = false;
    });
  }

  async #watch(): Promise<void> {
    const { clock, closed } = this.#parts;
    while (!closed.aborted) {
      await this.#look(clock.now());
      if (!this.#dating.isOpen) return;
      await clock.sleep(lookEveryMs, closed).catch(() => undefined);
    }
  }

  async #look(now: Stamp): Promise<void> {
    const { tell, told, keep, newest, released, log, closed } = this.#parts;
    // Whatever it holds must not overtake what is decided now.
    if (this.#keeping > 0) return;
    const events = this.#dating.decide(now, newest());
    for (const event of events) tell(event);
    const changed = this.#dating.takeChanged();
    if (changed.length === 0) return;
    this.#isDeciding = true;
    try {
      // A decision that is on disk is not made again: what is to be told of it must be there before.
      if (events.length > 0) await told();
      await keep(changed);
      this.#isTroubleTold = false;
    } catch (error) {
      this.#dating.giveBack(changed);
      if (!this.#isTroubleTold && !closed.aborted)
        log(`buffer: how readings are dated could not be kept, they wait: ${messageOf(error)}`);
      this.#isTroubleTold = true;
      return;
    } finally {
      this.#isDeciding = false;
    }
    this.#until = this.#dating.heldFrom;
    released();
  }
}
