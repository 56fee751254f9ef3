import type { PointInfo } from '../reading.ts';
import { type Schedule, type SlotSet, slotsBetween } from './slots.ts';

/** Counter slots that went by unasked; told as a span where they are too many to be written one by one, or at once. */
export interface MissedSpan {
  readonly counters: number;
  readonly everyMs: number;
  /** Each of them gets its record, within minutes. */
  readonly isWritten: boolean;
  readonly afterMs: number;
  readonly beforeMs: number;
}

/** The newest missed counter slots written one by one, 35 days at 15m. */
export const MOST_MISSED_SLOTS = 3_360;
/** Readings at a time, and before the first poll: a hundred devices that were off for a month must not fill the memory. */
const BATCH = 100;

interface Gap {
  readonly point: PointInfo;
  readonly schedule: Schedule;
  readonly done: SlotSet;
  nextMs: number;
  readonly untilMs: number;
  /** Slots from `nextMs` on. */
  left: number;
}

/** Slots of counters that went by while nobody polled: each gets its record, in its own time, after the first poll. */
export class MissedSlots {
  #gaps: Gap[] = [];

  get isEmpty(): boolean {
    return this.#gaps.length === 0;
  }

  /** So few that they are written before the first poll: then no kill comes between them and a newer slot. */
  get areFew(): boolean {
    return this.#gaps.reduce((sum, { left }) => sum + left, 0) <= BATCH;
  }

  /** Those of one counter behind `afterMs`, up to `uptoMs`. Gives the span of those that are too many. */
  add(point: PointInfo, schedule: Schedule, done: SlotSet, afterMs: number, uptoMs: number): MissedSpan[] {
    const { slots, more } = slotsBetween(schedule, afterMs, uptoMs, MOST_MISSED_SLOTS);
    const [first] = slots;
    const last = slots.at(-1);
    if (first === undefined || last === undefined) return [];
    this.#gaps.push({ point, schedule, done, nextMs: first, untilMs: last, left: slots.length });
    const counted = { counters: 1, everyMs: schedule.everyMs };
    const spans: MissedSpan[] = [];
    if (more) spans.push({ ...counted, isWritten: false, afterMs, beforeMs: first });
    if (slots.length > BATCH) spans.push({ ...counted, isWritten: true, afterMs: first - 1, beforeMs: last + 1 });
    return spans;
  }

  /** The next of them, marked as done. */
  take(): { point: PointInfo; slotMs: number }[] {
    const taken: { point: PointInfo; slotMs: number }[] = [];
    while (taken.length < BATCH) {
      const [gap] = this.#gaps;
      if (gap === undefined) break;
      const slotMs = gap.nextMs;
      if (slotMs >= gap.untilMs) this.#gaps.shift();
      else gap.nextMs = gap.schedule.slotAfter(slotMs);
      gap.left--;
      if (gap.done.has(slotMs)) continue;
      gap.done.add(slotMs);
      taken.push({ point: gap.point, slotMs });
    }
    return taken;
  }

  /** Of points that are not polled any more. */
  keepOnly(points: ReadonlySet<string>): void {
    this.#gaps = this.#gaps.filter(({ point }) => points.has(point.point));
  }
}

/** Spans of equal bounds as one. */
export function joinedSpans(spans: readonly MissedSpan[]): MissedSpan[] {
  return [
    ...Map.groupBy(
      spans,
      ({ isWritten, everyMs, afterMs, beforeMs }) => `${isWritten} ${everyMs} ${afterMs} ${beforeMs}`,
    ).values(),
  ].flatMap((equal) =>
    equal[0] === undefined ? [] : [{ ...equal[0], counters: equal.reduce((sum, { counters }) => sum + counters, 0) }],
  );
}
