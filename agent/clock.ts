/**
 * How far the wall clock is to be believed. `unsynced`: a time service says no, or the clock stands before the build or before the newest
 * trusted time. `unknown`: nobody to ask; the clock is used and marked. Only `unsynced` will hold readings.
 */
export type Trust = 'synced' | 'unknown' | 'unsynced';

/** One instant on both time lines. `boot` names the boot of the machine, `bootMs` counts since it (suspend included), whole ms. */
export interface Stamp {
  readonly boot: string;
  readonly bootMs: number;
  readonly wallMs: number;
  readonly trust: Trust;
}

/** The only owner of time. Delays and deadlines run on boot time, never on the wall. */
export interface Clock {
  now(): Stamp;
  /** Resolves after `ms` of boot time. Rejects with the signal's reason when it fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Resolves at wall time `wallMs`, looking again after every step: late by a step, never twice. Rejects with the signal's reason when it fires. */
  sleepUntil(wallMs: number, signal: AbortSignal): Promise<void>;
}
