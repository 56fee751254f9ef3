/**
 * The grammar of `sluice.json`: the agent's own keys, and where a driver's keys join them. Types, checks, the published JSON Schema and the
 * reference come from here.
 */
import * as v from 'valibot';
import type { DriverSchema } from '../../drivers/driver.ts';
import {
  allowed,
  duration,
  durationMs,
  file,
  flag,
  hostPort,
  id,
  labels,
  later,
  list,
  notYet,
  object,
  obis,
  oneOf,
  path,
  secret,
  size,
  splitHostPort,
  text,
} from './grammar.ts';
import { timeSourceNames } from '../time-sources.ts';

const hourMs = 3_600_000;

const isLong = (value: string): boolean => value === '1mo' || (durationMs(value) ?? 0) >= hourMs;

/** The distance of slots. From 1h on they follow the site's wall clock, which is not in this version. */
function every() {
  const message = allowed('100ms…30m dividing 1h, as one number and one unit (ms s m), e.g. "10s", "15m"');
  return v.pipe(
    v.string(message),
    v.check(
      (value) => {
        const ms = durationMs(value);
        return ms !== undefined && ms >= 100 && ms < hourMs && hourMs % ms === 0;
      },
      (issue) => (isLong(issue.input) ? `1h and longer are ${notYet}; ${message}` : message),
    ),
    v.transform((value) => durationMs(value) ?? 0),
  );
}

function timezone() {
  const message = allowed('a name of the IANA time zone database, e.g. "Europe/Madrid"');
  return v.pipe(
    v.string(message),
    v.check((name) => /^[A-Za-z]/.test(name) && isTimezone(name), message),
  );
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name }).format();
    return true;
  } catch {
    return false;
  }
}

function topic() {
  const message = allowed('1 to 249 of the characters A-Z a-z 0-9 . _ -');
  return v.pipe(v.string(message), v.regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, message));
}

/** `127.0.0.1:8686` → its parts. */
function listen() {
  return v.pipe(
    hostPort('127.0.0.1:8686'),
    v.transform((value) => splitHostPort(value) ?? { host: '', port: 0 }),
  );
}

const told = { labels: v.optional(labels()), description: v.optional(text(1000)) };
const timing = { every: v.optional(every()), within: v.optional(duration({ minMs: 1, maxMs: hourMs })) };

const kafka = object({
  brokers: list(hostPort(), 'a list of HOST:PORT'),
  clientId: v.optional(id()),
  tls: v.optional(
    v.union([
      v.boolean(),
      object({
        ca: v.optional(file()),
        cert: v.optional(file()),
        key: v.optional(file()),
        serverName: v.optional(text()),
      }),
    ]),
  ),
  sasl: v.optional(
    object({
      mechanism: oneOf(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
      username: text(),
      password: secret(),
    }),
  ),
  topics: v.optional(
    object({
      'meter-readings': v.optional(topic(), 'meter-readings'),
      'sensor-values': v.optional(topic(), 'sensor-values'),
      'asset-metadata': v.optional(topic(), 'asset-metadata'),
      'gateway-events': v.optional(topic(), 'gateway-events'),
      'gateway-status': v.optional(topic(), 'gateway-status'),
    }),
    {},
  ),
  format: v.optional(oneOf(['json'], ['avro', 'connect-json'])),
  compression: v.optional(oneOf(['zstd', 'gzip', 'none']), 'zstd'),
});

/** The file as a whole; connections, profiles and devices are checked one by one, by their driver. */
export const fileEntries = {
  $schema: v.optional(v.string(allowed('text'))),
  version: v.literal(1, allowed('1')),
  gateway: id(),
  site: v.optional(
    object({ id: id(), name: v.optional(text()), timezone: v.optional(timezone()), labels: v.optional(labels()) }),
  ),
  connections: v.record(v.string(), v.unknown(), allowed('an object { NAME: { driver, … } }')),
  profiles: v.optional(v.record(v.string(), v.unknown(), allowed('an object { NAME: { points, … } }'))),
  devices: v.array(v.unknown(), allowed('a list of devices')),
  stateDir: v.optional(path(), '/var/lib/sluice'),
  clock: v.optional(
    object({
      source: v.optional(oneOf(timeSourceNames, ['chrony']), 'auto'),
      hold: later(),
    }),
    {},
  ),
  buffer: v.optional(
    object({
      path: v.optional(path()),
      commitEvery: v.optional(duration({ minMs: 20, maxMs: 60_000 }), '1s'),
      maxSize: v.optional(size('1MB')),
      whenFull: v.optional(oneOf(['stop'], ['thin']), 'stop'),
    }),
    {},
  ),
  uplink: v.pipe(
    object({ kafka: v.optional(kafka), file: v.optional(object({ path: path() })) }),
    v.check(
      ({ kafka: broker, file: lines }) => (broker === undefined) !== (lines === undefined),
      allowed('exactly one of kafka and file'),
    ),
  ),
  status: v.optional(object({ listen: listen() })),
};
export type FileSettings = v.InferOutput<v.StrictObjectSchema<typeof fileEntries, undefined>>;

export const connectionBase = {
  driver: v.string(allowed('the name of a driver')),
  enabled: v.optional(flag()),
  ...timing,
  ...told,
};

export const deviceBase = {
  id: id(),
  connection: id(),
  profile: v.optional(id()),
  enabled: v.optional(flag()),
  ...timing,
  ...told,
  asset: v.optional(
    object({
      id: v.optional(text()),
      name: v.optional(text()),
      serial: v.optional(text()),
      location: v.optional(text()),
      manufacturer: v.optional(text()),
      model: v.optional(text()),
    }),
  ),
  points: v.optional(v.array(v.unknown(), allowed('a list of points'))),
};

export const pointBase = {
  name: id(),
  kind: v.optional(oneOf(['counter', 'gauge', 'state', 'text'])),
  unit: v.optional(text(64)),
  stream: v.optional(oneOf(['meter-readings', 'sensor-values'])),
  enabled: v.optional(flag()),
  ...timing,
  ...told,
  obis: v.optional(obis()),
  report: later(),
  deadband: later(),
  maxAge: later(),
  modulus: later(),
  maxRate: later(),
  decreases: later(),
  identity: later(),
};

export const connectionEntries = (driver: DriverSchema): v.ObjectEntries => ({
  ...connectionBase,
  ...driver.connection,
});
export const deviceEntries = (driver: DriverSchema): v.ObjectEntries => ({ ...deviceBase, ...driver.device });
export const pointEntries = (driver: DriverSchema): v.ObjectEntries => ({ ...pointBase, ...driver.point });

/** What a profile may say for all its points, besides the points. */
export function profileEntries(driver: DriverSchema): v.ObjectEntries {
  const places = { ...driver.connection, ...driver.point, ...driver.device };
  const inherited = driver.inherited.flatMap((key) => (places[key] === undefined ? [] : [[key, places[key]] as const]));
  const { description, every: slots, within, points } = deviceBase;
  return { description, every: slots, within, points, ...Object.fromEntries(inherited) };
}
