import type { Reading } from '../reading.ts';

/** `report: change`: a reading is sent when it says something new. */
export interface ReportRule {
  /** In the point's unit: up to this far from what was sent last, a value is nothing new. */
  readonly deadband: number;
  /** At the latest so long after the last one it is sent again; null: never for its age. */
  readonly maxAgeMs: number | null;
}

/** Answers do not come at the same ms after each slot. */
const JITTER_MS = 1_000;

/** Whether `now` must be sent when `sent` was the last that was. `everyMs`: when the next one comes. */
export function isNews(rule: ReportRule, sent: Reading | null, now: Reading, everyMs: number): boolean {
  if (sent === null || now.quality === 'bad') return true;
  if (now.quality !== sent.quality || now.status !== sent.status || now.text !== sent.text) return true;
  if (distance(now.value, sent.value) > rule.deadband) return true;
  if (rule.maxAgeMs === null) return false;
  // The last one that is not too late.
  const slackMs = Math.min(everyMs / 4, JITTER_MS);
  return now.at.bootMs - sent.at.bootMs + everyMs > rule.maxAgeMs + slackMs;
}

/** As decimals: 20.3 is 0.1 from 20.2, not 0.10000000000000142. */
function distance(a: number | null, b: number | null): number {
  if (a === null || b === null) return a === b ? 0 : Infinity;
  return Number(Math.abs(a - b).toPrecision(12));
}
