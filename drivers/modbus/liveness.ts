/** So many cycles in a row that ended in silence make a device degraded. */
const cyclesToDegrade = 3;
/** Shortest distance between two probes of one device. */
export const probeEveryMs = 60_000;
/**
 * From then on the next probe waits as long as the device may take: a slow one would never be heard else. On a line without idle time probes are two minutes
 * apart, so a slow one is heard within ten.
 */
const fullEveryMs = 480_000;
const alone = { sinceMs: -Infinity, againInMs: 0 };
/** A probe shorter than this hears nobody. */
export const leastProbeMs = 20;

/**
 * Whether a device is worth its timeout. A degraded one is not polled: it is probed where the line has nothing else to do, until it answers. Pure but for its own
 * counts; boot ms.
 */
export class Liveness {
  #failures = 0;
  /** When it was last waited for as long as it may take. */
  #fullMs = 0;
  #probeDueMs = Infinity;

  /** Cycles in a row that ended in silence. */
  get failures(): number {
    return this.#failures;
  }

  get isDegraded(): boolean {
    return this.#failures >= cyclesToDegrade;
  }

  /** When it may be probed next; Infinity: it is polled. */
  get probeDueMs(): number {
    return this.isDegraded ? this.#probeDueMs : Infinity;
  }

  answered(): void {
    this.#failures = 0;
  }

  /** A request and its retries stayed unanswered, or a gateway said so. */
  failed(nowMs: number): void {
    this.#failures++;
    this.#fullMs = nowMs;
    if (this.#failures === cyclesToDegrade) this.#probeDueMs = nowMs;
  }

  /**
   * How long a probe may wait for its answer when the line has nothing to do for `idleMs`; null: not now. One that found no idle time for a whole round is sent
   * all the same. Where the dead of a line take turns: `sinceMs`: since when there is no idle time; `againInMs`: until the next turn.
   */
  probeMs(nowMs: number, idleMs: number, timeoutMs: number, { sinceMs, againInMs } = alone): number | null {
    if (nowMs < this.probeDueMs) return null;
    const isOverdue = nowMs - Math.max(this.probeDueMs, sinceMs) >= probeEveryMs;
    if (this.#isFullDue(nowMs + againInMs)) return idleMs >= leastProbeMs || isOverdue ? timeoutMs : null;
    if (idleMs >= leastProbeMs) return Math.min(timeoutMs, Math.floor(idleMs));
    return isOverdue ? Math.min(timeoutMs, leastProbeMs) : null;
  }

  #isFullDue(nowMs: number): boolean {
    return nowMs - this.#fullMs >= fullEveryMs;
  }

  /** A probe is on its way. */
  probed(nowMs: number, isFull = this.#isFullDue(nowMs)): void {
    if (isFull) this.#fullMs = nowMs;
    this.#probeDueMs = nowMs + probeEveryMs;
  }
}
