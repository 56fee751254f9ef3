import type { Stamp } from '../clock.ts';
import type { HeldDue, LaterSlot, Observation, Reading } from '../reading.ts';
import type { Pending, PointState } from './point-state.ts';
import { fromFullHour, type Schedule, SlotSet } from './slots.ts';

const HOUR_MS = 3_600_000;
/** Oftener than this a counter is not read for the sake of a slot that may come to lie there. */
const LEAST_MS = 30_000;
/** A later answer than the buffer keeps the rule of (buffer/frames/later-slot.ts) has no slot. */
const MOST_LATE_MS = 655_000;
/** Between two runs of the process the same instant may be told so much apart. */
const ROUNDING_MS = 500;

/**
 * When a counter is read while the clock is known to be wrong. Its true slots are not known, so it is read so often that one reading comes to lie
 * within `withinMs` of each of them, whatever the error turns out to be: then that reading answers it. Slots of an hour and more depend on the time of
 * a place, and are not worked out later.
 */
function wrongTimeSchedule({ everyMs }: Schedule, withinMs: number): Schedule {
  if (everyMs >= HOUR_MS) return fromFullHour(HOUR_MS / 4);
  if (withinMs >= everyMs || withinMs < LEAST_MS) return fromFullHour(everyMs);
  let perHour = Math.ceil(HOUR_MS / withinMs);
  while (HOUR_MS % perHour !== 0) perHour++;
  return fromFullHour(HOUR_MS / perHour);
}

/** From now on the clock is known to be wrong: the counter gets slots of its own. `untilWallMs`: up to where its true slots were looked at. */
export function enterWrongTime(point: PointState, untilWallMs: number | undefined, now: Stamp): void {
  const openSlotMs = point.pending?.slotMs ?? null;
  const lastMs = openSlotMs === null ? untilWallMs : openSlotMs - 1;
  if (lastMs !== undefined) point.missedAfterMs ??= point.schedule.slotAtOrBefore(lastMs);
  point.own = { schedule: point.schedule, done: point.done };
  point.schedule = wrongTimeSchedule(point.own.schedule, point.withinMs);
  point.done = new SlotSet(point.schedule);
  // An earlier run of the process may have read it at the newest of them: two readings would answer one slot.
  const newestMs = point.schedule.slotAtOrBefore(now.wallMs);
  const newestDueMs = now.bootMs - (now.wallMs - newestMs);
  if (point.wrongDues.some(({ dueBootMs }) => Math.abs(dueBootMs - newestDueMs) < ROUNDING_MS))
    point.done.add(newestMs);
}

/** The clock is not known to be wrong any more: the counter goes by its own slots again. */
export function leaveWrongTime(point: PointState): void {
  if (point.own !== null) Object.assign(point, { ...point.own, own: null });
}

/** Of what was read while the clock was known to be wrong, by this or an earlier run of the process, it is known now which slots it answers. */
export function answerWrongDues(point: PointState, now: Stamp): void {
  for (const due of point.wrongDues) {
    const slotMs = slotAnswered(point.schedule, due, now);
    if (slotMs !== null) point.done.add(slotMs);
  }
  point.wrongDues = [];
}

/** An answer as a reading of its slot. That of a wrong clock is none: at most it follows later. */
export function slotted(point: PointState, pending: Pending, seen: Observation): Reading {
  const reading = { ...seen, slotMs: pending.slotMs };
  if (!pending.isWrong) return reading;
  if (!point.counter || seen.quality === 'bad' || point.own === null) return withoutSlot(reading, undefined);
  return withoutSlot(reading, laterSlotOf(point.own.schedule, point.schedule, pending, seen.at));
}

/**
 * What the slot of such a reading follows from; undefined: from nothing. One that was due before the start of the process answers no slot that lies further
 * back than the first reading would: others come close behind, and no two may answer one slot.
 */
function laterSlotOf(schedule: Schedule, wrong: Schedule, pending: Pending, at: Stamp): LaterSlot | undefined {
  const lateMs = at.bootMs - pending.dueBootMs;
  const withinMs = wrong.everyMs - pending.startedLateMs;
  if (schedule.everyMs >= HOUR_MS || lateMs > MOST_LATE_MS || withinMs <= 0) return undefined;
  return { everyMs: schedule.everyMs, withinMs, lateMs };
}

/** The slot that a reading due at this boot time has answered, now that the time is known; null: none. */
function slotAnswered(schedule: Schedule, { dueBootMs, withinMs }: HeldDue, now: Stamp): number | null {
  if (schedule.everyMs >= HOUR_MS) return null;
  const dueMs = now.wallMs - (now.bootMs - dueBootMs);
  const slotMs = schedule.slotAtOrBefore(dueMs);
  return dueMs - slotMs < withinMs ? slotMs : null;
}

function withoutSlot(reading: Reading, laterSlot: LaterSlot | undefined): Reading {
  const { laterSlot: _, ...rest } = reading;
  return laterSlot === undefined ? { ...rest, slotMs: null } : { ...rest, slotMs: null, laterSlot };
}
