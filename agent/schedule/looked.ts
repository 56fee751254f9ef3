import type { Stamp } from '../clock.ts';

/** A wall clock that moved by more than this against boot time was stepped; less is slewing and rounding. */
const STEP_MS = 500;

/** How far an agenda had looked. */
export interface Looked {
  readonly bootMs: number;
  readonly wallMs: number;
  readonly untilWallMs: number;
}

/**
 * The look at `now`, behind the last one. `untilWallMs` is the wall time up to which slots have begun; `afterMs` is where those of this look begin. After a
 * step that is the last look as the new time would have called it, so that a boundary just jumped over is late, not lost, and hours jumped over are no burst.
 */
export function lookAfter(last: Looked, now: Stamp): { readonly looked: Looked; readonly afterMs: number } {
  const elapsedMs = now.bootMs - last.bootMs;
  const stepped = Math.abs(now.wallMs - last.wallMs - elapsedMs) > STEP_MS;
  const afterMs = stepped ? now.wallMs - elapsedMs : last.untilWallMs;
  return { looked: { bootMs: now.bootMs, wallMs: now.wallMs, untilWallMs: Math.max(afterMs, now.wallMs) }, afterMs };
}

/** What a start knows: nothing before this instant was looked at. */
export function firstLook({ bootMs, wallMs }: Stamp): Looked {
  return { bootMs, wallMs, untilWallMs: wallMs };
}
