/**
 * Local time of a zone of the IANA database, as Node's own data (Intl) knows it. Local instants are written as if they were UTC:
 * 2026-11-22 06:00 in whatever zone is `Date.UTC(2026, 10, 22, 6)`. Pure.
 */

/** From `fromMs` on (Unix ms) local time is `offsetMs` ahead of UTC, until the next span begins. */
export interface Span {
  readonly fromMs: number;
  readonly offsetMs: number;
}

const SECOND_MS = 1_000;
/** Shorter than any two changes of one zone lie apart. */
const STEP_MS = 6 * 3_600_000;

/** How far local time is ahead of UTC at an instant (Unix ms). Throws RangeError for a zone that does not exist. */
export function offsetsOf(timezone: string): (atMs: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' });
  return (atMs) => {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(atMs));
    if (match === null) throw new Error(`the offset of ${timezone} is not told as GMT+HH:MM`);
    const [, sign = '+', hours = 0, minutes = 0, seconds = 0] = match;
    const ms = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * SECOND_MS;
    return sign === '-' ? -ms : ms;
  };
}

/** The offsets in force from `fromMs` to `toMs`, both whole seconds, in order of time. */
export function spansBetween(offsetAt: (atMs: number) => number, fromMs: number, toMs: number): Span[] {
  const spans: Span[] = [{ fromMs, offsetMs: offsetAt(fromMs) }];
  let offsetMs = offsetAt(fromMs);
  for (let atMs = fromMs; atMs < toMs; atMs += STEP_MS) {
    const nextMs = offsetAt(atMs + STEP_MS);
    if (nextMs === offsetMs) continue;
    spans.push({ fromMs: changeBetween(offsetAt, atMs, atMs + STEP_MS), offsetMs: nextMs });
    offsetMs = nextMs;
  }
  return spans;
}

function changeBetween(offsetAt: (atMs: number) => number, fromMs: number, toMs: number): number {
  const before = offsetAt(fromMs);
  let [low, high] = [fromMs / SECOND_MS, toMs / SECOND_MS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * SECOND_MS) === before) low = middle;
    else high = middle;
  }
  return high * SECOND_MS;
}

/**
 * The instants (Unix ms) at which clocks show `localMs`: two where an hour is repeated; where it is left out the next instant there is, that
 * of the change. `spans` must begin before it and end after it.
 */
export function instantsOf(localMs: number, spans: readonly Span[]): number[] {
  const shown = spans.flatMap(({ fromMs, offsetMs }, index) => {
    const atMs = localMs - offsetMs;
    return atMs >= fromMs && atMs < (spans[index + 1]?.fromMs ?? Infinity) ? [atMs] : [];
  });
  if (shown.length > 0) return shown;
  const next = spans.find(({ fromMs, offsetMs }) => fromMs + offsetMs > localMs);
  return next === undefined ? [] : [next.fromMs];
}
