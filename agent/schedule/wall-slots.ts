import { instantsOf, offsetsOf, spansBetween } from './local-time.ts';
import { fromFullHour, type Schedule } from './slots.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The nominal length of `every: "1mo"`. Nothing else between two slots is longer than a day. */
export const MONTH_MS = 30 * DAY_MS;

/** Where slots from 1h on are counted from: a time of day on the clocks of the site. */
export interface LocalTimes {
  /** A name of the IANA database. */
  readonly timezone: string;
  /** Since local midnight, under a day. */
  readonly atMs: number;
}

/** What a point's slots are, as plain data. `local`: null under 1h. */
export interface SlotRule {
  readonly everyMs: number;
  readonly local: LocalTimes | null;
}

/** Makes schedules; equal rules get the same one, so that what it has worked out is shared. */
export function scheduleMaker(): (rule: SlotRule) => Schedule {
  const made = new Map<string, Schedule>();
  return ({ everyMs, local }) => {
    const key = `${everyMs} ${local?.timezone} ${local?.atMs}`;
    const schedule = made.get(key) ?? (local === null ? fromFullHour(everyMs) : atLocalTimes(everyMs, local));
    made.set(key, schedule);
    return schedule;
  };
}

/** Slots around one instant, in order; one that several clock times come to stands as often. Right for instants up to `reachMs` away from it. */
interface Window {
  readonly aroundMs: number;
  readonly slots: readonly number[];
}

/**
 * Slots at the clock times of a zone: each `everyMs` (from 1 h on a divisor of a day) counted from `atMs`, or at `atMs` of each day
 * (a day) or of the first of each month (MONTH_MS). In a repeated hour hourly slots come twice, longer ones once, at the first time; a
 * clock time that is left out is the instant of the change.
 */
export function atLocalTimes(everyMs: number, { timezone, atMs }: LocalTimes): Schedule {
  const monthly = everyMs === MONTH_MS;
  if (!monthly && !(everyMs >= HOUR_MS && everyMs <= DAY_MS && DAY_MS % everyMs === 0)) {
    throw new RangeError(`every is ${everyMs} ms; allowed: 1 h or more and a divisor of a day, or 1mo`);
  }
  const offsetAt = offsetsOf(timezone);
  const reachMs = monthly ? MONTH_MS : DAY_MS;
  let window: Window = { aroundMs: Number.NEGATIVE_INFINITY, slots: [] };

  const near = (wallMs: number): readonly number[] => {
    if (!(Math.abs(wallMs - window.aroundMs) <= reachMs)) window = { aroundMs: wallMs, slots: slotsAround(wallMs) };
    return window.slots;
  };

  function slotsAround(wallMs: number): number[] {
    const localMs = wallMs + offsetAt(wallMs);
    const shown = monthly ? monthsAround(localMs, atMs) : timesAround(localMs, everyMs, atMs);
    // A whole day more than any offset or change amounts to.
    const [first = 0, last = 0] = [shown[0], shown.at(-1)];
    const spans = spansBetween(offsetAt, wholeHour(first - 2 * DAY_MS), wholeHour(last + 2 * DAY_MS));
    const instants = shown.flatMap((each) => {
      const all = instantsOf(each, spans);
      return everyMs === HOUR_MS ? all : all.slice(0, 1);
    });
    return instants.toSorted((a, b) => a - b);
  }

  return {
    key: `${monthly ? '1mo' : everyMs} at ${atMs} ${timezone}`,
    everyMs,
    slotAtOrBefore: (wallMs) => near(wallMs).findLast((slotMs) => slotMs <= wallMs) ?? Number.NaN,
    slotAfter: (wallMs) => near(wallMs).find((slotMs) => slotMs > wallMs) ?? Number.NaN,
  };
}

const wholeHour = (ms: number): number => Math.floor(ms / HOUR_MS) * HOUR_MS;

/** Local times at most four days before and after: the day in hand, one of reach, one that a zone may leave out, one to spare. */
function timesAround(localMs: number, everyMs: number, atMs: number): number[] {
  const first = Math.floor(localMs / DAY_MS) * DAY_MS - 4 * DAY_MS + (atMs % everyMs);
  return Array.from({ length: (9 * DAY_MS) / everyMs }, (_, index) => first + index * everyMs);
}

/** `atMs` on the first of the months three before and after. */
function monthsAround(localMs: number, atMs: number): number[] {
  const date = new Date(localMs);
  const month = (more: number): number => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + more, 1) + atMs;
  return [-3, -2, -1, 0, 1, 2, 3].map(month);
}
