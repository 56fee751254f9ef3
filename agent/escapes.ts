import { AsyncLocalStorage } from 'node:async_hooks';

type Taken = (error: unknown) => void;

const owners = new AsyncLocalStorage<Taken>();

/**
 * Does the work of a library whose timers and sockets may throw where nobody can catch it, which would end the process with all its other connections. `taken` hears what
 * escapes from anything that this work set going, now or later; it never throws.
 */
export function contained<T>(taken: Taken, work: () => T): T {
  return owners.run(taken, work);
}

/** For the one who hears of every exception that nobody caught, in its handler: whether somebody was told whose it is. */
export function isTaken(error: unknown): boolean {
  const taken = owners.getStore();
  if (taken === undefined) return false;
  taken(error);
  return true;
}
