const HOUR_MS = 3_600_000;

/** The instants at which a point is polled, on the wall clock. Unix ms; pure: the same wall time, the same slots. */
export interface Schedule {
  /** Equal keys name the same slots: such points are polled together. */
  readonly key: string;
  /** The usual distance of two slots. */
  readonly everyMs: number;
  slotAtOrBefore(wallMs: number): number;
  slotAfter(wallMs: number): number;
}

/** Slots every `everyMs` (under 1 h, a divisor of it), counted from the full hour in UTC. Unix time is, so it needs no calendar. */
export function fromFullHour(everyMs: number): Schedule {
  if (!(everyMs > 0 && everyMs < HOUR_MS && HOUR_MS % everyMs === 0)) {
    throw new RangeError(`every is ${everyMs} ms; allowed: under 1 h and a divisor of it, such as 1s, 10s, 1m, 15m`);
  }
  const slotAtOrBefore = (wallMs: number): number => Math.floor(wallMs / everyMs) * everyMs;
  return {
    key: `${everyMs}`,
    everyMs,
    slotAtOrBefore,
    slotAfter: (wallMs) => slotAtOrBefore(wallMs) + everyMs,
  };
}

/** The newest `most` slots in (afterMs, uptoMs], oldest first, and whether there were older ones. */
export function slotsBetween(
  schedule: Schedule,
  afterMs: number,
  uptoMs: number,
  most: number,
): { slots: number[]; more: boolean } {
  const slots: number[] = [];
  let slotMs = schedule.slotAtOrBefore(uptoMs);
  for (; slotMs > afterMs && slots.length < most; slotMs = schedule.slotAtOrBefore(slotMs - 1)) slots.push(slotMs);
  return { slots: slots.toReversed(), more: slotMs > afterMs };
}

/**
 * Which slots have been answered. Neighbouring slots merge to one range, so years of polling are one range and each step of the
 * clock adds one more at most; of more than 100 the oldest is forgotten.
 */
export class SlotSet {
  readonly #schedule: Schedule;
  readonly #ranges: { fromMs: number; toMs: number }[] = [];

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  has(slotMs: number): boolean {
    return this.#ranges.some((range) => slotMs >= range.fromMs && slotMs <= range.toMs);
  }

  add(slotMs: number): void {
    const newest = this.#ranges.at(-1);
    if (newest !== undefined && this.#schedule.slotAfter(newest.toMs) === slotMs) newest.toMs = slotMs;
    else this.#ranges.push({ fromMs: slotMs, toMs: slotMs });
    if (this.#ranges.length > 100) this.#ranges.shift();
  }
}
