import type { HeldDue, LaterSlot } from '../../agent/reading.ts';

const hourMs = 3_600_000;
const lateUnitMs = 10;
const withinSpan = 2 ** 21;
const lateSpan = 2 ** 16;

/** As one negative number, so that it can stand in the place of a slot, which never is. null: it does not fit. */
export function packLaterSlot({ everyMs, withinMs, lateMs }: LaterSlot): number | null {
  const perHour = hourMs / everyMs;
  const late = Math.floor(lateMs / lateUnitMs);
  const fits =
    Number.isInteger(perHour) &&
    perHour < 2 ** 16 &&
    withinMs > 0 &&
    withinMs < withinSpan &&
    late >= 0 &&
    late < lateSpan;
  return fits ? -((perHour * withinSpan + withinMs) * lateSpan + late) : null;
}

/** When the reading was due that was made at that boot time. */
export function heldDueOf(packed: number, bootMs: number): HeldDue {
  const withinMs = Math.floor(-packed / lateSpan) % withinSpan;
  return { dueBootMs: bootMs - (-packed % lateSpan) * lateUnitMs, withinMs };
}

/** The slot of a reading that was true at `trueMs`; null: it was due too long after one. */
export function laterSlotMs(packed: number, trueMs: number): number | null {
  const late = -packed % lateSpan;
  const rest = Math.floor(-packed / lateSpan);
  const everyMs = hourMs / Math.floor(rest / withinSpan);
  const dueMs = trueMs - late * lateUnitMs;
  const slotMs = Math.floor(dueMs / everyMs) * everyMs;
  return dueMs - slotMs < rest % withinSpan ? slotMs : null;
}
