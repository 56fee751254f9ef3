import type { Stamp } from '../clock.ts';
import { isRepeated, unanswered } from '../reading.ts';
import type { Observation, PointInfo, Reading } from '../reading.ts';

/** A link that drops comes back within this, or what was missed is told. */
const RECONNECT_MS = 2_000;
/** A point that stays bad says so again after 15 min. */
const BAD_AGAIN_MS = 15 * 60_000;

interface PushedState {
  readonly info: PointInfo;
  /** What the source sent last, unless something was said of the point since. */
  sent: Observation | null;
  /** What was said last, if that was bad; said again while nothing else comes. */
  bad: Observation | null;
  toldBootMs: number;
  /** When something bad was said of it last that bears our time; null: never. */
  badBootMs: number | null;
}

/**
 * The points of one device whose values come by themselves: what is to be said of them while nothing comes. Knows no clock and no session. A gap is
 * told where it begins, by one bad reading, and it ends with the next value: a source that was asked anew sends one.
 */
export class PushedPoints {
  readonly #points: ReadonlyMap<string, PushedState>;
  #downSinceBootMs: number | null;

  /** `before`: of the same device under another configuration; a point that is described in another way begins anew. */
  constructor(points: readonly PointInfo[], now: Stamp, before: PushedPoints | null = null) {
    this.#points = new Map(
      points.map((info) => {
        const known = before === null ? undefined : before.#points.get(info.point);
        return [
          info.point,
          known?.info.hash === info.hash
            ? known
            : { info, sent: null, bad: null, toldBootMs: now.bootMs, badBootMs: null },
        ];
      }),
    );
    this.#downSinceBootMs = before === null ? now.bootMs : before.#downSinceBootMs;
  }

  get isEmpty(): boolean {
    return this.#points.size === 0;
  }

  /**
   * The source sent these; what of it is news. A source that was asked anew says once more what it said last. What became true before the gap that it ends
   * is dated at its arrival, since it is true then: by its own time the bad reading would stay the newest of the point until it changes.
   * What the source kept meanwhile was true at its own time, ends no gap, and was perhaps over when it arrived.
   */
  took(seen: readonly Observation[], now: Stamp): readonly Observation[] {
    const newest = new Map(seen.map((observation) => [observation.point.point, observation]));
    return seen.flatMap((observation) => {
      const { point: name } = observation.point;
      const state = this.#points.get(name);
      if (state === undefined) return [];
      if (state.sent !== null && isRepeated(state.sent, observation)) return [];
      const isBad = observation.quality === 'bad';
      if (observation.isLate && !isBad && state.bad?.timeMs === null) return [observation];
      state.sent = observation;
      state.toldBootMs = now.bootMs;
      state.bad = isBad ? observation : null;
      if (isBad && observation.timeMs === null) state.badBootMs = now.bootMs;
      const isOlder = !isBad && newest.get(name) === observation && isBefore(observation, state.badBootMs, now);
      return isOlder ? [{ ...observation, timeMs: null, timeSource: 'gateway' }] : [observation];
    });
  }

  look(
    now: Stamp,
    connected: boolean,
  ): { readonly write: readonly Reading[]; readonly notConnected: boolean; readonly napMs: number } {
    if (connected) this.#downSinceBootMs = null;
    else this.#downSinceBootMs ??= now.bootMs;
    const downForMs = this.#downSinceBootMs === null ? 0 : now.bootMs - this.#downSinceBootMs;
    const isDown = !connected && downForMs >= RECONNECT_MS;
    const write: Reading[] = [];
    let napMs = connected || isDown ? Infinity : RECONNECT_MS - downForMs;
    for (const state of this.#points.values()) {
      const isNew = isDown && state.bad?.status !== 'BadNotConnected';
      if (isNew || (state.bad !== null && now.bootMs - state.toldBootMs >= BAD_AGAIN_MS)) {
        const { status, exceptionCode } = isNew
          ? { status: 'BadNotConnected', exceptionCode: null }
          : (state.bad as Observation);
        state.bad = { ...unanswered(state.info, status, now), exceptionCode };
        state.sent = null;
        state.toldBootMs = now.bootMs;
        state.badBootMs = now.bootMs;
        write.push({ ...state.bad, slotMs: null });
      }
      if (state.bad !== null) napMs = Math.min(napMs, state.toldBootMs + BAD_AGAIN_MS - now.bootMs);
    }
    return { write, notConnected: isDown && this.#points.size > 0, napMs };
  }
}

/** Boot time is compared: the wall clock may have stepped since. */
function isBefore({ timeMs }: Observation, bootMs: number | null, now: Stamp): boolean {
  return timeMs !== null && bootMs !== null && timeMs - now.wallMs < bootMs - now.bootMs;
}
