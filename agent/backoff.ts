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
