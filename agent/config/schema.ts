/**
 * The grammar of `sluice.json`: the agent's own keys, and where a driver's keys join them. Types, checks, the published JSON Schema and the
 * reference come from here.
 */
import * as v from 'valibot';
import type { DriverSchema } from '../../drivers/driver.ts';
import {
  allowed,
  doc,
  duration,
  flag,
  hostPort,
  id,
  labels,
  object,
  obis,
  oneOf,
  path,
  size,
  splitHostPort,
  text,
} from './grammar.ts';
import { nearest } from './nearest.ts';
import { kafka } from './schema-kafka.ts';
import { rules } from './schema-rules.ts';
import { timing } from './schema-timing.ts';
import { timeSourceNames } from '../time/time-sources.ts';

function timezone() {
  const message = allowed('a name of the IANA time zone database, e.g. "Europe/Madrid"');
  return v.pipe(
    v.string(message),
    v.check(
      (name) => /^[A-Za-z]/.test(name) && isTimezone(name),
      ({ input }) => {
        const meant = nearest(input, Intl.supportedValuesOf('timeZone'));
        return meant === undefined ? message : `${message}; did you mean \`${meant}\`?`;
      },
    ),
    v.metadata({ pattern: '^[A-Za-z][A-Za-z0-9_+/-]*$' }),
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

/** `127.0.0.1:8686` → its parts. */
function listen() {
  return v.pipe(
    hostPort('127.0.0.1:8686'),
    v.transform((value) => splitHostPort(value) ?? { host: '', port: 0 }),
  );
}

/** Name and text of a level, for people; the level's `what` is named in what is said of them. */
const told = (what: string) => ({
  labels: v.optional(
    doc(labels(), `Names and texts of your own about the ${what}. They end up in its metadata.`, {
      examples: [{ floor: '2' }],
    }),
  ),
  description: v.optional(doc(text(1000), `What the next person should know about the ${what}.`)),
});

const enabled = (effect: string) => ({ enabled: v.optional(doc(flag(), effect, { default: true })) });

/** `version` as a number above 1 stands in a file for a Sluice to come. */
export function versionAllowed(version: unknown): string {
  const isNewer = Number.isInteger(version) && Number(version) > 1;
  return isNewer ? 'this Sluice reads version 1; install a newer one, or write the file for version 1' : allowed('1');
}

const schemaFile = (name: string, file: string) =>
  v.optional(
    doc(
      text(4096),
      `Where an editor finds the JSON Schema of this file, to complete and explain its keys: \`sluice schema ${name} > ${file}\`.`,
      { examples: [`./${file}`] },
    ),
  );

/** The file as a whole; connections, profiles and devices are checked one by one, by their driver. */
export const fileEntries = {
  $schema: schemaFile('config', 'sluice.schema.json'),
  version: doc(
    v.literal(1, ({ input }) => versionAllowed(input)),
    'Version of this grammar.',
  ),
  gateway: doc(
    id(),
    'The name of this installation, unique in the fleet: it begins the id of every reading and the key of every record.',
    { examples: ['ps-12'] },
  ),
  site: v.optional(
    doc(
      object({
        id: doc(id(), 'Short name of the site. Every record carries it.', { examples: ['PS12'] }),
        name: v.optional(doc(text(), 'What people call the site.', { examples: ['Pump station 12'] })),
        timezone: v.optional(
          doc(timezone(), 'The time zone that wall-clock schedules follow: a name of the IANA time zone database.', {
            examples: ['Europe/Madrid'],
          }),
        ),
        labels: told('site').labels,
      }),
      'Where the gateway stands.',
    ),
  ),
  connections: doc(
    v.record(v.string(), v.unknown(), allowed('an object { NAME: { driver, … } }')),
    'The links to devices, by a name of your own each. A link has exactly one connection, however many devices are behind it.',
  ),
  profiles: v.optional(
    doc(
      v.record(v.string(), v.unknown(), allowed('an object { NAME: { points, … } }')),
      'Register maps of meter models, by a name each, for devices to share.',
    ),
  ),
  devices: doc(v.array(v.unknown(), allowed('a list of devices')), 'The meters and sensors that are read.'),
  stateDir: v.optional(
    doc(path(), 'Folder for what must outlive a restart, the buffer among it. On a disk, not in memory.'),
    '/var/lib/sluice',
  ),
  clock: v.optional(
    doc(
      object({
        source: v.optional(
          doc(
            oneOf(timeSourceNames),
            'Who says whether the clock of this machine is right: `auto` asks the first of timesyncd, chrony and timedatectl that is there, `trusted` takes it for right, `none` marks every record as unknown.',
          ),
          'auto',
        ),
        hold: v.optional(
          doc(
            duration({ maxMs: 30 * 86_400_000 }),
            'How long readings wait at most that were made while the clock was known to be wrong. When it is right within that time they get their true time; else they are sent with the wrong one, marked `unsynced`.',
            { examples: ['2h', '0s'] },
          ),
          '24h',
        ),
      }),
      'How far the clock of this machine is believed.',
    ),
    {},
  ),
  buffer: v.optional(
    doc(
      object({
        path: v.optional(doc(path(), 'Folder of the buffer: `buffer` in `stateDir` unless stated.')),
        commitEvery: v.optional(
          doc(
            duration({ minMs: 20, maxMs: 60_000 }),
            'The shortest distance between two commits to disk: what a power cut may lose, against wear of the card.',
            { examples: ['5s'] },
          ),
          '1s',
        ),
        maxSize: v.optional(
          doc(
            size('1MB'),
            'The most that the buffer takes on disk. The smaller of 2GB and a fifth of the file system unless stated.',
            { examples: ['2GB', '512MiB'] },
          ),
        ),
        whenFull: v.optional(
          doc(
            oneOf(['thin', 'stop']),
            'What happens when the buffer is full: `thin` drops the oldest sensor values, and when there are none the oldest meter readings, for new ones; `stop` keeps what is stored and refuses new readings. What is lost is counted and told as events.',
          ),
          'thin',
        ),
      }),
      'Where readings wait until Kafka has them.',
    ),
    {},
  ),
  uplink: doc(
    v.pipe(
      object({
        kafka: v.optional(doc(kafka, 'Sends to Apache Kafka.')),
        file: v.optional(
          doc(
            object({ path: doc(path(), 'The file that lines are added to.', { examples: ['readings.ndjson'] }) }),
            'Writes a file instead: one record a line, for trying out and for sites without a network.',
          ),
        ),
      }),
      v.check(
        ({ kafka: broker, file: lines }) => (broker === undefined) !== (lines === undefined),
        allowed('exactly one of kafka and file'),
      ),
      v.metadata({ oneOf: [{ required: ['kafka'] }, { required: ['file'] }] }),
    ),
    'Where readings go: exactly one of `kafka` and `file`.',
  ),
  status: v.optional(
    doc(
      object({
        listen: doc(listen(), 'Address and port of the status pages. On 127.0.0.1 only this machine can ask.', {
          examples: ['127.0.0.1:8686'],
        }),
      }),
      'Serves health and status over HTTP. Off unless stated.',
    ),
  ),
};
export type FileSettings = v.InferOutput<v.StrictObjectSchema<typeof fileEntries, undefined>>;

export const connectionBase = {
  driver: doc(v.string(allowed('the name of a driver')), 'What is spoken on this link.', { examples: ['modbus-tcp'] }),
  ...enabled('`false` switches the connection off, with all its devices.'),
  ...timing,
  ...told('connection'),
};

const assetText = (description: string, example: string) =>
  v.optional(doc(text(), description, { examples: [example] }));

export const deviceBase = {
  id: doc(
    id(),
    'The name of the device, unique at this gateway. It keys all its records: keep it for the life of the meter.',
    {
      examples: ['EM-104'],
    },
  ),
  connection: doc(id(), 'The name of the connection that the device is behind.', { examples: ['panel'] }),
  profile: v.optional(
    doc(id(), 'The name of the register map whose points this device has. `points` adds to them.', {
      examples: ['acme-flow-2'],
    }),
  ),
  ...enabled('`false` switches the device off.'),
  ...timing,
  ...told('device'),
  asset: v.optional(
    doc(
      object({
        id: assetText('Its number in asset management. Every record carries it.', 'PS12/P1'),
        name: assetText('What people call it.', 'Pump 1 supply'),
        serial: assetText('The serial number on its plate. Every record carries it.', '20-114-7'),
        location: assetText('Where it hangs.', 'Switchboard A'),
        manufacturer: assetText('Who made it.', 'Acme'),
        model: assetText('The model on its plate.', 'Flow 2'),
      }),
      'What asset management knows of the meter.',
    ),
  ),
  points: v.optional(
    doc(
      v.array(v.unknown(), allowed('a list of points')),
      "The values that are read. With a `profile` they add to its points, and one of equal `name` overrides the profile's.",
    ),
  ),
};

export const pointBase = {
  name: doc(id(), 'The name of the value, unique within the device.', { examples: ['energy_total'] }),
  kind: v.optional(
    doc(
      oneOf(['counter', 'gauge', 'state', 'text']),
      'What the value is: `counter` a total (kWh, m3), which gets exactly one record for each of its times; `gauge` a momentary value; `state` a bit or one of some states; `text`. `gauge` unless stated or given by the type.',
      { examples: ['counter'] },
    ),
  ),
  unit: v.optional(
    doc(
      text(64),
      'Unit of the value: a UCUM code or the usual spelling (`kWh`, `m³`, `°C`, `l/s`). Write `"1"` if it has none.',
      { examples: ['kWh', 'm3/h'] },
    ),
  ),
  stream: v.optional(
    doc(
      oneOf(['meter-readings', 'sensor-values']),
      'Where its readings go: counters to `meter-readings` and the rest to `sensor-values` unless stated.',
    ),
  ),
  ...enabled('`false` switches the point off, also one that comes from a profile.'),
  ...timing,
  ...told('point'),
  obis: v.optional(
    doc(
      obis(),
      'The OBIS code of the value (IEC 62056-61), for the metadata. A part of the register map: it says what the number means.',
      {
        examples: ['1-0:1.8.0'],
      },
    ),
  ),
  ...rules,
  identity: v.optional(
    doc(
      oneOf(['serial']),
      "The point is the meter's own serial number. It is read when the connection opens, when a lost device answers again, and daily, and compared with `serial` in `asset`; where they differ, the device's readings are sent as uncertain and `serial-mismatch` is told.",
      { examples: ['serial'] },
    ),
  ),
};

/** `name`: one of the family's drivers. */
export const connectionEntries = (driver: DriverSchema, name: string): v.ObjectEntries => ({
  ...connectionBase,
  ...driver.connections[name],
});
export const deviceEntries = (driver: DriverSchema): v.ObjectEntries => ({ ...deviceBase, ...driver.device });
export const pointEntries = (driver: DriverSchema): v.ObjectEntries => ({ ...pointBase, ...driver.point });

/** Keys that a point takes from its device, profile or connection when it does not state them. */
export const inheritedKeys = (driver: DriverSchema): readonly string[] => [...Object.keys(timing), ...driver.inherited];

/** What every profile may say, whatever driver reads it. */
export const profileBase = {
  $schema: schemaFile('profile', 'profile.schema.json'),
  description: told('meter model').description,
  document: assetText(
    'The manual that the registers are from, with its revision and pages.',
    'Acme Flow 2 manual, rev. 3, p. 41',
  ),
  manufacturer: assetText('Who makes the meter. For devices whose `asset` says nothing else.', 'Acme'),
  model: assetText('The model. For devices whose `asset` says nothing else.', 'Flow 2'),
  examples: v.optional(
    doc(
      v.array(v.unknown(), allowed('a list')),
      'Words as the meter sends them and what they mean, for tests of the profile. Not looked at otherwise.',
    ),
  ),
  ...timing,
  points: v.optional(
    doc(
      v.array(v.unknown(), allowed('a list of points')),
      'The values of the meter. A point of equal `name` at a device overrides what it states here, key by key.',
    ),
  ),
};

/** What a profile may say for all its points, besides the points. */
export function profileEntries(driver: DriverSchema): v.ObjectEntries {
  const places: v.ObjectEntries = Object.assign({}, ...Object.values(driver.connections), driver.point, driver.device);
  const inherited = driver.inherited.flatMap((key) => (places[key] === undefined ? [] : [[key, places[key]] as const]));
  return { ...profileBase, ...Object.fromEntries(inherited) };
}
