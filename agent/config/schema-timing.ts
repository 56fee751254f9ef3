/** The keys that say when a point is read. They stand in connection, profile, device and point; the nearest one holds. */
import * as v from 'valibot';
import { MONTH_MS } from '../schedule/wall-slots.ts';
import { allowed, doc, duration, durationMs, durationText } from './grammar.ts';
import { defaultEveryMs } from './site-config.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** `"15m"` → 900000, `"1mo"` → MONTH_MS; undefined when it is no distance of slots. */
function everyMs(value: string): number | undefined {
  if (value === '1mo') return MONTH_MS;
  const ms = durationMs(value);
  if (ms === undefined || ms < 100 || ms > dayMs) return undefined;
  return (ms < hourMs ? hourMs : dayMs) % ms === 0 ? ms : undefined;
}

const wholeParts = (of: number, unit: string): string[] =>
  Array.from({ length: of - 1 }, (_, before) => before + 1)
    .filter((count) => of % count === 0)
    .map((count) => `${count}${unit}`);
const wholeEvery = [
  '100ms',
  '200ms',
  '500ms',
  ...wholeParts(3600, 's').filter((each) => Number.parseInt(each, 10) < 60),
  ...wholeParts(60, 'm'),
  ...wholeParts(24, 'h'),
  '1d',
  '1mo',
];

/** `"7m"` → `; nearest: "6m" or "10m"`. */
function nearestEvery(input: unknown): string {
  const ms = typeof input === 'string' ? durationMs(input) : undefined;
  if (ms === undefined) return '';
  const above = wholeEvery.findIndex((each) => (everyMs(each) ?? 0) > ms);
  const near = wholeEvery.slice(...(above === -1 ? [-1] : above === 0 ? [0, 1] : [above - 1, above + 1]));
  return `; nearest: ${near.map((each) => `"${each}"`).join(' or ')}`;
}

/** The distance of slots: under 1h counted in UTC, from 1h on at local times. */
function every() {
  const said = allowed(
    '100ms…30m dividing 1h, 1h…12h dividing 1d, or 1d, 1mo, as one number and one unit, e.g. "10s", "15m", "6h"',
  );
  const message = ({ input }: { readonly input: unknown }): string => `${said}${nearestEvery(input)}`;
  return v.pipe(
    v.string(message),
    v.regex(/^(?:1mo|\d{1,9}(?:\.\d{1,6})?(?:ms|s|m|h|d))$/, message),
    v.check((value) => everyMs(value) !== undefined, message),
    v.transform((value) => everyMs(value) ?? 0),
  );
}

/** `"06:30"` → ms since midnight. */
function timeOfDay() {
  const message = allowed('a time of day "00:00"…"23:59"');
  return v.pipe(
    v.string(message),
    v.regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, message),
    v.transform((value) => (Number(value.slice(0, 2)) * 60 + Number(value.slice(3))) * 60_000),
  );
}

export const timing = {
  every: v.optional(
    doc(
      every(),
      `The distance of readings, aligned to the clock: \`"15m"\` reads at :00, :15, :30 and :45. Under 1h it divides the hour; from 1h on it divides the day, or is \`1d\` or \`1mo\` (the first of the month), at the local time of \`site.timezone\`. ${durationText(defaultEveryMs('counter'))} for counters and ${durationText(defaultEveryMs('gauge'))} for the rest unless stated.`,
      { examples: ['10s', '15m', '1h', '1d'] },
    ),
  ),
  at: v.optional(
    doc(
      timeOfDay(),
      'Where readings `every` 1h and longer are counted from: a local time of day. `"06:00"` with `"every": "1d"` reads once a day at six. `"00:00"` unless stated.',
      { examples: ['06:00'] },
    ),
  ),
  within: v.optional(
    doc(
      duration({ minMs: 1, maxMs: dayMs }),
      'How long after its time a counter is still tried to be read; then one `bad` is sent for that time. The smaller of half of `every` and 5m unless stated.',
      { examples: ['2m'] },
    ),
  ),
};
