import type { DriverSchema } from '../../drivers/driver.ts';
import { registry } from '../../drivers/registry.ts';
import { builtInProfiles, readBuiltIn } from '../config/built-in-profiles.ts';
import { readConfig } from '../config/load.ts';
import { nearest } from '../config/nearest.ts';
import { problemText } from '../config/problems.ts';
import { defaultProfileFolder, readProfiles, type ProfileFile } from '../config/profile-folder.ts';
import type { DeviceConfig } from '../config/site-config.ts';
import { valueOf } from '../config/source.ts';
import { ConfigError, SluiceError } from '../errors.ts';
import type { Command } from './command.ts';
import { counted, tableText } from './printing.ts';

export const profiles: Command = {
  name: 'profiles',
  about: `Lists the meter models that a device can name as its \`profile\`, or shows all points of one.
Those in ${defaultProfileFolder} are listed too, and go before built-in ones of the same name.`,
  arguments: [
    {
      name: 'NAME',
      about: 'the name of a profile, or parts of a name, maker, model or point (or an OBIS code) to look for',
    },
  ],
  options: { json: { about: 'one JSON value: a list of profiles, or the one with that name and its points' } },
  notes: `Before a profile is trusted: \`sluice read\` beside the meter's display. Makers change maps between firmware
revisions, and byte order and units are settings of some meters; what a profile expects is in its description.`,
  examples: [
    { line: 'sluice profiles', about: 'all of them' },
    { line: 'sluice profiles sdm', about: 'those of which the name, maker or model holds sdm' },
    { line: 'sluice profiles volume', about: 'those that have a point of that quantity' },
    { line: 'sluice profiles eastron-sdm630', about: 'its manual, its registers and examples of them' },
  ],
  exits: { 0: 'fine', 1: 'there is none like that', 78: 'the profile is wrong' },

  run({ values, positionals }, { stdout }) {
    const [wanted] = positionals;
    const all = known();
    const one = all.find(({ name }) => name === wanted);
    if (one !== undefined) {
      stdout.write(values['json'] === true ? `${JSON.stringify(shown(one))}\n` : text(shown(one)));
      return Promise.resolve(0);
    }
    const found = all.flatMap((each) => {
      const points = fitting(each, wordsOf(wanted ?? ''));
      return points === null ? [] : [{ ...listed(each), fitting: points }];
    });
    if (found.length === 0) throw new SluiceError('NO_PROFILE', noneLike(wanted ?? '', all));
    stdout.write(values['json'] === true ? `${JSON.stringify(found)}\n` : listText(found));
    return Promise.resolve(0);
  },
};

interface Known extends ProfileFile {
  readonly isBuiltIn: boolean;
}

/** One a name: what a device gets that names it. */
function known(): Known[] {
  const own = readProfiles(defaultProfileFolder).profiles.map((each) => ({ ...each, isBuiltIn: false }));
  const names = new Set(own.map(({ name }) => name));
  const builtIn = builtInProfiles(registry).filter(({ name }) => !names.has(name));
  return [...own, ...builtIn.map((each) => ({ ...readBuiltIn(each), isBuiltIn: true }))].toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  );
}

interface Listed {
  readonly name: string;
  readonly manufacturer: string | null;
  readonly model: string | null;
  readonly description: string | null;
  readonly document: string | null;
  readonly builtIn: boolean;
}

const statedIn = ({ source }: Known): Readonly<Record<string, unknown>> =>
  (source.root === undefined ? {} : valueOf(source.root)) as Readonly<Record<string, unknown>>;

function objectsIn(value: unknown): Readonly<Record<string, unknown>>[] {
  const all: readonly unknown[] = Array.isArray(value) ? value : [];
  return all.filter((each): each is Readonly<Record<string, unknown>> => typeof each === 'object' && each !== null);
}

function listed(profile: Known): Listed {
  const stated = statedIn(profile);
  const said = (key: string): string | null => {
    const value = stated[key];
    return typeof value === 'string' ? value : null;
  };
  return {
    name: profile.name,
    manufacturer: said('manufacturer'),
    model: said('model'),
    description: said('description'),
    document: said('document'),
    builtIn: profile.isBuiltIn,
  };
}

const wordsOf = (typed: string): string[] =>
  typed
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');

/** The points for which words stand that name, maker, model and description do not hold; null: one word stands for nothing. */
function fitting(profile: Known, words: readonly string[]): string[] | null {
  const { name, manufacturer, model, description } = listed(profile);
  const hay = [name, manufacturer, model, description].join(' ').toLowerCase();
  const points = objectsIn(statedIn(profile)['points']).map((point) => [worded(point['name']), worded(point['obis'])]);
  const others = words.filter((word) => !hay.includes(word));
  const found = others.map((word) => points.filter((point) => point.some((each) => each.toLowerCase().includes(word))));
  if (found.some((some) => some.length === 0)) return null;
  return [...new Set(found.flat().map(([point = '']) => point))];
}

function noneLike(wanted: string, all: readonly Known[]): string {
  const meant = nearest(
    wanted,
    all.map(({ name }) => name),
  );
  const hint = meant === undefined ? '' : `did you mean \`${meant}\`? `;
  return `no profile has ${JSON.stringify(wanted)} in its name, maker, model, description or points; ${hint}All of them: sluice profiles`;
}

interface Shown extends Listed {
  readonly points: readonly {
    readonly name: string;
    readonly kind: string;
    readonly unit: string | null;
    readonly obis: string | null;
    readonly where: string;
    readonly registers: Readonly<Record<string, unknown>>;
  }[];
  /** How requests to it are limited, as the profile states it. */
  readonly limits: Readonly<Record<string, unknown>>;
  readonly examples: readonly Readonly<Record<string, unknown>>[];
}

const limitKeys = ['maxRegisters', 'maxGap', 'pause', 'timeout', 'retries'];

/** What a device has that names the profile and states nothing else. */
function shown(profile: Known): Shown {
  const { schema, device, plan } = planned(profile);
  const registers = schema.registersOf?.(plan, device.id) ?? {};
  const points = device.points.map(({ info, obis }) => ({
    name: info.point,
    kind: info.kind,
    unit: info.unit,
    obis,
    where: schema.describe?.(plan, info).where ?? '',
    registers: registers[info.point] ?? {},
  }));
  const stated = statedIn(profile);
  const limits = limitKeys.flatMap((key) => (stated[key] === undefined ? [] : [[key, stated[key]] as const]));
  return { ...listed(profile), points, limits: Object.fromEntries(limits), examples: objectsIn(stated['examples']) };
}

/** The plan of a site that has one such meter: defaults filled in, and checked as that of any site. */
function planned({ name, source }: Known): { schema: DriverSchema; device: DeviceConfig; plan: unknown } {
  const schema = registry.families.find(({ schema: { profileFolder } }) => profileFolder !== undefined)?.schema;
  const site = {
    version: 1,
    gateway: 'profiles',
    site: { id: 'site', timezone: 'UTC' },
    connections: { link: { driver: Object.keys(schema?.connections ?? {})[0], host: 'localhost' } },
    devices: [{ id: 'meter', connection: 'link', unitId: 1, profile: name }],
    stateDir: '/tmp',
    uplink: { file: { path: '/tmp/readings' } },
  };
  const { problems, config } = readConfig('profiles', Buffer.from(JSON.stringify(site)), { env: {}, noSecrets: true });
  const connection = config?.connections[0];
  const device = connection?.devices[0];
  if (schema !== undefined && device !== undefined) return { schema, device, plan: connection?.plan };
  const told = problems.filter(({ file }) => file === source.file).map(problemText);
  throw new ConfigError([`profile ${name} is wrong:`, ...told].join('\n'));
}

/** Points of one profile that a line of the list names. */
const mostNamed = 4;

function listText(found: readonly (Listed & { readonly fitting: readonly string[] })[]): string {
  const rows = found.map(({ name, manufacturer, model, builtIn, fitting: points }) => {
    const more = points.length > mostNamed ? [`${points.length - mostNamed} more`] : [];
    const origin = builtIn ? [] : [`from ${defaultProfileFolder}`];
    return [
      name,
      [manufacturer, model].filter((part) => part !== null).join(' '),
      [...origin, ...points.slice(0, mostNamed), ...more].join(', '),
    ];
  });
  return `${tableText(['profile', 'meter', ''], rows)}${counted(found.length, 'profile')}; all points of one: sluice profiles NAME\n`;
}

function text({ name, manufacturer, model, description, document, points, limits, examples }: Shown): string {
  const facts = [
    ['meter', [manufacturer, model].filter((part) => part !== null).join(' ')],
    ['document', document ?? ''],
    ['expects', description ?? ''],
    [
      'requests',
      Object.entries(limits)
        .map(([key, value]) => `${key} ${worded(value)}`)
        .join(', '),
    ],
  ].filter(([, value]) => value !== '');
  const rows = points.map(({ name: point, kind, unit, obis, where, registers }) => [
    point,
    kind,
    unit ?? '',
    where,
    hexText(registers['address']),
    ['type', 'byteOrder'].map((key) => worded(registers[key])).join(' '),
    weightText(registers),
    obis ?? '',
  ]);
  const head = ['point', 'kind', 'unit', 'address', 'hex', 'type', 'scale', 'OBIS'];
  return `${name}\n${tableText([], facts)}\n${tableText(head, rows)}${exampleText(examples)}`;
}

/** Addresses as many manuals print them, counted as the protocol does. */
const hexText = (address: unknown): string =>
  typeof address === 'number' ? `0x${address.toString(16).toUpperCase().padStart(4, '0')}` : '';

/** What registers hold, and what must come out. The words of a long one are not shown. */
function exampleText(examples: Shown['examples']): string {
  if (examples.length === 0) return '';
  const rows = examples.flatMap(({ source, table, address, words, values }) => {
    const all = Object.entries((values ?? {}) as Readonly<Record<string, unknown>>);
    const told = all.map(([point, value]) => `${point} ${value === null ? 'no value' : worded(value)}`).join(', ');
    const shownWords = worded(words).length > mostWords ? `${worded(words).slice(0, mostWords)}…` : worded(words);
    return [[`${worded(table)} ${worded(address)}`, shownWords, worded(source), told]];
  });
  return `\n${tableText(['example at', 'words', 'from', 'makes'], rows)}`;
}

/** Eight words. */
const mostWords = 39;

/** What the number in the registers is multiplied with, also by what other points say. */
function weightText({ scale, scaleFrom, factorFrom }: Readonly<Record<string, unknown>>): string {
  const power = typeof scaleFrom === 'string' ? [`10^${scaleFrom}`] : [];
  const factors = Array.isArray(factorFrom) ? factorFrom.map(worded) : [];
  return [...(scale === 1 ? [] : [worded(scale)]), ...power, ...factors].map((factor) => `x ${factor}`).join(' ');
}

const worded = (value: unknown): string => (typeof value === 'number' || typeof value === 'string' ? `${value}` : '');
