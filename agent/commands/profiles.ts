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
  arguments: [{ name: 'NAME', about: 'the name of a profile, or a part of a name, maker or model to look for' }],
  options: { json: { about: 'one JSON value: a list of profiles, or the one with that name and its points' } },
  notes: `Before a profile is trusted: \`sluice read\` beside the meter's display. Makers change maps between firmware
revisions, and byte order and units are settings of some meters; what a profile expects is in its description.`,
  examples: [
    { line: 'sluice profiles', about: 'all of them' },
    { line: 'sluice profiles sdm', about: 'those of which the name, maker or model holds sdm' },
    { line: 'sluice profiles eastron-sdm630', about: 'its manual and its registers' },
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
    const found = all.map(listed).filter((each) => wanted === undefined || matches(each, wanted));
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

function listed({ name, source, isBuiltIn }: Known): Listed {
  const stated = (source.root === undefined ? {} : valueOf(source.root)) as Readonly<Record<string, unknown>>;
  const said = (key: string): string | null => {
    const value = stated[key];
    return typeof value === 'string' ? value : null;
  };
  return {
    name,
    manufacturer: said('manufacturer'),
    model: said('model'),
    description: said('description'),
    document: said('document'),
    builtIn: isBuiltIn,
  };
}

function matches({ name, manufacturer, model }: Listed, wanted: string): boolean {
  const hay = `${name} ${manufacturer ?? ''} ${model ?? ''}`.toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => hay.includes(word));
}

function noneLike(wanted: string, all: readonly Known[]): string {
  const meant = nearest(
    wanted,
    all.map(({ name }) => name),
  );
  const hint = meant === undefined ? '' : `did you mean \`${meant}\`? `;
  return `no profile has ${JSON.stringify(wanted)} in its name, maker or model; ${hint}All of them: sluice profiles`;
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
}

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
  return { ...listed(profile), points };
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

function listText(found: readonly Listed[]): string {
  const rows = found.map(({ name, manufacturer, model, builtIn }) => [
    name,
    [manufacturer, model].filter((part) => part !== null).join(' '),
    builtIn ? '' : `from ${defaultProfileFolder}`,
  ]);
  return `${tableText(['profile', 'meter', ''], rows)}${counted(found.length, 'profile')}; all points of one: sluice profiles NAME\n`;
}

function text({ name, manufacturer, model, description, document, points }: Shown): string {
  const facts = [
    ['meter', [manufacturer, model].filter((part) => part !== null).join(' ')],
    ['document', document ?? ''],
    ['expects', description ?? ''],
  ].filter(([, value]) => value !== '');
  const rows = points.map(({ name: point, kind, unit, obis, where, registers }) => [
    point,
    kind,
    unit ?? '',
    where,
    ['type', 'byteOrder'].map((key) => worded(registers[key])).join(' '),
    weightText(registers),
    obis ?? '',
  ]);
  const head = ['point', 'kind', 'unit', 'address', 'type', 'scale', 'OBIS'];
  return `${name}\n${tableText([], facts)}\n${tableText(head, rows)}`;
}

/** What the number in the registers is multiplied with, also by what other points say. */
function weightText({ scale, scaleFrom, factorFrom }: Readonly<Record<string, unknown>>): string {
  const power = typeof scaleFrom === 'string' ? [`10^${scaleFrom}`] : [];
  const factors = Array.isArray(factorFrom) ? factorFrom.map(worded) : [];
  return [...(scale === 1 ? [] : [worded(scale)]), ...power, ...factors].map((factor) => `x ${factor}`).join(' ');
}

const worded = (value: unknown): string => (typeof value === 'number' || typeof value === 'string' ? `${value}` : '');
