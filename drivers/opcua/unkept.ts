import { BufferFull } from '../../agent/errors.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import { afterGap } from './observe.ts';

/**
 * Hands on what the server sent, and goes on where the buffer has no room for it: whoever refuses counts it as lost and tells it, and a session that ended for
 * it would take the polled points with it, and be refused again. The next value of such a point that finds room has a gap before it.
 */
export class Unkept {
  readonly #host: Pick<DriverHost, 'push'>;
  readonly #signal: AbortSignal;
  /** What came last of points of which it was refused. */
  readonly #refused = new Map<string, Observation>();
  /** One after the other: what is said once more must not come behind what is newer. */
  #turn: Promise<void> = Promise.resolve();

  constructor(host: Pick<DriverHost, 'push'>, signal: AbortSignal) {
    this.#host = host;
    this.#signal = signal;
  }

  /** For the session after this one. */
  all(): readonly Observation[] {
    return [...this.#refused.values()];
  }

  /** Of the session before. */
  adopt(refused: readonly Observation[]): void {
    for (const one of refused) this.#refused.set(keyOf(one), one);
  }

  /** Resolves when it is on disk, or refused for want of room. Rejects for any other reason. */
  push(seen: readonly Observation[]): Promise<void> {
    return this.#inTurn(() => this.#pushAll(seen));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #pushAll(seen: readonly Observation[]): Promise<void> {
    // There may be room for meter readings and none for others: what is refused for one must not be held against the other.
    const groups = Map.groupBy(seen, ({ point }) => `${point.stream} ${point.device}`);
    await Promise.all([...groups.values()].map((group) => this.#push(group)));
  }

  async #push(group: readonly Observation[]): Promise<void> {
    const told = new Set<string>();
    const all = group.flatMap((one) => {
      const key = keyOf(one);
      if (!this.#refused.has(key) || told.has(key)) return [one];
      told.add(key);
      return one.status === 'BadDataLost' ? [one] : [afterGap(one), one];
    });
    try {
      await this.#host.push(all, this.#signal);
      for (const key of told) this.#refused.delete(key);
    } catch (error) {
      if (!(error instanceof BufferFull)) throw error;
      for (const one of group) this.#refused.set(keyOf(one), one);
    }
  }

  /** Says once more what did not change since it was refused; of each stream one first, to see whether there is room. */
  async again(): Promise<void> {
    for (const [first, ...others] of Map.groupBy(this.all(), ({ point }) => point.stream).values()) {
      if (first === undefined) continue;
      await this.#sayAgain([first]);
      if (this.#refused.has(keyOf(first))) continue;
      await this.#sayAgain(others);
    }
  }

  #sayAgain(old: readonly Observation[]): Promise<void> {
    return this.#inTurn(() => this.#pushAll(old.filter((one) => this.#refused.get(keyOf(one)) === one)));
  }
}

const keyOf = ({ point }: Observation): string => `${point.device} ${point.point}`;
