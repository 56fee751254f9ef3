import type { Clock } from '../agent/clock.ts';
import type { Home, LineOwner } from './driver.ts';

/** What a driver offers to somebody in front of a device, without a configuration. Can only read. */
export interface Tools {
  /** Reads once and shows every way to understand it. Throws UsageError for a wrong URL or display, LinkError when nobody can be asked. */
  probe(url: string, options: ProbeOptions, host: ToolHost): Promise<Finding>;
  /** Finds the devices on a line or host. Tells beforehand how long it takes at most; when the signal fires, ends with what was found. Throws like `probe`. */
  scan?(url: string, options: ScanOptions, host: ToolHost): Promise<Finding>;
  /** An address space as a tree. Its `json` is a list: one a line. When the signal fires, ends with what was found. Throws like `probe`. */
  browse?(url: string, options: BrowseOptions, host: ToolHost): Promise<Finding>;
}

export interface ProbeOptions {
  /** What the meter's face shows, as it was typed: `1234.567`. */
  readonly display: string | null;
  /** The plan of a connection that the configuration has: its user and keys. Absent: nobody's. */
  readonly plan?: unknown;
}

export interface BrowseOptions {
  /** As in `ProbeOptions`; null: nobody's. */
  readonly plan: unknown;
  /** Where to begin, as it was typed: a NodeId or a browse path; null: at the top. */
  readonly under: string | null;
  /** Only nodes with this in a name or a NodeId, whatever its case. */
  readonly match: string | null;
  readonly type: 'variable' | 'object' | 'method' | null;
  /** null: the tool's own. */
  readonly depth: number | null;
  /** Of nodes that are looked at; null: the tool's own. */
  readonly limit: number | null;
  readonly values: boolean;
  readonly points: boolean;
  readonly properties: boolean;
}

export interface ScanOptions {
  /** As it was typed: `1-10,20`; null: all that there can be. */
  readonly units: string | null;
  /** Of a serial line: tries the usual settings until somebody answers. */
  readonly sweep: boolean;
}

export interface ToolHost {
  readonly clock: Clock;
  /** Whoever may have the line open already. */
  readonly owner: LineOwner;
  /** Whose keys and certificates are used; absent: there is no configuration. */
  readonly home?: Home;
  /** Ends early, with what was found. */
  readonly signal: AbortSignal;
  /** The profiles that a device can name, with the model each is for. */
  profiles(): readonly { readonly name: string; readonly model: string }[];
  /** Something to know before it is over. */
  tell(text: string): void;
  /** Where it is now, for somebody who watches; each takes the place of the one before, '' of the last. */
  progress(text: string): void;
}

/** What a tool found: one JSON value for programs; for people parts below each other, sentences and tables. */
export interface Finding {
  /** False: it ran, and nothing was found. */
  readonly ok: boolean;
  readonly json: unknown;
  readonly parts: readonly (string | Table)[];
  /** What is to be known beside it, and is no part of it. */
  readonly notes?: readonly string[];
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of numbers. */
  readonly right?: readonly number[];
}
