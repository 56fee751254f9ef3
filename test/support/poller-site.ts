import type { PolledPoint } from '../../agent/schedule/point-state.ts';
import { type KeptOfDevices, type Poller, type PollerHandover, startPoller } from '../../agent/poller/poller.ts';
import type { HeldDue, GatewayEvent, PointInfo, Reading } from '../../agent/reading.ts';
import { fromFullHour } from '../../agent/schedule/slots.ts';
import { type Supervisor, startSupervisor } from '../../agent/supervisor.ts';
import { FakeClock, settled } from './fake-clock.ts';
import { ScriptedDriver, pointInfo } from './scripted-driver.ts';

export const second = 1_000;
export const minute = 60_000;

export function counter(name: string, everyMs = 15 * minute, withinMs = 5 * minute): PolledPoint {
  return { info: pointInfo(name, 'counter'), schedule: fromFullHour(everyMs), withinMs };
}

export function gauge(name: string, everyMs = 10 * second, kind: PointInfo['kind'] = 'gauge'): PolledPoint {
  return { info: pointInfo(name, kind), schedule: fromFullHour(everyMs), withinMs: 0 };
}

export const nothingKept: KeptOfDevices = {
  newestSlotMs: () => undefined,
  heldDues: () => [],
  lastTotal: () => undefined,
  serialSeen: () => undefined,
  sawSerial: () => {},
};

/** `pushed`: its values come by themselves. */
export type SitePoint = PolledPoint & { readonly pushed?: boolean };

/** One device behind a scripted driver, with the real poller and supervisor, on a clock that the test moves. */
export class PollerSite {
  readonly clock: FakeClock;
  readonly driver: ScriptedDriver;
  readonly readings: Reading[] = [];
  readonly events: GatewayEvent[] = [];
  readonly logged: string[] = [];
  /** As it is kept over restarts. */
  serial: string | undefined;
  /** How many readings there were at each start. */
  readonly starts: number[] = [];
  #points: readonly SitePoint[];
  #running: { poller: Poller; supervisor: Supervisor } | null = null;

  constructor(points: readonly SitePoint[], wall = '2026-11-22T13:00:00Z') {
    this.#points = points;
    this.clock = new FakeClock(wall);
    this.driver = new ScriptedDriver(this.clock);
  }

  get poller(): Poller {
    if (this.#running === null) throw new Error('start() first');
    return this.#running.poller;
  }

  /** The connection is open by the time it returns, unless the script says otherwise. */
  async start(): Promise<this> {
    const { clock, driver } = this;
    this.starts.push(this.readings.length);
    const log = (message: string): void => void this.logged.push(message);
    const supervisor = startSupervisor({
      connection: 'panel',
      load: () => Promise.resolve(driver),
      plan: null,
      host: { clock, push: () => Promise.resolve(), event: (event) => this.events.push(event) },
      clock,
      log: (_, message) => log(message),
      random: () => 0.5,
    });
    await settled();
    this.#running = { poller: this.#poll(supervisor), supervisor };
    await settled();
    return this;
  }

  /** Another poller takes over on the same connection, for these points; nobody polls for `pauseMs` between the two. */
  async takeOver(points: readonly SitePoint[], pauseMs = 0): Promise<void> {
    if (this.#running === null) throw new Error('start() first');
    const { poller, supervisor } = this.#running;
    const before = await poller.stop();
    await this.clock.advance(pauseMs);
    this.#points = points;
    this.#running = { supervisor, poller: this.#poll(supervisor, before) };
    await settled();
  }

  #poll(link: Supervisor, before?: PollerHandover): Poller {
    return startPoller({
      device: { id: 'EM-1', points: this.#points },
      link,
      clock: this.clock,
      sink: (_, readings) => Promise.resolve(void this.readings.push(...readings)),
      event: (event) => this.events.push(event),
      log: (message) => this.logged.push(message),
      kept: {
        ...nothingKept,
        newestSlotMs: (_, point) => this.#newestSlotMs(point),
        heldDues: (_, point) => this.#heldDues(point),
        serialSeen: () => this.serial,
        sawSerial: (_, serial) => void (this.serial = serial),
      },
      before,
    });
  }

  /** As at the end of the process: what was written stays known. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    const stopped = running.poller.stop();
    const atOnce = await Promise.race([stopped.then(() => true), settled().then(() => false)]);
    // A driver that does not give up its poll is left alone after a second.
    if (!atOnce) await this.clock.advance(1_000);
    await stopped;
    await running.supervisor.close();
  }

  /** `HH:MM:SS value|status` of a point's readings; with its slot where it is not the time shown. */
  told(point: string): string[] {
    return this.readings
      .filter((reading) => reading.point.point === point)
      .map(({ slotMs, value, status }) => `${slotMs === null ? '-' : time(slotMs)} ${value ?? status}`);
  }

  polls(): string[] {
    return this.driver.polls.map(({ at, points }) => `${time(at.wallMs)} ${points.join(' ')}`);
  }

  eventNames(): string[] {
    return this.events.map((event) => event.event);
  }

  #heldDues(point: string): HeldDue[] {
    return this.readings.flatMap(({ point: { point: name }, laterSlot, at }) =>
      name === point && laterSlot !== undefined && at.boot === this.clock.boot
        ? [{ dueBootMs: at.bootMs - laterSlot.lateMs, withinMs: laterSlot.withinMs }]
        : [],
    );
  }

  #newestSlotMs(point: string): number | undefined {
    const slots = this.readings.flatMap((reading) =>
      reading.point.point === point && reading.point.kind === 'counter' && reading.slotMs !== null
        ? [reading.slotMs]
        : [],
    );
    return slots.length === 0 ? undefined : Math.max(...slots);
  }
}

function time(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(11, 19);
}

/** Sites that end with their test: hand `stopAll` to `afterEach`. */
export function pollerSites(): {
  readonly site: (points: readonly SitePoint[], wall?: string) => PollerSite;
  readonly stopAll: () => Promise<void>;
} {
  const open: PollerSite[] = [];
  return {
    site(points, wall) {
      const made = new PollerSite(points, wall);
      open.push(made);
      return made;
    },
    async stopAll() {
      await Promise.all(open.splice(0).map((each) => each.stop()));
    },
  };
}
