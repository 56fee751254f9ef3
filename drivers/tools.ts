import type { Clock } from '../agent/clock.ts';

/** What a driver offers to somebody in front of a device, without a configuration. Can only read. */
export interface Tools {
  /** Reads once and shows every way to understand it. Throws UsageError for a wrong URL or display, LinkError when nobody can be asked. */
  probe(url: string, options: ProbeOptions, host: ToolHost): Promise<Finding>;
}

export interface ProbeOptions {
  /** What the meter's face shows, as it was typed: `1234.567`. */
  readonly display: string | null;
}

export interface ToolHost {
  readonly clock: Clock;
  /** Ends early, with what was found. */
  readonly signal: AbortSignal;
}

/** What a tool found: one JSON value for programs; for people parts below each other, sentences and tables. */
export interface Finding {
  /** False: it ran, and nothing was found. */
  readonly ok: boolean;
  readonly json: unknown;
  readonly parts: readonly (string | Table)[];
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of numbers. */
  readonly right?: readonly number[];
}
