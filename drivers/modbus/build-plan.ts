import type { PlannedConnection, Report, Settings } from '../driver.ts';
import { durationText } from '../../agent/config/grammar.ts';
import { buildTransport } from './build-transport.ts';
import { defaults } from './defaults.ts';
import type { ModbusDevice, ModbusPlan, ModbusPoint } from './plan.ts';
import { lastAddress, referenceDigits } from './protocol.ts';
import { registersOf } from './types.ts';
import type { ByteOrder, RegisterType } from './types.ts';

type Device = PlannedConnection['devices'][number];
type Point = Device['points'][number];
type Table = ModbusPoint['table'];
/** Reports at a key of one point; null: at the point itself. */
type Tell = (severity: 'error' | 'warning', key: string | null, message: string) => void;

/** Settings as the schema let them pass, without defaults. */
interface PointSettings {
  readonly address?: number;
  readonly reference?: string;
  readonly addressBase?: number;
  readonly table?: Table;
  readonly type?: RegisterType;
  readonly byteOrder?: ByteOrder;
  readonly scale?: number;
  readonly offset?: number;
  readonly min?: number;
  readonly max?: number;
  readonly raw?: boolean;
  readonly timeout?: number;
  readonly retries?: number;
  readonly pause?: number;
  readonly maxRegisters?: number;
  readonly maxGap?: number;
  /** The agent's own key, in ms. */
  readonly every?: number;
}

/** Defaults filled in, addresses as the protocol counts, contradictions told. The caller freezes it. */
export function buildPlan(connection: PlannedConnection, report: Report): ModbusPlan {
  const devices = connection.devices.map((device) => buildDevice(device, report));
  warnOfSharedUnits(devices, report);
  if (connection.driver !== 'modbus-tcp') refuseUnits(devices, report);
  return {
    connection: connection.id,
    transport: buildTransport(connection, report),
    devices,
  };
}

function buildDevice(device: Device, report: Report): ModbusDevice {
  const points: ModbusPoint[] = [];
  for (const point of device.points) {
    const built = buildPoint(point, (severity, key, message) => {
      report(severity, { device: device.id, point: point.info.point, key }, message);
    });
    if (built !== undefined) points.push(built);
  }
  warnOfOverlaps(device.id, points, report);
  warnOfTimeouts(device, report);
  return { id: device.id, unitId: device.settings['unitId'] as number, points };
}

function buildPoint({ info, settings }: Point, tell: Tell): ModbusPoint | undefined {
  const set = settings as Settings & PointSettings;
  const type = set.type ?? defaults.type;
  const byteOrder = set.byteOrder ?? defaults.byteOrder;
  const registers = registersOf(type);
  const maxRegisters = set.maxRegisters ?? defaults.maxRegisters;
  for (const { key, message } of clashesOf(set)) tell('error', key, message);
  const place = placeOf(set, tell);
  if (info.kind === 'text')
    tell('error', 'kind', `kind is "text"; ${type} is a number; allowed: counter, gauge, state`);
  if (place === undefined) return undefined;
  if (place.address + registers - 1 > lastAddress) {
    const key = keyOf(set);
    tell(
      'error',
      key,
      `${key} is ${JSON.stringify(set[key])}; ${type} takes ${registers} registers and would run past ${lastAddress}`,
    );
  }
  if (registers > maxRegisters) {
    tell(
      'error',
      'maxRegisters',
      `maxRegisters is ${maxRegisters}; ${type} takes ${registers} and is never split over two requests`,
    );
  }
  if (registers === 2 && byteOrder.length === 8) {
    tell(
      'error',
      'byteOrder',
      `byteOrder is "${byteOrder}", eight letters for 64 bits; allowed for ${type}: ABCD, CDAB, BADC, DCBA`,
    );
  }
  if (info.kind === 'counter' && set.scale !== undefined && set.scale < 0) {
    tell('warning', 'scale', `scale is ${set.scale}; a counter that counts down is seldom meant`);
  }
  return {
    info,
    ...place,
    registers,
    type,
    byteOrder,
    scale: set.scale ?? defaults.scale,
    offset: set.offset ?? defaults.offset,
    min: set.min ?? null,
    max: set.max ?? null,
    raw: set.raw ?? info.kind === 'counter',
    timeoutMs: set.timeout ?? defaults.timeoutMs,
    retries: set.retries ?? defaults.retries,
    pauseMs: set.pause ?? defaults.pauseMs,
    maxRegisters,
    maxGap: set.maxGap ?? defaults.maxGap,
  };
}

/** What the keys of one point say against each other, whatever the others are. */
export function clashesOf(point: Settings): { key: string; message: string }[] {
  const { min, max, address, reference } = point as PointSettings;
  const clashes = [];
  if (address !== undefined && reference !== undefined)
    clashes.push({ key: 'reference', message: 'address and reference exclude each other; keep one of them' });
  if (min !== undefined && max !== undefined && min > max)
    clashes.push({ key: 'min', message: `min is ${min} and max is ${max}; allowed: min up to max` });
  return clashes;
}

function keyOf(set: PointSettings): 'address' | 'reference' {
  return set.reference === undefined ? 'address' : 'reference';
}

function placeOf(set: PointSettings, tell: Tell): { table: Table; address: number } | undefined {
  if (set.reference === undefined) return placeOfAddress(set, tell);
  return placeOfReference(set.reference, set.table, tell);
}

function placeOfAddress(set: PointSettings, tell: Tell): { table: Table; address: number } | undefined {
  const { address: stated, addressBase, table = defaults.table } = set;
  if (stated === undefined) {
    tell('error', null, 'address is missing (or reference)');
    return undefined;
  }
  const base = addressBase ?? defaults.addressBase;
  const address = stated - base;
  if (address < 0 || address > lastAddress) {
    const hint = base === 0 ? '; a manual that counts from 1 needs "addressBase": 1' : '';
    tell(
      'error',
      'address',
      `address is ${stated}; allowed with addressBase ${base}: ${base}…${lastAddress + base}${hint}`,
    );
    return undefined;
  }
  if (addressBase === undefined && looksLikeReference(stated)) {
    tell(
      'warning',
      'address',
      `address is ${stated} as the protocol counts; did you mean "reference": "${stated}"? A stated addressBase silences this`,
    );
  }
  return { table, address };
}

/** 30001…39999 and 40001…49999: what manuals print for input and holding registers. */
function looksLikeReference(address: number): boolean {
  return address > 30_000 && address < 50_000 && address % 10_000 !== 0;
}

function placeOfReference(
  reference: string,
  stated: Table | undefined,
  tell: Tell,
): { table: Table; address: number } | undefined {
  const table = referenceDigits[reference.slice(0, 1) as keyof typeof referenceDigits];
  const number = Number(reference.slice(1));
  if (table === 'coil' || table === 'discrete') {
    tell(
      'error',
      'reference',
      `reference "${reference}" names a ${table}: not in this version; allowed: 3… (input), 4… (holding)`,
    );
    return undefined;
  }
  if (number < 1 || number > lastAddress + 1) {
    const digit = reference.slice(0, 1);
    const last = reference.length === 5 ? `${digit}9999` : `${digit}${lastAddress + 1}`;
    const first = digit + '1'.padStart(reference.length - 1, '0');
    tell('error', 'reference', `reference is "${reference}"; allowed: "${first}"…"${last}"`);
    return undefined;
  }
  if (stated !== undefined && stated !== table) {
    tell(
      'error',
      'reference',
      `reference "${reference}" names the table ${table}, but table is ${stated}; write "table": "${table}" beside it, or a reference of ${stated}`,
    );
  }
  return { table, address: number - 1 };
}

/** Two values that share some but not all of their registers: mostly an address that is off by one. */
function warnOfOverlaps(device: string, points: readonly ModbusPoint[], report: Report): void {
  const ordered = points.filter((point) => point.registers > 1).toSorted((a, b) => a.address - b.address);
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
