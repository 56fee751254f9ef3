import type { Home, LinkDemand, LinkLoad } from '../../drivers/driver.ts';
import type { Kind, PointInfo } from '../reading.ts';
import type { CounterRule } from '../screen/counters.ts';
import type { ReportRule } from '../screen/report.ts';
import type { TimeSourceName } from '../time/time-sources.ts';
import type { Destination } from '../uplink/uplink.ts';
import type { LocalTimes } from '../schedule/wall-slots.ts';
import type { Secret } from './grammar.ts';

/** A configuration that was found right: defaults filled in, profiles merged, what is disabled left out, paths absolute. */
export interface SiteConfig {
  /** As it was named by whoever loaded it. */
  readonly file: string;
  readonly gateway: string;
  readonly site: {
    readonly id: string;
    readonly name: string | null;
    readonly timezone: string | null;
    readonly labels: Labels;
  } | null;
  readonly stateDir: string;
  readonly clock: { readonly source: TimeSourceName; readonly holdMs: number };
  readonly buffer: {
    readonly path: string;
    readonly commitEveryMs: number;
    /** null: not stated; worked out from the file system at the start. */
    readonly maxBytes: number | null;
    readonly whenFull: 'thin' | 'stop';
  };
  readonly uplink: { readonly kafka: KafkaConfig } | { readonly file: { readonly path: string } };
  readonly status: { readonly host: string; readonly port: number } | null;
  readonly connections: readonly ConnectionConfig[];
  /** Devices that the file names and that are disabled, by themselves or with their connection. */
  readonly switchedOff: readonly string[];
}

export interface KafkaConfig {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** null: off. Paths of PEM files, or null for what the system trusts. */
  readonly tls: {
    readonly ca: string | null;
    readonly cert: string | null;
    readonly key: string | null;
    readonly serverName: string | null;
  } | null;
  readonly sasl: {
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
    readonly username: string;
    readonly password: Secret;
  } | null;
  readonly topics: Readonly<Record<Destination, string>>;
  readonly compression: 'none' | 'gzip' | 'zstd';
}

export interface ConnectionConfig {
  readonly id: string;
  readonly driver: string;
  /** What the driver's `open` takes. Deep-frozen. */
  readonly plan: unknown;
  /** Requests when all points are due at once; null: the driver does not say. */
  readonly requestsPerCycle: number | null;
  /** How full its link will be; null: the driver does not say. */
  readonly load: LinkLoad | null;
  readonly demand: LinkDemand | null;
  readonly devices: readonly DeviceConfig[];
}

export interface DeviceConfig {
  readonly id: string;
  /** The id of its connection. */
  readonly connection: string;
  /** The name of its profile, or null. */
  readonly profile: string | null;
  readonly description: string | null;
  /** Of its site, its connection and itself; the nearer one holds where a name stands twice. */
  readonly labels: Labels;
  readonly asset: AssetConfig;
  readonly points: readonly PointConfig[];
}

export type Labels = Readonly<Record<string, string>>;

/** What the device is in the owner's books. null: not stated. */
export interface AssetConfig {
  readonly id: string | null;
  readonly name: string | null;
  readonly serial: string | null;
  readonly location: string | null;
  readonly manufacturer: string | null;
  readonly model: string | null;
}

export interface PointConfig {
  readonly info: PointInfo;
  readonly description: string | null;
  /** Its own only, those of the profile's point of that name below. */
  readonly labels: Labels;
  /** As it was written, e.g. `1-0:1.8.0`. */
  readonly obis: string | null;
  /** The usual distance of slots; with `local` it says what they are (`SlotRule`). */
  readonly everyMs: number;
  /** Slots of 1h and longer stand at local times; null: under 1h. */
  readonly local: LocalTimes | null;
  /** How long a slot of a counter stays due. Never longer than `everyMs`. */
  readonly withinMs: number;
  /** Its values come by themselves, so it has no slots: `everyMs` is its driver's alone. */
  readonly pushed: boolean;
  /** It is the serial number that the meter says of itself; null: it is not. */
  readonly identity: 'serial' | null;
  /** null: every reading is sent. */
  readonly report: ReportRule | null;
  /** null: it is no counter. */
  readonly counter: CounterRule | null;
}

/** Distance of slots where the configuration states none. */
export function defaultEveryMs(kind: Kind): number {
  return kind === 'counter' ? 900_000 : 10_000;
}

/** The smaller of half the distance of slots and 5 minutes. */
export function defaultWithinMs(everyMs: number): number {
  return Math.min(everyMs / 2, 300_000);
}

/** What of it a driver that keeps keys and certificates may know. */
export function homeOf({ gateway, stateDir, file }: SiteConfig): Home {
  return { gateway, stateDir, file };
}
