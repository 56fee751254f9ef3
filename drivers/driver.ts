import type { ObjectEntries } from 'valibot';
import type { Clock } from '../agent/clock.ts';
import type { GatewayEvent, Kind, Observation, PointInfo } from '../agent/reading.ts';

/**
 * The part of the configuration's grammar that a driver owns. Loading it loads no protocol library.
 * Everything here is pure: same settings, same plan.
 */
export interface DriverSchema<Plan = unknown> {
  /** What its devices, points and profiles are called in the published schema, e.g. `modbus`: they are the same for all drivers of the family. */
  readonly family: string;
  /**
   * The values of a connection's `driver`, e.g. `modbus-tcp`, with the keys that such a connection has besides the agent's own (`driver`, `enabled`, `every`,
   * `within`, `labels`, `description`); valibot entries, durations already in ms.
   */
  readonly connections: Readonly<Record<string, ObjectEntries>>;
  readonly device: ObjectEntries;
  readonly point: ObjectEntries;
  /** Keys which a point takes from its device, profile or connection when it does not state them. Each stands in several of those above, and in every connection if in one. */
  readonly inherited: readonly string[];
  /** Groups of point keys that say the same in different ways. What a point states of a group hides all of it in its profile's point. */
  readonly alternatives?: readonly (readonly string[])[];
  /** The folder of the profiles that are built in, one a file; a file is read when a device names it. */
  readonly profileFolder?: string;
  /** The kind of a point that states none. */
  kindOf(point: Settings): Kind;
  /** A device says the unit of a point that states none: nobody is told that it is missing. */
  readonly saysUnits?: boolean;
  /** Its values come by themselves (`DriverHost.push`): it has no slots, and `every` is for the driver to use. Never where this is absent. */
  isPushed?(point: Settings, kind: Kind): boolean;
  /** Builds what `open` takes. Reports contradictions that single keys cannot show; a reported error means that the plan is never opened.
   * So does a key of a connection or device that is wrong: it is told already, is not in `settings`, and nothing may be told of it; its points are right. */
  plan(connection: PlannedConnection, report: Report): Plan;
  /**
   * Contradictions among the keys that one point states, true whatever its other keys are. For points of which another key is wrong: those
   * `plan` never sees. `point`: only what stands there and is right.
   */
  clashes?(point: Settings): readonly { readonly key: string; readonly message: string }[];
  /** What a connection with these settings opens (`10.12.0.20:502`, a serial line), and how bad it is when another connection opens it too. */
  linkOf?(driver: string, connection: Settings): { readonly name: string; readonly shared: 'error' | 'warning' };
  /** The line that a plan opens, as `LineOwner` names it. */
  lineOf?(plan: Plan): string;
  /** Requests on the link when all points are due at once, for `sluice check`. */
  requestsPerCycle?(plan: Plan): number;
  /** What this plan asks of a server that sends values by itself, for `sluice check`. */
  demandOf?(plan: Plan, timingOf: (point: PointInfo) => PointTiming): LinkDemand;
  /** How full the link of this plan will be, for `sluice check`; reports what cannot work. */
  loadOf?(plan: Plan, timingOf: (point: PointInfo) => PointTiming, report: Report): LinkLoad;
  /** For people in front of the device: where the point is found, e.g. `holding 12 (40013, 400013)`, whether `run` sends its raw words, and how long an answer is waited for. */
  describe?(
    plan: Plan,
    point: PointInfo,
  ): { readonly where: string; readonly keepsRaw: boolean; readonly timeoutMs?: number };
  /**
   * The register map of a device: per point all that turns raw words into its value, defaults filled in, as plain JSON. It is published and kept for ever, so
   * that words which were decoded wrongly can be decoded again years later. Without it: the points are published with unit and kind alone.
   */
  registersOf?(plan: Plan, device: string): Readonly<Record<string, Settings>>;
}

/** When a point is read, and how long its slot stays due when it is a counter. */
export interface PointTiming {
  readonly everyMs: number;
  readonly withinMs: number;
}

export interface LinkLoad {
  /** Of the link's time, when every device answers at once; 1 is all of it. null: what carries the bytes is not known. */
  readonly share: number | null;
  /** What it takes when all points are due at once; null as above. */
  readonly cycleMs: number | null;
  /** How long one device that does not answer holds up the others, each time it is polled. */
  readonly silenceMs: number;
}

export interface LinkDemand {
  /** Points that the server watches, by how often it sends what changed, the fastest first. */
  readonly subscriptions: readonly { readonly publishingMs: number; readonly points: number }[];
  /** Points that are read, by how often, the fastest first. */
  readonly polled: readonly { readonly everyMs: number; readonly points: number }[];
  /** On average, when every subscription always has something to say and the server takes as much at once as it is asked. */
  readonly requestsPerSecond: number;
}

/** Settings as the schema read them (durations in ms), inherited ones filled in. */
export type Settings = Readonly<Record<string, unknown>>;

export interface PlannedConnection {
  readonly id: string;
  readonly driver: string;
  readonly settings: Settings;
  /** Keys of the connection that are wrong: told already, and not in `settings`. */
  readonly wrong?: ReadonlySet<string>;
  readonly devices: readonly {
    readonly id: string;
    readonly settings: Settings;
    readonly points: readonly {
      readonly info: PointInfo;
      readonly settings: Settings;
      /** Keys that stand in the point, or in its profile's: what is not here is inherited. */
      readonly stated?: ReadonlySet<string>;
      /** As `isPushed` said, but for what is read whatever it says: a serial number. */
      readonly pushed?: boolean;
    }[];
    /** Names of points that are in the file and not in `points`: switched off, or wrong, which is told already. */
    readonly leftOut?: { readonly disabled: readonly string[]; readonly wrong: readonly string[] };
  }[];
}

/** A problem (or warning) at a key of a device's point, a device, or the connection itself (`device` null). `key` null: the whole object. */
export interface Report {
  (
    severity: 'error' | 'warning',
    place: { device: string | null; point: string | null; key: string | null },
    message: string,
  ): void;
}

/** Sockets and decoding only: no slots, no retries of the link, no identity, no knowledge of the buffer. Can only read. */
export interface Driver<Plan = unknown> {
  /**
   * `plan`: one connection with all its devices, frozen. Resolves when usable, rejects with LinkError, never retries.
   * A silent device is no LinkError. `signal` gives up the attempt. `before`: the session that this driver opened last for the same plan, which has ended; what it
   * left behind may be taken over.
   */
  open(plan: Plan, host: DriverHost, signal: AbortSignal, before?: Session): Promise<Session>;
}

/** One poll of one device. `points`: those asked for now, all of this device. `dueMs`: boot time at which it was due; the soonest goes first. */
export interface PollJob {
  readonly device: string;
  readonly points: readonly PointInfo[];
  readonly dueMs: number;
}

export interface Session {
  /**
   * Calls overlap; the session serialises its line, soonest due first. Resolves with exactly one Observation per point, in the
   * order of `job.points`, bad ones included, at the latest when `signal` fires (then BadTimeout). Rejects only with LinkError when the link is lost.
   */
  poll(job: PollJob, signal: AbortSignal): Promise<Observation[]>;
  /** What somebody must see to although it works: a certificate that will expire. A sentence each; asked again and again. */
  remarks?(): readonly string[];
  /** The link was lost (the error), or `close` was called (undefined). Never rejects. */
  readonly ended: Promise<Error | undefined>;
  /**
   * One question of the driver's own kind, from a process that borrows this line (`LineOwner`), when nobody here waits for an answer. The question is
   * foreign: what is none is refused with RangeError. Rejects with LinkError when the link is lost, with the signal's reason when that fires before its turn.
   */
  ask?(question: unknown, signal: AbortSignal): Promise<unknown>;
  /** What it left behind at the device, once it has ended: for the session after it (`before` of `open`) and for nobody else. */
  left?(): Promise<unknown>;
  /** Idempotent, within 2 s; polls under way reject with LinkError. */
  close(): Promise<void>;
}

/** What the agent offers a driver. */
export interface DriverHost {
  readonly clock: Clock;
  /** Observations carry their raw words, whatever the plan says: for `sluice read`. */
  readonly everyRaw?: boolean;
  /** Absent: there is no place to keep anything, so nothing can be opened that needs keys or certificates. */
  readonly home?: Home;
  /** Whoever may have the line open already; absent: it is opened here. */
  readonly owner?: LineOwner;
  /** Pushed values. Resolves after the commit: acknowledge the source only then. Awaiting it is the back-pressure. */
  push(seen: readonly Observation[], signal: AbortSignal): Promise<void>;
  /** What only the person at the configuration can mend, and no record says well: a warning. The driver tells it once a session. */
  log?(message: string): void;
  /** What devices say of points whose configuration is silent, for the asset register. Each time it is asked anew. */
  described?(said: readonly SaidOfPoint[]): void;
  /** Never blocks, never throws. */
  event(event: GatewayEvent): void;
}

export interface SaidOfPoint {
  readonly device: string;
  readonly point: string;
  /** UCUM; null: the device says none. */
  readonly unit: string | null;
}

/** Whose keys and certificates these are, and where they are kept. */
export interface Home {
  readonly gateway: string;
  readonly stateDir: string;
  /** The configuration as it was named: for commands that somebody is to type. */
  readonly file: string;
}

/** A process that has lines open already, and puts others' questions to them: a line is never opened twice. */
export interface LineOwner {
  /** null: it has no line of this name. Rejects with LinkError when it may not be asked, or its line is down. */
  borrow(line: string, signal: AbortSignal): Promise<BorrowedLine | null>;
}

export interface BorrowedLine {
  /** One at a time. Rejects with LinkError. */
  ask(question: unknown): Promise<unknown>;
  close(): void;
}
