import type { GatewayEvent } from '../reading.ts';
import type { MissedSpan } from '../schedule/missed-slots.ts';

/** The newest slot on disk is ahead of the wall at a start. */
export function slotAhead(device: string, slotMs: number, wallMs: number): GatewayEvent {
  const newestSlot = new Date(slotMs).toISOString();
  const now = new Date(wallMs).toISOString();
  return {
    event: 'clock-step',
    severity: 'warning',
    device,
    message: `Device ${device}: a counter was read for ${newestSlot}, and now it is ${now}: the clock ran ahead before this start, or is behind now. Check it; slots from now up to then may have two readings.`,
    facts: { newestSlot, now },
  };
}

/** Slots of counters went by that are told as a span. */
export function slotsMissed(device: string, span: MissedSpan): GatewayEvent {
  const from = new Date(span.afterMs).toISOString();
  const to = new Date(span.beforeMs).toISOString();
  const then = span.isWritten
    ? 'each missed slot gets its record within minutes'
    : 'newer missed slots are written one by one';
  const counters = span.counters === 1 ? '1 counter was' : `${span.counters} counters were`;
  return {
    event: 'slots-missed',
    severity: 'error',
    device,
    message: `Device ${device}: ${counters} not read after ${from} and before ${to}; ${then}.`,
    facts: { counters: span.counters, everyMs: span.everyMs, from, to, written: span.isWritten },
  };
}
