import type { Clock } from '../clock.ts';

/**
 * Only a net under a driver that hangs. A call waits for its line's turn within this time too, so it must not be short: a request of the longest
 * timeout (60s) with its default retry, and as much of a queue as leaves a counter at 15m a second attempt within its 5 min.
 */
export const DEADLINE_MS = 180_000;
/** A session that does not give up a poll when told to is left alone after this long. */
export const GRACE_MS = 1_000;

/** A poll ends by then whatever its driver does: the deadline, and a second grace for a link that was lost. */
export const LONGEST_POLL_MS = DEADLINE_MS + 2 * GRACE_MS;

const ignore = (): void => {};

/** Aborts `attempt` at the deadline. Resolves with null when `work` then goes on regardless for longer than the grace. */
export async function withDeadline<T>(
  attempt: AbortController,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | null> {
  const done = new AbortController();
  const abandoned = new Promise<null>((resolve) => {
    const grace = (): void => void clock.sleep(GRACE_MS, done.signal).then(() => resolve(null), ignore);
    attempt.signal.addEventListener('abort', grace, { once: true });
  });
  clock
    .sleep(DEADLINE_MS, done.signal)
    .then(() => attempt.abort(new Error(`No answer within ${DEADLINE_MS} ms.`)), ignore);
  try {
    return await Promise.race([work(attempt.signal), abandoned]);
  } finally {
    // With a reason: without one every poll would make an error with its stack.
    done.abort(null);
  }
}
