import type { Stamp } from '../../agent/clock.ts';
import type { GatewayEvent, Seq } from '../../agent/reading.ts';

/** An instant whose wall time was known to be right. */
export interface TrustedInstant {
  /** '': that of an earlier boot, not known which. */
  readonly boot: string;
  readonly bootMs: number;
  readonly wallMs: number;
}

/** Between which times something lies; null: not known. Unix ms. */
export interface Bounds {
  readonly afterMs: number | null;
  readonly beforeMs: number | null;
}

/** A boot whose clock was known to be wrong, and how its readings are dated. On disk before any of them is sent; what it says of a sent one never changes. */
export interface WrongBoot {
  readonly boot: string;
  /** The first commit of readings that were made with the wrong clock. `wallMs`: what that clock showed. */
  readonly first: { readonly seq: Seq; readonly bootMs: number; readonly wallMs: number };
  /** The newest right time before; null: none is known. */
  readonly trustedBefore: TrustedInstant | null;
  /** Readings from here on wait for their date; null: none does. */
  readonly heldFrom: Seq | null;
  /** Readings up to here were dated by the wrong clock, and marked; 0: none. */
  readonly givenUp: Seq;
  /** When the newest of those was made, at the latest; null: not known. */
  readonly givenUpBootMs: number | null;
  /** An instant of this boot at which its clock was right: what was not given up is dated by it. */
  readonly sync: { readonly bootMs: number; readonly wallMs: number } | null;
  /** What lies up to `through` had been read by `bootMs`. The oldest first, none for what was given up. */
  readonly marks: readonly { readonly through: Seq; readonly bootMs: number }[];
  /** It is known, and told, between which times lies what was given up. */
  readonly isBounded: boolean;
  /** The boot is over, and nothing of it lies behind this; null: it goes on. */
  readonly over: Seq | null;
}

/** How much of the longest holding passes between two marks: so much later than asked for it may end. */
const marksPerHold = 24;
const leastMarkMs = 1_000;

/**
 * Decides how readings are dated that were made while the clock was known to be wrong (DESIGN section 7, "Time"): held until their boot's clock is
 * right, then dated by boot time; given up when the boot is over, when nobody can say any more that the clock is wrong, or when they were held long
 * enough. What is held is always the newest of its lane, so nothing waits behind it. Knows no clock and no disk: who calls keeps what it changes.
 */
export class Dating {
  readonly #boots: Map<string, WrongBoot>;
  #holdMs: number;
  /** Of a boot, by the newest of its commits with a right clock. */
  #trusted: TrustedInstant | null;
  #changed = new Set<string>();

  constructor(kept: readonly WrongBoot[], trusted: TrustedInstant | null, holdMs: number) {
    this.#boots = new Map(kept.map((boot) => [boot.boot, boot]));
    this.#trusted = trusted;
    this.#holdMs = holdMs;
  }

  set holdMs(holdMs: number) {
    this.#holdMs = holdMs;
  }

  get trusted(): TrustedInstant | null {
    return this.#trusted;
  }

  /** The first reading that waits for its date; null: none does. */
  get heldFrom(): Seq | null {
    return this.#held?.heldFrom ?? null;
  }

  /** The boot whose readings wait, for those who want to know why. */
  get held(): WrongBoot | null {
    return this.#held;
  }

  /** Something is still to be decided or told. */
  get isOpen(): boolean {
    return [...this.#boots.values()].some((boot) => boot.heldFrom !== null || !boot.isBounded);
  }

  /** What to add to the boot time of a reading that was made with a wrong clock; null: it keeps the date of that clock. */
  offsetOf(boot: string, seq: Seq): number | null {
    return offsetIn(this.#boots.get(boot), seq);
  }

  /** Between which times lies what the wrong clock of this boot has dated. */
  boundsOf(name: string, now: Stamp): Bounds {
    const boot = this.#boots.get(name);
    const isRight = now.trust === 'synced';
    const beganMs = now.wallMs - now.bootMs;
    if (name !== now.boot) return { afterMs: boot ? afterMsOf(boot) : null, beforeMs: isRight ? beganMs : null };
    const firstMs = boot?.first.bootMs ?? 0;
    return isRight
      ? { afterMs: beganMs + firstMs, beforeMs: now.wallMs }
      : { afterMs: boot ? afterMsOf(boot) : null, beforeMs: null };
  }

  /** Readings from `first` on are about to be committed. What has changed must be on disk before them. */
  committing(now: Stamp, first: Seq): void {
    if (now.trust !== 'unsynced') return;
    const known = this.#boots.get(now.boot);
    if (known !== undefined && known.heldFrom !== null) {
      this.#mark(known, now, first);
      return;
    }
    if (known !== undefined && known.sync !== null) return;
    // Right before in this very boot, so that nothing need wait.
    const sync = this.#trusted?.boot === now.boot ? this.#trusted : null;
    if (this.#holdMs === 0 && sync === null) return;
    this.#put({
      boot: now.boot,
      first: known?.first ?? { seq: first, bootMs: now.bootMs, wallMs: now.wallMs },
      trustedBefore: known?.trustedBefore ?? this.#trusted,
      heldFrom: sync === null ? first : null,
      givenUp: first - 1,
      givenUpBootMs: known?.givenUpBootMs ?? null,
      sync: sync === null ? null : { bootMs: sync.bootMs, wallMs: sync.wallMs },
      marks: [],
      isBounded: sync !== null,
      over: null,
    });
  }

  /** Something was committed: a later time that is right. */
  committed(now: Stamp): void {
    if (now.trust === 'synced') this.#trusted = { boot: now.boot, bootMs: now.bootMs, wallMs: now.wallMs };
  }

  /** What can be decided by now. `last`: the newest seq that was given to the disk. The events must be kept before what has changed is. */
  decide(now: Stamp, last: Seq): GatewayEvent[] {
    return [...this.#boots.values()].flatMap((boot) => this.#decideOne(boot, now, last));
  }

  /** Boots whose row on disk is not what holds now. Whoever takes them keeps them, or gives them back. */
  takeChanged(): WrongBoot[] {
    const changed = [...this.#changed].flatMap((boot) => this.#boots.get(boot) ?? []);
    this.#changed = new Set();
    return changed;
  }

  /** No row on disk is another than what holds now, as far as they were taken. */
  get isKept(): boolean {
    return this.#changed.size === 0;
  }

  /** They could not be kept. */
  giveBack(boots: readonly WrongBoot[]): void {
    for (const { boot } of boots) this.#changed.add(boot);
  }

  get #held(): WrongBoot | null {
    let held: WrongBoot | null = null;
    for (const boot of this.#boots.values())
      if (boot.heldFrom !== null && boot.heldFrom < (held?.heldFrom ?? Infinity)) held = boot;
    return held;
  }

  #mark(held: WrongBoot, now: Stamp, first: Seq): void {
    const markedMs = held.marks.at(-1)?.bootMs ?? held.first.bootMs;
    if (now.bootMs - markedMs < Math.max(leastMarkMs, this.#holdMs / marksPerHold)) return;
    this.#put({ ...held, marks: [...held.marks, { through: first - 1, bootMs: now.bootMs }] });
  }

  #put(boot: WrongBoot): void {
    this.#boots.set(boot.boot, boot);
    this.#changed.add(boot.boot);
  }

  #decideOne(known: WrongBoot, now: Stamp, last: Seq): GatewayEvent[] {
    const events: GatewayEvent[] = [];
    let boot = known;
    const isOwn = boot.boot === now.boot;
    if (!isOwn && boot.over === null) boot = { ...boot, over: last };
    if (boot.heldFrom !== null && isOwn && now.trust === 'synced') {
      boot = { ...boot, heldFrom: null, marks: [], sync: { bootMs: now.bootMs, wallMs: now.wallMs } };
      events.push(corrected(boot, known.heldFrom ?? 0, last));
    } else if (boot.heldFrom !== null && (!isOwn || now.trust !== 'unsynced')) {
      boot = { ...boot, heldFrom: null, marks: [], givenUp: last, givenUpBootMs: isOwn ? now.bootMs : null };
      events.push(givenUp(boot, isOwn ? 'nobody can say any more whether the clock is right' : 'that boot is over'));
    } else if (boot.heldFrom !== null) {
      const passed = boot.marks.filter(({ bootMs }) => bootMs <= now.bootMs - this.#holdMs);
      const through = this.#holdMs === 0 ? last : passed.at(-1)?.through;
      if (through !== undefined && through >= boot.heldFrom) {
        const isFirst = boot.givenUp < boot.first.seq;
        const givenUpBootMs = passed.at(-1)?.bootMs ?? now.bootMs;
        const marks = boot.marks.slice(passed.length);
        boot = { ...boot, heldFrom: through + 1, givenUp: through, givenUpBootMs, marks };
        if (isFirst) events.push(givenUp(boot, 'they were held as long as clock.hold says'));
      }
    }
    if (!boot.isBounded && now.trust === 'synced') {
      boot = { ...boot, isBounded: true };
      if (boot.givenUp >= boot.first.seq) events.push(bounded(boot, now));
    }
    if (boot !== known) this.#put(boot);
    return events;
  }
}

/** From which seq on readings wait for their date; Infinity: none does. */
export function heldFromIn(boots: Iterable<WrongBoot>): Seq {
  return Math.min(...Array.from(boots, ({ heldFrom }) => heldFrom ?? Infinity));
}

/** What to add to the boot time of this boot's reading; null: it keeps the date of the wrong clock. */
export function offsetIn(boot: WrongBoot | undefined, seq: Seq): number | null {
  if (boot === undefined || boot.sync === null || seq <= boot.givenUp || seq < boot.first.seq) return null;
  return boot.sync.wallMs - boot.sync.bootMs;
}

/**
 * What is to be kept of a boot. `row` may have been begun by a start that could not read what lies on disk (`kept`): of readings made before it that one alone
 * knows, and as long as they wait or have their date, the same holds for those behind them.
 */
export function joinedRows(kept: WrongBoot | undefined, row: WrongBoot): WrongBoot {
  if (kept === undefined || row.first.seq <= kept.first.seq) return row;
  if (kept.heldFrom !== null || kept.sync !== null) return kept;
  const { first, trustedBefore, givenUpBootMs } = kept;
  return { ...row, first, trustedBefore, givenUpBootMs };
}

/** Told when a boot begins to hold. */
export function holding({ boot, first }: WrongBoot, holdMs: number): GatewayEvent {
  return {
    event: 'clock-step',
    severity: 'warning',
    message: `The clock of this machine is known to be wrong. Its readings are kept and not sent until it is right, for ${holdMs / 3_600_000} h at most (clock.hold). See that its time service reaches a server.`,
    facts: { readings: 'held', boot, firstSeq: first.seq },
  };
}

function corrected(boot: WrongBoot, firstSeq: Seq, lastSeq: Seq): GatewayEvent {
  const { sync, first } = boot;
  const offsetMs = sync === null ? 0 : sync.wallMs - sync.bootMs;
  const trueFrom = iso(offsetMs + first.bootMs);
  return {
    event: 'clock-step',
    severity: 'info',
    message: `The clock of this machine is right now. Readings made since ${trueFrom} with a wrong clock are dated by the time since the boot, and sent as "corrected".`,
    facts: { readings: 'corrected', boot: boot.boot, firstSeq, lastSeq, trueFrom, wrongFrom: iso(first.wallMs) },
  };
}

function givenUp(boot: WrongBoot, why: string): GatewayEvent {
  return {
    event: 'clock-step',
    severity: 'warning',
    message: `Readings that were made with a wrong clock are sent with its time, marked "unsynced": ${why}.`,
    facts: { ...ofGivenUp(boot), trueBefore: null, reason: why },
  };
}

/** The boot began after the newest right time of one before it, and was over before the first right time of one behind it began. */
function bounded(boot: WrongBoot, now: Stamp): GatewayEvent {
  const offsetMs = now.wallMs - now.bootMs;
  const isOwn = boot.boot === now.boot;
  const said = ofGivenUp(boot);
  const trueBefore = iso(offsetMs + (isOwn ? (boot.givenUpBootMs ?? now.bootMs) : 0));
  const trueAfter = isOwn ? iso(offsetMs + boot.first.bootMs) : said.trueAfter;
  const after = trueAfter === null ? '' : `after ${trueAfter} and `;
  return {
    event: 'clock-step',
    severity: 'info',
    message: `Readings that were sent with the time of a wrong clock ("unsynced") were made ${after}before ${trueBefore}; how far apart, their times tell.`,
    facts: { ...said, trueAfter, trueBefore },
  };
}

/** The newest right time before; what was right in another boot was so before this one began. null: none is known. */
function afterMsOf({ boot, first, trustedBefore }: WrongBoot): number | null {
  return trustedBefore === null ? null : trustedBefore.wallMs + (trustedBefore.boot === boot ? 0 : first.bootMs);
}

function ofGivenUp(wrong: WrongBoot) {
  const { boot, first, givenUp: lastSeq } = wrong;
  const afterMs = afterMsOf(wrong);
  return {
    readings: 'unsynced',
    boot,
    firstSeq: first.seq,
    lastSeq,
    wrongFrom: iso(first.wallMs),
    trueAfter: afterMs === null ? null : iso(afterMs),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
