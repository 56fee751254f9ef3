import type { Stamp } from '../clock.ts';
import { unanswered } from '../reading.ts';
import type { Observation, PointInfo, Reading } from '../reading.ts';
import type { Pending, PointState } from './point-state.ts';
import { slotted } from './wrong-time.ts';

/** A link that drops comes back within this or its device is told as lost: a blip costs a gauge nothing. */
const RECONNECT_MS = 2_000;
/** A point that stays bad says so again after 15 min. The second allows for slots that came a little early. */
const BAD_AGAIN_MS = 15 * 60_000 - 1_000;

/** `slotMs` is due from now on; null: an answer outside the schedule. `startedLateMs`: so long before nobody was there to ask. */
export function open(
  point: PointState,
  slotMs: number | null,
  isWrong: boolean,
  now: Stamp,
  startedLateMs: number,
): void {
  const dueBootMs = slotMs === null ? now.bootMs : now.bootMs - (now.wallMs - slotMs);
  const patientMs = slotMs === null ? RECONNECT_MS : Math.min(point.schedule.everyMs / 2, RECONNECT_MS);
  // From now on, not from a slot that was due before the start: the connection has had no time yet to open.
  const patientUntilBootMs = Math.max(now.bootMs + patientMs, point.pending?.patientUntilBootMs ?? 0);
  point.pending = {
    slotMs,
    dueBootMs,
    isWrong,
    startedLateMs,
    untilBootMs: point.counter ? dueBootMs + point.withinMs : patientUntilBootMs,
    patientUntilBootMs,
    nextTryBootMs: dueBootMs,
    tried: false,
    last: null,
  };
}

/** No answer any more. Gives what is to be written of it. */
export function giveUp(point: PointState, pending: Pending, connected: boolean, now: Stamp): Reading[] {
  const last = pending.last ?? unanswered(point.info, connected ? 'BadNoData' : 'BadNotConnected', now);
  if (!point.counter) return fail(point, pending, last);
  finish(point, pending);
  return [slotted(point, pending, last)];
}

/** A bad answer of a point that is no counter: news, or nothing to write. */
export function fail(point: PointState, pending: Pending, bad: Observation): Reading[] {
  const isNews = !point.failing || badIsNews(point, pending.dueBootMs);
  if (isNews) point.badToldBootMs = pending.dueBootMs;
  point.failing = true;
  finish(point, pending);
  return isNews ? [slotted(point, pending, bad)] : [];
}

/** The point's slot has its record; a poll without a slot has none to remember. */
export function finish(point: PointState, pending: Pending): void {
  if (pending.slotMs !== null) point.done.add(pending.slotMs);
  point.pending = null;
}

/**
 * Between two attempts for a counter: a tenth of `within`, so about ten attempts; at most 10 s, so that a meter that comes back is read soon; at
 * least 1 s, so that one that answers at once with an exception is not hammered.
 */
export function pauseMs(withinMs: number): number {
  return Math.max(1_000, Math.min(withinMs / 10, 10_000));
}

/** `bad` is told once, and again after `BAD_AGAIN_MS` of it. */
export function badIsNews(point: PointState, bootMs: number): boolean {
  return point.badToldBootMs === null || bootMs - point.badToldBootMs >= BAD_AGAIN_MS;
}

/** The record of a slot that nobody was asked for. */
export function missed(point: PointInfo, slotMs: number, now: Stamp): Reading {
  return { ...unanswered(point, 'BadNoData', now), timeMs: slotMs, slotMs };
}
