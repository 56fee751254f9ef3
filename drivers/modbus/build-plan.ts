import type { PlannedConnection, Report } from '../driver.ts';
import { durationText } from '../../agent/config/grammar.ts';
import { tellHelpers } from './build-helpers.ts';
import { buildPoint } from './build-point.ts';
import type { PointSettings } from './build-point.ts';
import { buildTransport } from './build-transport.ts';
import { defaults } from './defaults.ts';
import type { ModbusDevice, ModbusPlan, ModbusPoint } from './plan.ts';

type Device = PlannedConnection['devices'][number];
/** Defaults filled in, addresses as the protocol counts, contradictions told. The caller freezes it. */
export function buildPlan(connection: PlannedConnection, report: Report): ModbusPlan {
  const devices = connection.devices.map((device) => buildDevice(device, report));
  warnOfSharedUnits(devices, report);
  if (connection.driver !== 'modbus-tcp') refuseUnits(devices, report);
  return {
    connection: connection.id,
    transport: buildTransport(connection, report),
    pauseAfterConnectMs: (connection.settings['pauseAfterConnect'] as number | undefined) ?? 0,
    closeWhenIdle: connection.settings['closeWhenIdle'] === true,
    maxInFlight: (connection.settings['maxInFlight'] as number | undefined) ?? defaults.maxInFlight,
    devices,
  };
}

function buildDevice(device: Device, report: Report): ModbusDevice {
  const points: ModbusPoint[] = [];
  for (const { info, settings } of device.points) {
    const built = buildPoint(info, settings, device.settings, (severity, key, message) => {
      report(severity, { device: device.id, point: info.point, key }, message);
    });
    if (built !== undefined) points.push(built);
  }
  tellHelpers(device, report);
  warnOfOverlaps(device.id, points, report);
  warnOfTimeouts(device, report);
  const every = device.points.flatMap(({ settings }) => (settings as PointSettings).every ?? []);
  const unitId = device.settings['unitId'] as number;
  return { id: device.id, unitId, everyMs: [...new Set(every)], points };
}

/** Two values that share some but not all of their registers: mostly an address that is off by one. */
function warnOfOverlaps(device: string, points: readonly ModbusPoint[], report: Report): void {
  const ordered = points
    .filter((point) => point.registers > 1 && point.type !== 'sum')
    .toSorted((a, b) => a.address - b.address);
  for (const [index, point] of ordered.entries()) {
    const other = ordered
      .slice(0, index)
      .find(
        (before) =>
          before.table === point.table &&
          before.address < point.address &&
          end(before) > point.address &&
          end(before) < end(point),
      );
    if (other === undefined) continue;
    report(
      'warning',
      { device, point: point.info.point, key: null },
      `"${point.info.point}" (${point.table} ${point.address}…${end(point) - 1}) overlaps "${other.info.point}" (${other.address}…${end(other) - 1})`,
    );
  }
}

/** Once a device and pair of them: most points share theirs. */
function warnOfTimeouts({ id, points }: Device, report: Report): void {
  const told = new Set<string>();
  for (const { info, settings } of points) {
    const { every, timeout } = settings as PointSettings;
    const timeoutMs = timeout ?? defaults.timeoutMs;
    const pair = `timeout is ${durationText(timeoutMs)} and every is ${durationText(every ?? Infinity)}`;
    if (every === undefined || timeoutMs < every || told.has(pair)) continue;
    told.add(pair);
    report(
      'warning',
      { device: id, point: info.point, key: timeout === undefined ? 'every' : 'timeout' },
      `${pair}; while one answer is waited for the next reading passes; make timeout shorter`,
    );
  }
}

function warnOfSharedUnits(devices: readonly ModbusDevice[], report: Report): void {
  const first = new Map<number, string>();
  for (const { id, unitId } of devices) {
    // A wrong one is told already.
    if (unitId === undefined) continue;
    const other = first.get(unitId);
    if (other === undefined) first.set(unitId, id);
    else
      report(
        'warning',
        { device: id, point: null, key: 'unitId' },
        `unitId is ${unitId}, the same as of "${other}" on this connection`,
      );
  }
}

/** 0 is a broadcast on a serial line, and nobody answers; 248…255 are reserved (Modbus over Serial Line V1.02, section 2.2). */
function refuseUnits(devices: readonly ModbusDevice[], report: Report): void {
  for (const { id, unitId } of devices)
    if (unitId === 0 || unitId === 255)
      report(
        'error',
        { device: id, point: null, key: 'unitId' },
        `unitId is ${unitId}; allowed on a serial line: 1…247`,
      );
}

const end = (point: ModbusPoint): number => point.address + point.registers;
