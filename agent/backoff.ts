export interface BackoffLimits {
  /** Longest wait before the second attempt. */
  readonly baseMs: number;
  /** Longest wait of all. */
  readonly capMs: number;
}

/**
 * Wait before the next attempt after `failures` (1, 2, …) failed ones: anywhere between 0 and the doubling limit. Full jitter, because
 * a fleet that lost one broker, or thirty devices behind one switch, must not come back in step.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function fullJitter(failures: number, limits: BackoffLimits, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(limits.capMs, limits.baseMs * 2 ** (failures - 1)));
}

/** Most outages are short: a switch that restarts, a broker that is updated. Whoever was away for less is called at most this far apart. */
const shortOutageMs = 5 * 60_000;
const shortOutageCapMs = 5_000;
const longOutageCapMs = 30_000;

/** Full jitter for a link that has been down for `downForMs`: back within seconds after a short outage, gentle in a long one. */
export function outageBackoff(
  failures: number,
  downForMs: number,
  baseMs: number,
  random?: () => number,
  longCapMs = longOutageCapMs,
): number {
  const capMs = downForMs > shortOutageMs ? longCapMs : shortOutageCapMs;
  return fullJitter(failures, { baseMs, capMs }, random);
}
