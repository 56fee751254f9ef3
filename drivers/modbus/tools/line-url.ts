import * as v from 'valibot';
import { durationMs } from '../../../agent/config/grammar.ts';
import { UsageError } from '../../../agent/errors.ts';
import { buildTransport } from '../build-transport.ts';
import { defaults } from '../defaults.ts';
import type { Transport } from '../plan.ts';
import { connections } from '../schema-connections.ts';
import { Query } from './query.ts';

/** A line as a URL names it. */
export interface LineUrl {
  readonly transport: Transport;
  /** null: none was asked for. */
  readonly unitId: number | null;
  readonly timeoutMs: number;
  /** The keys behind `?`. */
  readonly query: Query;
}

export interface UrlForm {
  /** `UNIT` behind the line, and what stands behind `?`: for messages. */
  readonly end: string;
  /** Whether the path ends with a unit. */
  readonly hasUnit: boolean;
  /** Keys behind `?` that the tool itself knows. */
  readonly keys: readonly string[];
  readonly usualTimeoutMs: number;
}

const drivers = {
  'modbus:': 'modbus-tcp',
  'modbus+rtu:': 'modbus-rtu',
  'modbus+rtu+tcp:': 'modbus-rtu-over-tcp',
} as const;

export const serialKeys = ['baudRate', 'parity', 'stopBits'] as const;

/** `modbus://host:502/1?…`, `modbus+rtu:///dev/ttyUSB0/7?baudRate=9600&…`, `modbus+rtu+tcp://host:4001/7`. Throws UsageError. */
export function lineUrl(text: string, form: UrlForm): LineUrl {
  const url = URL.parse(text);
  const forms = `allowed: modbus://HOST:PORT${form.end}, modbus+rtu:///dev/ttyUSB0${form.end}, modbus+rtu+tcp://HOST:PORT${form.end}`;
  const driver = Object.entries(drivers).find(([scheme]) => scheme === url?.protocol)?.[1];
  if (url === null || driver === undefined)
    throw new UsageError(`${JSON.stringify(text)} is no URL of a line; ${forms}`);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw new UsageError(`${url.protocol}//${url.host}: Modbus knows no user, password or #; ${forms}`);
  const isSerial = driver === 'modbus-rtu';
  const query = new Query(url.searchParams, [...form.keys, ...(isSerial ? serialKeys : []), 'timeout']);
  const { path, unitId } = pathOf(url.pathname, form, forms, isSerial);
  const settings = isSerial
    ? { path, ...Object.fromEntries(serialKeys.flatMap((key) => stated(query, key))) }
    : { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), ...(url.port === '' ? {} : { port: Number(url.port) }) };
  if (isSerial ? url.host !== '' : path !== '')
    throw new UsageError(`${text}: a serial line has three slashes and a path, a host has none; ${forms}`);
  for (const [key, schema] of Object.entries(connections[driver])) {
    const given: unknown = (settings as Readonly<Record<string, unknown>>)[key];
    const { issues } = v.safeParse(schema as v.GenericSchema, given === '' ? undefined : given);
    if (issues !== undefined)
      throw new UsageError(
        given === undefined || given === ''
          ? `${text}: the ${key} is missing; ${forms}`
          : `${key} is ${JSON.stringify(given)}; ${issues[0].message}`,
      );
  }
  const transport = buildTransport({ id: '', driver, settings, devices: [] }, () => undefined);
  return { transport, unitId, timeoutMs: timeoutOf(query, form), query };
}

/** The unit is the last part of the path, of which a host has no other. */
function pathOf(
  pathname: string,
  form: UrlForm,
  forms: string,
  isSerial: boolean,
): { path: string; unitId: number | null } {
  const path = decodeURIComponent(pathname).replace(/\/$/, '');
  if (!form.hasUnit) return { path, unitId: null };
  const [, before = '', last = ''] = /^(.*)\/([^/]*)$/.exec(path) ?? [];
  if (last === '' || (isSerial && before === '')) throw new UsageError(`the unit is missing; ${forms}`);
  const unitId = /^\d{1,3}$/.test(last) ? Number(last) : Number.NaN;
  if ((unitId >= 1 && unitId <= 247) || (!isSerial && (unitId === 0 || unitId === 255)))
    return { path: before, unitId };
  throw new UsageError(`the unit is ${JSON.stringify(last)}; allowed: 1…247 (or 0 and 255 on TCP); ${forms}`);
}

function stated(query: Query, key: (typeof serialKeys)[number]): [string, string | number][] {
  const text = query.text(key);
  if (text === undefined) return [];
  return [[key, key === 'parity' || !/^\d{1,9}$/.test(text) ? text : Number(text)]];
}

function timeoutOf(query: Query, { usualTimeoutMs }: UrlForm): number {
  const text = query.text('timeout');
  const ms = text === undefined ? usualTimeoutMs : durationMs(text);
  if (ms !== undefined && ms >= 10 && ms <= 60_000) return ms;
  throw new UsageError(
    `timeout is ${JSON.stringify(text)}; allowed: 10ms…1m, e.g. timeout=${defaults.timeoutMs / 2}ms`,
  );
}

/** For people: `10.12.0.20:502`, `/dev/ttyUSB0 (9600 even 1)`. */
export function lineName(transport: Transport): string {
  if (transport.kind !== 'rtu') return `${transport.host}:${transport.port}`;
  const { path, baudRate, parity, stopBits } = transport;
  return `${path} (${baudRate} ${parity} ${stopBits})`;
}
