import type { Kind, Observation, PointInfo } from '../../../agent/reading.ts';
import type { Clock } from '../../../agent/clock.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import type { DriverHost, SaidOfPoint, Settings } from '../../../drivers/driver.ts';
import type { OpcUaPlan } from '../../../drivers/opcua/plan.ts';
import { opcuaSchema } from '../../../drivers/opcua/schema.ts';
import { pointInfo } from '../modbus/support.ts';

export interface DevicePart {
  readonly id: string;
  readonly points: Readonly<Record<string, Settings & { kind?: Kind }>>;
}

/** The plan as the agent would build it: `common` stands for what points inherit; `connection`: beside the endpoint. */
export function planOf(
  port: number,
  devices: readonly DevicePart[],
  common: Settings = {},
  connection: Settings = {},
): OpcUaPlan {
  return opcuaSchema.plan(
    {
      id: 'plc',
      driver: 'opcua',
      settings: { endpoint: `opc.tcp://127.0.0.1:${port}`, ...connection },
      devices: devices.map(({ id, points }) => ({
        id,
        settings: {},
        points: Object.entries(points).map(([name, { kind, ...settings }]) => ({
          info: pointInfo(id, name, kind ?? 'gauge'),
          settings: { every: 1_000, ...common, ...settings },
        })),
      })),
    },
    (severity, { device, point, key }, message) => {
      if (severity === 'error') throw new Error(`${device}.${point} ${key}: ${message}`);
    },
  );
}

/** All points of a device, as the poller would ask for them. */
export function pointsOf(plan: OpcUaPlan, device: string): PointInfo[] {
  return plan.devices.find(({ id }) => id === device)?.points.map(({ info }) => info) ?? [];
}

/** Time goes on as it does. */
const realClock = (): Clock => systemClock({ source: timeSource('none'), builtAtMs: 0 });

/** Keeps what a session pushes, and what it has to say. */
export class Listener implements DriverHost {
  readonly clock: Clock;
  readonly seen: Observation[] = [];
  readonly said: string[] = [];
  readonly saidOfPoints: SaidOfPoint[] = [];

  constructor(clock: Clock = realClock()) {
    this.clock = clock;
  }

  push(seen: readonly Observation[]): Promise<void> {
    this.seen.push(...seen);
    return Promise.resolve();
  }

  log(message: string): void {
    this.said.push(message);
  }

  described(said: readonly SaidOfPoint[]): void {
    this.saidOfPoints.push(...said);
  }

  event(): void {}

  of(point: string): Observation[] {
    return this.seen.filter((one) => one.point.point === point);
  }
}

/** Waits in real time (servers are real) for something to become true. */
export async function until(what: () => boolean, withinMs = 10_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!what()) {
    if (Date.now() > end) throw new Error(`not true within ${withinMs} ms: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
