import type { Stamp } from '../../agent/clock.ts';
import type { TimeSource } from '../../agent/reading.ts';

/** What a DataValue says of time. Unix ms. */
export interface WireTimes {
  readonly sourceMs: number | null;
  readonly serverMs: number | null;
}

export interface Dated {
  readonly timeMs: number | null;
  readonly timeSource: TimeSource;
  readonly deviceTimeMs: number | null;
}

/** DESIGN section 6: how far a device's own time may be from ours and still be taken for true. */
const MOST_FUTURE_MS = 60_000;
const MOST_PAST_MS = 3_600_000;
/** A server's clock that is farther from ours than this is not believed. */
const SERVER_SKEW_MS = 5_000;
/** The clock of Windows goes by ticks of 15.6 ms: what it says is as much too early. */
const TICK_MS = 16;

/**
 * Of a subscribed value: when it changed at its source, if that can be. An old one is the time of the last change, not of this value being true: then, or where there is none, when the server looked. That may be as
 * long ago as it waits with what it has to send, `publishingMs`.
 */
export function datePushed({ sourceMs, serverMs }: WireTimes, at: Stamp, publishingMs: number): Dated {
  if (sourceMs !== null && sourceMs <= at.wallMs + MOST_FUTURE_MS && sourceMs >= at.wallMs - MOST_PAST_MS)
    return { timeMs: sourceMs, timeSource: 'device', deviceTimeMs: sourceMs };
  return dated({ sourceMs, serverMs }, at.wallMs - SERVER_SKEW_MS - publishingMs, at);
}

/** Of a polled value: when the server looked, if its clock agrees with ours; SourceTimestamp is the time of the last change (OPC UA Part 4, 7.11.3). */
export function dateRead({ sourceMs, serverMs }: WireTimes, asked: Stamp, at: Stamp): Dated {
  return dated({ sourceMs, serverMs }, Math.max(at.wallMs - SERVER_SKEW_MS, asked.wallMs - TICK_MS), at);
}

/** By the server's clock, if that agrees with ours; else at its arrival. */
function dated({ sourceMs, serverMs }: WireTimes, earliestMs: number, at: Stamp): Dated {
  return serverMs !== null && serverMs >= earliestMs && serverMs <= at.wallMs + SERVER_SKEW_MS
    ? { timeMs: serverMs, timeSource: 'server', deviceTimeMs: sourceMs }
    : { timeMs: null, timeSource: 'gateway', deviceTimeMs: sourceMs };
}
