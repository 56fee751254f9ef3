import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../agent/clock.ts';

/** The machine's own clock, believed, in whole milliseconds: what is dated by it can be recomputed exactly. */
export function wallClock(): Clock {
  const wait = async (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal });
  return {
    now: () => {
      const wallMs = Date.now();
      return { boot: 'boot-1', bootMs: wallMs - 1_700_000_000_000, wallMs, trust: 'synced' };
    },
    sleep: wait,
    sleepUntil: (wallMs, signal) => wait(Math.max(0, wallMs - Date.now()), signal),
  };
}
