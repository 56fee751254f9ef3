import { setImmediate } from 'node:timers/promises';
import type { Driver, DriverHost } from '../drivers/driver.ts';
import { driverFor } from '../drivers/registry.ts';
import type { Clock } from './clock.ts';
import { same } from './config/same.ts';
import type { ConnectionConfig, DeviceConfig, PointConfig } from './config/site-config.ts';
import { LinkError, SluiceError } from './errors.ts';
import type { Observation } from './reading.ts';
import { startPoller } from './poller/poller.ts';
import type { Poller, PollerHandover, PollerOptions } from './poller/poller.ts';
import type { DeviceState } from './status/facts.ts';
import { startSupervisor } from './supervisor.ts';
import type { Supervisor, SupervisorState } from './supervisor.ts';
import { scheduleMaker } from './schedule/wall-slots.ts';

export interface ConnectionsOptions extends Pick<PollerOptions, 'sink' | 'event' | 'kept'> {
  /** What its devices' values go to is each connection's own. */
  readonly host: Omit<DriverHost, 'push'>;
  readonly clock: Clock;
  readonly log: (severity: 'info' | 'warning', message: string) => void;
}

/** Ids of connections, by what a configuration changes about them. */
export interface Changes {
  readonly opened: readonly string[];
  readonly closed: readonly string[];
  /** The connection stays open; its devices are polled by other rules. */
  readonly rescheduled: readonly string[];
}

interface Line {
  readonly config: ConnectionConfig;
  readonly supervisor: Supervisor;
  readonly pollers: Map<string, { readonly config: DeviceConfig; readonly poller: Poller }>;
}

/** All connections with their devices: which there are, opened and closed as the configuration wants it. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #scheduleOf = scheduleMaker();
  #lines: ReadonlyMap<string, Line> = new Map();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** What `apply` would open, close and reschedule. */
  changes(wanted: readonly ConnectionConfig[]): Changes {
    const after = new Map(wanted.map((config) => [config.id, config]));
    const isKept = ({ config }: Line): boolean => keepsSession(config, after.get(config.id));
    const kept = [...this.#lines.values()].filter(isKept);
    const keptIds = new Set(kept.map(({ config }) => config.id));
    return {
      opened: [...after.keys()].filter((id) => !keptIds.has(id)),
      closed: [...this.#lines.keys()].filter((id) => !keptIds.has(id)),
      rescheduled: kept.filter(({ config }) => !samePolls(config, after.get(config.id))).map(({ config }) => config.id),
    };
  }

  /**
   * Opens and closes exactly the connections whose plan changed; on the others only devices whose rules changed get a new poller. What is
   * closed is closed before anything opens: no device is asked over two links. One call at a time.
   */
  async apply(wanted: readonly ConnectionConfig[]): Promise<Changes> {
    const changes = this.changes(wanted);
    const after = new Map(wanted.map((config) => [config.id, config]));
    const handovers = new Map<string, PollerHandover>();
    const closed = new Set(changes.closed);
    await Promise.all(
      [...this.#lines.values()].map(async (line) => {
        const isClosed = closed.has(line.config.id);
        const devices = new Map(after.get(line.config.id)?.devices.map((device) => [device.id, device]));
        for (const [id, handover] of await stopPollers(
          line,
          (device) => isClosed || !isPolledAlike(device, devices.get(device.id)),
        ))
          handovers.set(id, handover);
        if (isClosed) await line.supervisor.close();
      }),
    );
    this.#lines = new Map(
      wanted.map((config) => [
        config.id,
        this.#line(config, closed.has(config.id) ? undefined : this.#lines.get(config.id), handovers),
      ]),
    );
    return changes;
  }

  state(): { readonly connections: readonly SupervisorState[]; readonly devices: readonly DeviceState[] } {
    const lines = [...this.#lines.values()];
    return {
      connections: lines.map(({ supervisor }) => supervisor.state()),
      devices: lines.flatMap(({ config, pollers }) =>
        [...pollers.values()].map(({ poller }) => ({ connection: config.id, ...poller.state() })),
      ),
    };
  }

  /** What puts one question to the line of this name when nobody here waits for it; a text: why that is not possible now; null: there is no such line. */
  lineOf(name: string): ((question: unknown, signal: AbortSignal) => Promise<unknown>) | string | null {
    for (const { config, supervisor } of this.#lines.values()) {
      if (driverFor(config.driver)?.schema.lineOf?.(config.plan) !== name) continue;
      const session = supervisor.current();
      if (session?.ask !== undefined) return session.ask.bind(session);
      return `connection ${config.id} is down (${supervisor.state().error ?? 'it is being opened'})`;
    }
    return null;
  }

  /** Resolves when every connection has opened and the first requests are out, or `signal` fires. */
  async opened(signal: AbortSignal): Promise<void> {
    await Promise.allSettled([...this.#lines.values()].map(({ supervisor }) => supervisor.waitForSession(signal)));
    // Pollers that wait for the same sessions have their turn.
    await setImmediate();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    const lines = [...this.#lines.values()];
    await Promise.all(lines.map((line) => stopPollers(line, () => true)));
    await Promise.all(lines.map(({ supervisor }) => supervisor.close()));
  }

  #line(config: ConnectionConfig, open: Line | undefined, handovers: ReadonlyMap<string, PollerHandover>): Line {
    const { host, clock, log } = this.#options;
    const pollers: Line['pollers'] = open?.pollers ?? new Map();
    const supervisor =
      open?.supervisor ??
      startSupervisor({
        connection: config.id,
        load: () => loadDriver(config.driver),
        plan: config.plan,
        host: { ...host, push: (seen) => toPollers(pollers, seen) },
        clock,
        log,
      });
    // A device of which every point is switched off has nothing to say.
    const wanted = config.devices
      .filter(({ points }) => points.length > 0)
      .map((device) => {
        const poller = pollers.get(device.id)?.poller ?? this.#poll(device, supervisor, handovers.get(device.id));
        return [device.id, { config: pollers.get(device.id)?.config ?? device, poller }] as const;
      });
    // The same map, in the order of the file: the session's values find their poller here.
    pollers.clear();
    for (const [id, entry] of wanted) pollers.set(id, entry);
    return { config, supervisor, pollers };
  }

  #poll({ id, points }: DeviceConfig, link: Supervisor, before: PollerHandover | undefined): Poller {
    const { clock, log, sink, event, kept } = this.#options;
    return startPoller({
      device: { id, points: points.map((point) => ({ ...point, schedule: this.#scheduleOf(point) })) },
      link,
      clock,
      sink,
      event,
      log: (message) => log('warning', message),
      kept,
      before,
    });
  }
}

/** Each device's values to its own poller. Resolves after the commit of all. */
async function toPollers(pollers: Line['pollers'], seen: readonly Observation[]): Promise<void> {
  const taken = [...Map.groupBy(seen, ({ point }) => point.device)].map(async ([device, ofDevice]) => {
    const poller = pollers.get(device)?.poller;
    if (poller === undefined) throw new LinkError(`nobody takes values of device ${device} now`);
    await poller.take(ofDevice);
  });
  await Promise.all(taken);
}

/** A session serves a plan: it may stay as long as the plan is the same. */
function keepsSession(before: ConnectionConfig, after: ConnectionConfig | undefined): boolean {
  return after !== undefined && before.driver === after.driver && same(before.plan, after.plan);
}

/** By all that a poller goes by; labels and the like are the asset register's. */
function isPolledAlike(before: DeviceConfig, after: DeviceConfig | undefined): boolean {
  return same(before.points.map(rulesOf), after?.points.map(rulesOf));
}

const rulesOf = (point: PointConfig): unknown => ({ ...point, description: null, labels: null, obis: null });

function samePolls(before: ConnectionConfig, after: ConnectionConfig | undefined): boolean {
  const wanted = new Map(after?.devices.map((device) => [device.id, device]));
  return before.devices.every((device) => isPolledAlike(device, wanted.get(device.id)));
}

async function stopPollers(line: Line, which: (device: DeviceConfig) => boolean): Promise<[string, PollerHandover][]> {
  const stopped = [...line.pollers].filter(([, { config }]) => which(config));
  for (const [id] of stopped) line.pollers.delete(id);
  return Promise.all(stopped.map(async ([id, { poller }]) => [id, await poller.stop()]));
}

async function loadDriver(name: string): Promise<Driver> {
  const entry = driverFor(name);
  if (!entry) throw new SluiceError('NO_DRIVER', `no driver ${name}`);
  return entry.load();
}
