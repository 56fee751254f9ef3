import type { Stamp } from '../clock.ts';
import type { Observation, Reading } from '../reading.ts';

/** The first point whose newest answer was bad. */
export interface FirstBad {
  readonly point: string;
  readonly status: string;
  readonly exceptionCode: number | null;
}

/** What a poller counts, for as long as its device is polled. */
export class Tally {
  /** The last answer with at least one value. */
  lastGood: Stamp | null = null;
  /** Calls of the session. */
  polls = 0;
  /** Handed on, by quality. */
  readonly readings = { good: 0, uncertain: 0, bad: 0 };
  /** The newest answer of points where it was bad. */
  readonly #bad = new Map<string, Observation>();

  handedOn(readings: readonly Reading[]): void {
    for (const { quality } of readings) this.readings[quality]++;
  }

  noteBad(seen: readonly Observation[]): void {
    for (const observation of seen)
      if (observation.quality === 'bad') this.#bad.set(observation.point.point, observation);
      else if (this.#bad.size > 0) this.#bad.delete(observation.point.point);
  }

  /** What other points answered is nobody's news any more. */
  keepOnly(points: ReadonlySet<string>): void {
    for (const name of this.#bad.keys()) if (!points.has(name)) this.#bad.delete(name);
  }

  get badPoints(): number {
    return this.#bad.size;
  }

  get firstBad(): FirstBad | null {
    const [first] = this.#bad.values();
    return first === undefined
      ? null
      : { point: first.point.point, status: first.status, exceptionCode: first.exceptionCode };
  }
}
