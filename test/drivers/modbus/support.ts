import type { Kind, PointInfo } from '../../../agent/reading.ts';
import type { Clock } from '../../../agent/clock.ts';
import type { DriverHost, Settings } from '../../../drivers/driver.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { modbusSchema } from '../../../drivers/modbus/schema.ts';

export interface Told {
  severity: string;
  device: string | null;
  point: string | null;
  key: string | null;
  message: string;
}

export function pointInfo(device: string, point: string, kind: Kind = 'gauge', unit: string | null = null): PointInfo {
  return {
    hash: Buffer.from(`${device}/${point}`).toString('hex').slice(-12).padStart(12, '0'),
    gateway: 'gw',
    site: null,
    device,
    asset: null,
    serial: null,
    point,
    kind,
    unit,
    stream: kind === 'counter' ? 'meter-readings' : 'sensor-values',
    map: '000000000000',
  };
}

export interface DevicePart {
  id: string;
  unitId?: number;
  points: Record<string, Settings & { kind?: Kind; unit?: string }>;
}

export interface ConnectionPart {
  readonly driver: string;
  readonly settings: Settings;
}

export const lineOf = (path: string): ConnectionPart => ({
  driver: 'modbus-rtu',
  settings: { path, baudRate: 115_200, parity: 'none' },
});

/** The plan as the agent would build it: `common` stands for what points inherit. A number is a port of Modbus TCP. */
export function planOf(
  to: number | ConnectionPart,
  devices: readonly DevicePart[],
  common: Settings = {},
): { plan: ModbusPlan; told: Told[] } {
  const told: Told[] = [];
  const plan = modbusSchema.plan(
    {
      id: 'panel',
      ...(typeof to === 'number' ? { driver: 'modbus-tcp', settings: { host: '127.0.0.1', port: to } } : to),
      devices: devices.map(({ id, unitId = 1, points }) => ({
        id,
        settings: { unitId },
        points: Object.entries(points).map(([name, { kind, unit, ...settings }]) => ({
          info: pointInfo(id, name, kind ?? modbusSchema.kindOf({ ...common, ...settings }), unit ?? null),
          settings: { ...common, ...settings },
        })),
      })),
    },
    (severity, place, message) => told.push({ severity, ...place, message }),
  );
  return { plan, told };
}

export function hostOf(clock: Clock): DriverHost {
  return {
    clock,
    push: () => Promise.reject(new Error('a Modbus driver pushes nothing')),
    event: () => {},
  };
}

/** All points of a device, as the poller would ask for them. */
export function pointsOf(plan: ModbusPlan, device: string): PointInfo[] {
  return plan.devices.find(({ id }) => id === device)?.points.map(({ info }) => info) ?? [];
}

/** Waits in real time (sockets are real) for something to become true. */
export async function until(what: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!what()) {
    if (Date.now() > end) throw new Error(`never became true: ${what.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
