import type { Stamp } from '../clock.ts';
import type { LaterSlot, Reading } from '../reading.ts';
import { fromFullHour, type Schedule } from './slots.ts';

const HOUR_MS = 3_600_000;
/** Oftener than this a counter is not read for the sake of a slot that may come to lie there. */
const LEAST_MS = 30_000;

/**
 * When a counter is read while the clock is known to be wrong. Its true slots are not known, so it is read so often that one reading comes to lie
 * within `withinMs` of each of them, whatever the error turns out to be: then that reading answers it. Slots of an hour and more depend on the time of
 * a place, and are not worked out later.
 */
export function wrongTimeSchedule({ everyMs }: Schedule, withinMs: number): Schedule {
  if (everyMs >= HOUR_MS) return fromFullHour(HOUR_MS / 4);
  if (withinMs >= everyMs || withinMs < LEAST_MS) return fromFullHour(everyMs);
  let perHour = Math.ceil(HOUR_MS / withinMs);
  while (HOUR_MS % perHour !== 0) perHour++;
  return fromFullHour(HOUR_MS / perHour);
}

/** What the slot of such a reading follows from; undefined: from nothing. */
export function laterSlotOf(schedule: Schedule, wrong: Schedule, dueBootMs: number, at: Stamp): LaterSlot | undefined {
  if (schedule.everyMs >= HOUR_MS) return undefined;
  return { everyMs: schedule.everyMs, withinMs: wrong.everyMs, lateMs: at.bootMs - dueBootMs };
}

/** The slot that a reading due at this boot time has answered, now that the time is known; null: none. */
export function slotAnswered(schedule: Schedule, wrong: Schedule, dueBootMs: number, now: Stamp): number | null {
  if (schedule.everyMs >= HOUR_MS) return null;
  const dueMs = now.wallMs - (now.bootMs - dueBootMs);
  const slotMs = schedule.slotAtOrBefore(dueMs);
  return dueMs - slotMs < wrong.everyMs ? slotMs : null;
}

/** The slot of a wrong clock is none. */
export function withoutSlot(reading: Reading, laterSlot: LaterSlot | undefined): Reading {
  const { laterSlot: _, ...rest } = reading;
  return laterSlot === undefined ? { ...rest, slotMs: null } : { ...rest, slotMs: null, laterSlot };
}
