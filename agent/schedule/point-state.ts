import type { Observation, PointInfo } from '../reading.ts';
import { type Schedule, SlotSet } from './slots.ts';

export interface PolledPoint {
  readonly info: PointInfo;
  readonly schedule: Schedule;
  /** How long a counter's slot stays due. The other kinds do not use it: they skip what they miss. */
  readonly withinMs: number;
}

/** A slot that waits for its answer. */
export interface Pending {
  /** null: the poll at the start, outside the schedule. */
  readonly slotMs: number | null;
  readonly dueBootMs: number;
  /** It was opened while the clock was known to be wrong: `slotMs` is none. */
  readonly isWrong: boolean;
  readonly untilBootMs: number;
  /** From here on a missing session is told. */
  readonly patientUntilBootMs: number;
  nextTryBootMs: number;
  tried: boolean;
  last: Observation | null;
}

export interface PointState extends Omit<PolledPoint, 'schedule'> {
  readonly counter: boolean;
  /** Of a counter, by an earlier run of the process. */
  readonly newestOnDiskMs: number | undefined;
  pending: Pending | null;
  /** By which slots are asked: the point's own, or while the clock is known to be wrong another, with its own slots. */
  schedule: Schedule;
  /** Slots of that schedule that were answered, well or badly, whether that was written or not. */
  done: SlotSet;
  /** While the clock is known to be wrong: what else goes by true slots. */
  own: { readonly schedule: Schedule; readonly done: SlotSet } | null;
  /** While the clock is known to be wrong: when the readings were due that were good. Boot time. */
  wrongDues: number[];
  /** Slots behind this one went by unasked, and get their record when it is known which; undefined: none did. */
  missedAfterMs: number | undefined;
  failing: boolean;
  badToldBootMs: number | null;
}

/** A point nobody has asked yet. `newestOnDiskMs`: of a counter, the newest slot that earlier runs of the process left. */
export function newPoint(point: PolledPoint, newestOnDiskMs: number | undefined): PointState {
  const done = new SlotSet(point.schedule);
  // Only itself: what lies before it is not known to be answered, and silence over hours is worse than a repeat.
  if (newestOnDiskMs !== undefined) done.add(newestOnDiskMs);
  return {
    ...point,
    counter: point.info.kind === 'counter',
    newestOnDiskMs,
    pending: null,
    done,
    own: null,
    wrongDues: [],
    missedAfterMs: newestOnDiskMs,
    failing: false,
    badToldBootMs: null,
  };
}
