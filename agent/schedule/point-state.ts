import type { HeldDue, Observation, PointInfo } from '../reading.ts';
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
  /** Nobody was there to ask for so long after it was due. */
  readonly startedLateMs: number;
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
  /** While the clock is known to be wrong: when the readings were due that were good. */
  wrongDues: HeldDue[];
  /** Slots behind this one went by unasked, and get their record when it is known which; undefined: none did. */
  missedAfterMs: number | undefined;
  failing: boolean;
  badToldBootMs: number | null;
}

/** What earlier runs of the process left of a device's counters. */
export interface KeptOfPoints {
  /** The newest slot on disk; undefined: none. */
  readonly newestSlotMs: (point: string) => number | undefined;
  /** When the readings were due that were made in this boot with a wrong clock and wait for their date. */
  readonly heldDues: (point: string) => readonly HeldDue[];
}

/** A point nobody has asked yet. */
export function newPoint(point: PolledPoint, kept: KeptOfPoints): PointState {
  const isCounter = point.info.kind === 'counter';
  const newestOnDiskMs = isCounter ? kept.newestSlotMs(point.info.point) : undefined;
  const done = new SlotSet(point.schedule);
  // Only itself: what lies before it is not known to be answered, and silence over hours is worse than a repeat.
  if (newestOnDiskMs !== undefined) done.add(newestOnDiskMs);
  return {
    ...point,
    counter: isCounter,
    newestOnDiskMs,
    pending: null,
    done,
    own: null,
    wrongDues: isCounter ? [...kept.heldDues(point.info.point)] : [],
    missedAfterMs: newestOnDiskMs,
    failing: false,
    badToldBootMs: null,
  };
}
