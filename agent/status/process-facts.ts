import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What the process itself costs. */
export interface ProcessFacts {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** null: this system does not say. */
  readonly openFds: number | null;
  /** The longest that the event loop was held up in the last one to two minutes. */
  readonly worstDelayMs: number;
}

export interface ProcessWatch {
  facts(): ProcessFacts;
  close(): void;
}

/** A stall is told up to this much too short. Ten wake-ups a second: less than 0.1 % of a core. */
const resolutionMs = 100;
const windowMs = 60_000;
const nsPerMs = 1e6;

/** What this process costs, the longest delay from now on until `close`. */
export function watchProcess(): ProcessWatch {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  delays.enable();
  // An empty histogram says 0; what it counts is the distance of its own ticks.
  const worst = (): number => Math.max(0, delays.max / nsPerMs - resolutionMs);
  let before = 0;
  const turn = setInterval(() => {
    before = worst();
    delays.reset();
  }, windowMs);
  turn.unref();
  return {
    facts: () => {
      const { user, system } = process.cpuUsage();
      return {
        cpuSeconds: (user + system) / 1e6,
        residentBytes: process.memoryUsage.rss(),
        openFds: openFds(),
        worstDelayMs: Math.max(before, worst()),
      };
    },
    close: () => {
      clearInterval(turn);
      delays.disable();
    },
  };
}

function openFds(): number | null {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return null;
  }
}
