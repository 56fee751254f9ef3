/** What waits for its turn on a line. Boot ms. */
export interface Waiting {
  /** When it was due. */
  readonly dueMs: number;
  /** What its requests have taken of the line already, silence with its weight; also that of its cycles before, while they end in silence. */
  readonly spentMs: number;
  /** It has a counter to bring. */
  readonly isCounter: boolean;
  /** When the call before it had the line first, counted in calls. */
  readonly turn: number;
}

/** From here on a counter goes before what is no counter: a gauge that is late is skipped at worst, a counter's slot is money. */
const lateMs = 1000;

/**
 * Whose request goes next; undefined: nobody waits. The soonest due goes first, where what somebody has had of the line counts as if he were due that much later: a
 * slow device lets the others between its requests, and nobody starves, since whoever comes later is due later. Of equals the one that had the line longest ago: so the time between two polls of a device
 * is the same whoever of them woke first, and on a line with more to do than it can everybody has as much of it.
 */
export function nextOf<Each extends Waiting>(all: readonly Each[], nowMs: number): Each | undefined {
  let best: Each | undefined;
  for (const each of all) if (best === undefined || isSooner(each, best, nowMs)) best = each;
  return best;
}

function isSooner(a: Waiting, b: Waiting, nowMs: number): boolean {
  const [lateA, lateB] = [isLateCounter(a, nowMs), isLateCounter(b, nowMs)];
  if (lateA !== lateB) return lateA;
  const soonerMs = b.dueMs + b.spentMs - a.dueMs - a.spentMs;
  return soonerMs > 0 || (soonerMs === 0 && a.turn < b.turn);
}

const isLateCounter = (each: Waiting, nowMs: number): boolean => each.isCounter && isLate(each, nowMs);

/** Waits for longer than the line's own work explains: counters go first. */
export function isLate({ dueMs, spentMs }: Waiting, nowMs: number): boolean {
  return nowMs - dueMs - spentMs > lateMs;
}

/** Time in which nobody answered counts so many times: who is silent waits for all that are due within that time. */
export const silenceWeight = 20;

/** One slot is due at instants this far apart: each poller rounds the wall's and boot time to whole ms for itself. */
const sameRoundMs = 5;

/** Makes equal what is due at the same slot. */
export class Rounds {
  #dueMs = -Infinity;

  /** Boot ms: of the round that this belongs to, or itself where it begins another. */
  dueMs(dueMs: number): number {
    if (Math.abs(dueMs - this.#dueMs) > sameRoundMs) this.#dueMs = dueMs;
    return this.#dueMs;
  }
}
