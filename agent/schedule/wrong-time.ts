import type { Stamp } from '../clock.ts';
import type { LaterSlot, Observation, Reading } from '../reading.ts';
import type { Pending, PointState } from './point-state.ts';
import { fromFullHour, type Schedule, SlotSet } from './slots.ts';

const HOUR_MS = 3_600_000;
/** Oftener than this a counter is not read for the sake of a slot that may come to lie there. */
const LEAST_MS = 30_000;

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
export function enterWrongTime(point: PointState, untilWallMs: number | undefined): void {
  const openSlotMs = point.pending?.slotMs ?? null;
  const lastMs = openSlotMs === null ? untilWallMs : openSlotMs - 1;
  if (lastMs !== undefined) point.missedAfterMs ??= point.schedule.slotAtOrBefore(lastMs);
  point.own = { schedule: point.schedule, done: point.done };
  point.schedule = wrongTimeSchedule(point.own.schedule, point.withinMs);
  point.done = new SlotSet(point.schedule);
}

/** The clock is not known to be wrong any more: of what the counter was read meanwhile it is known now which slots it answers. */
export function leaveWrongTime(point: PointState, now: Stamp): void {
  if (point.own === null) return;
  const { schedule, done } = point.own;
  for (const dueBootMs of point.wrongDues) {
    const slotMs = slotAnswered(schedule, point.schedule, dueBootMs, now);
    if (slotMs !== null) done.add(slotMs);
  }
  Object.assign(point, { schedule, done, own: null, wrongDues: [] });
}

/** An answer as a reading of its slot. That of a wrong clock is none: at most it follows later. */
export function slotted(point: PointState, pending: Pending, seen: Observation): Reading {
  const reading = { ...seen, slotMs: pending.slotMs };
  if (!pending.isWrong) return reading;
  if (!point.counter || seen.quality === 'bad' || point.own === null) return withoutSlot(reading, undefined);
  return withoutSlot(reading, laterSlotOf(point.own.schedule, point.schedule, pending.dueBootMs, seen.at));
}

/** What the slot of such a reading follows from; undefined: from nothing. */
function laterSlotOf(schedule: Schedule, wrong: Schedule, dueBootMs: number, at: Stamp): LaterSlot | undefined {
  if (schedule.everyMs >= HOUR_MS) return undefined;
  return { everyMs: schedule.everyMs, withinMs: wrong.everyMs, lateMs: at.bootMs - dueBootMs };
}

/** The slot that a reading due at this boot time has answered, now that the time is known; null: none. */
function slotAnswered(schedule: Schedule, wrong: Schedule, dueBootMs: number, now: Stamp): number | null {
  if (schedule.everyMs >= HOUR_MS) return null;
  const dueMs = now.wallMs - (now.bootMs - dueBootMs);
  const slotMs = schedule.slotAtOrBefore(dueMs);
  return dueMs - slotMs < wrong.everyMs ? slotMs : null;
}

function withoutSlot(reading: Reading, laterSlot: LaterSlot | undefined): Reading {
  const { laterSlot: _, ...rest } = reading;
  return laterSlot === undefined ? { ...rest, slotMs: null } : { ...rest, slotMs: null, laterSlot };
}
