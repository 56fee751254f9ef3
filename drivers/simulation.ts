import { isIPv4 } from 'node:net';
import type { Clock } from '../agent/clock.ts';

/** What a family of drivers gives to `sluice simulate`: servers on loopback that stand for the devices of a plan. Loaded when there is such a connection. */
export interface Simulation<Plan = unknown> {
  /** Where on the network the plan's connection goes; null: to no network. */
  network(plan: Plan): Network | null;
  /** How that is written, or how `at` is. */
  address(plan: Plan, at?: Network): string;
  /** What else must be known to ask there, e.g. `RTU over TCP`. */
  remark?(plan: Plan): string | null;
  /** What is served of each device: as text, and its figures for `--json`. */
  contents(plan: Plan): readonly { readonly device: string; readonly text: string; readonly json: object }[];
  /** What to change in the file when the port is taken. */
  readonly elsewhere: string;
  /** Throws RangeError with what there is. */
  refuseUnknownFault(fault: string): void;
  /** Rejects with the socket's error, which has a `code`. */
  start(options: SimulatorOptions<Plan>): Promise<Simulator>;
  /** The keys of the connection that lead to `at` in its place; undefined: not to be there. */
  moved(plan: Plan, at: Network): Readonly<Record<string, unknown>>;
}

export interface Network {
  readonly host: string;
  readonly port: number;
}

export interface SimulatorOptions<Plan> {
  readonly plan: Plan;
  /** Loopback only. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly clock: Clock;
  /** Same seed and time: same values. */
  readonly seed: number;
  /** Its own place for what it keeps from one run to the next; need not be there yet. */
  readonly folder: string;
}

export interface SimulatorStats {
  readonly connections: { readonly now: number; readonly ever: number };
  /** `requests`: received; `answered`: with values. */
  readonly devices: Readonly<
    Record<string, { readonly requests: number; readonly answered: number; readonly fault: string }>
  >;
}

export interface Simulator {
  readonly port: number;
  /** The file of the certificate that whoever connects must trust; absent: none. */
  readonly certificate?: string | undefined;
  /** Switches a fault on in the place of the one before; `off` ends it. Throws RangeError for what it does not know. Resolves when it holds. */
  fault(device: string, name: string): void | Promise<void>;
  stats(): SimulatorStats;
  close(): Promise<void>;
}

/** By its text: no name is looked up. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
