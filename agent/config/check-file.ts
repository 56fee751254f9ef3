import * as v from 'valibot';
import { driverFor, type Registry } from '../../drivers/registry.ts';
import type { DriverSchema } from '../../drivers/driver.ts';
import { allowed, id, notYet } from './grammar.ts';
import { wordHabits } from './habits.ts';
import { valueHint } from './hints.ts';
import { inspectObject, type Checked, type InspectOptions } from './inspect.ts';
import { tellDoubles } from './doubles.ts';
import { builtInProfiles, readBuiltIn } from './built-in-profiles.ts';
import { nearest } from './nearest.ts';
import type { ProfileFile } from './profile-folder.ts';
import { nameOf, quoted, type Problems } from './problems.ts';
import {
  connectionBase,
  connectionEntries,
  deviceBase,
  deviceEntries,
  fileEntries,
  pointBase,
  pointEntries,
  profileBase,
  profileEntries,
} from './schema.ts';
import { child, items, properties, valueOf, type Node } from './source.ts';

/** Every object of the file, checked by itself; what they say to each other comes after (assemble.ts). */
export interface CheckedFile {
  readonly top: Checked;
  readonly connections: ReadonlyMap<string, CheckedConnection>;
  readonly profiles: ReadonlyMap<string, CheckedProfile>;
  readonly devices: readonly CheckedDevice[];
}

export interface CheckedConnection {
  /** The one that is meant where it is mistyped or missing. */
  readonly driver: string;
  readonly schema: DriverSchema | undefined;
  /** The keys that its driver has for connections. */
  readonly entries: v.ObjectEntries;
  readonly checked: Checked;
}

export interface CheckedProfile {
  readonly checked: Checked;
  readonly points: readonly Checked[];
}

export interface CheckedDevice {
  readonly checked: Checked;
  /** Names that exist; undefined where the file is wrong about them. */
  readonly connection: string | undefined;
  readonly profile: string | undefined;
  readonly points: readonly Checked[];
}

interface Context extends InspectOptions {
  readonly registry: Registry;
  /** Those of the folder. One of equal name in the file goes before; built-in ones come last. */
  readonly profiles: readonly ProfileFile[];
  readonly profileFolder: string;
}

/** Goes through a whole configuration; every problem is in `context.problems` afterwards, none is thrown. */
export function checkFile(root: Node, context: Context): CheckedFile {
  const top = inspectObject(fileEntries, root, context);
  const connections = checkConnections(child(root, 'connections'), context);
  const inFile = namedObjects(child(root, 'profiles'), context.problems);
  const own = new Set([...inFile.keys(), ...context.profiles.map(({ name }) => name)]);
  const builtIn = builtInProfiles(context.registry).filter(({ name }) => !own.has(name));
  const names = { own, all: new Set([...own, ...builtIn.map(({ name }) => name)]) };
  const drafts = objects(child(root, 'devices'), context.problems).map((node) =>
    draftDevice(node, top.faulty.has('connections') ? undefined : connections, names, context),
  );
  const named = builtIn.filter(({ name }) => drafts.some(({ profile }) => profile === name)).map(readBuiltIn);
  const missing = missingConnection([...connections.keys()]);
  const profiles = checkProfiles(inFile, drafts, { ...context, profiles: [...context.profiles, ...named] });
  const devices = drafts.map((draft) => checkDevice(draft, profiles, { ...context, missing }));
  tellTwins(
    devices.flatMap(({ checked }) => child(checked.node, 'id') ?? []),
    context.problems,
  );
  return { top, connections, profiles, devices };
}

/** The names of a site fit on a line or two. */
function some(names: readonly string[]): string {
  const most = 30;
  return names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

function missingConnection(names: readonly string[]): Readonly<Record<string, string>> {
  if (names.length === 0) return {};
  const said = names.length === 1 ? `did you mean "connection": ${quoted(names[0])}?` : allowed(some(names));
  return { connection: said };
}

function checkConnections(node: Node | undefined, context: Context): Map<string, CheckedConnection> {
  const { problems, registry } = context;
  const checked = new Map<string, CheckedConnection>();
  for (const [name, each] of namedObjects(node, problems)) {
    const driverNode = child(each, 'driver');
    const driver = driverNode === undefined ? undefined : valueOf(driverNode);
    const meant = typeof driver === 'string' ? (meantDriver(driver, registry) ?? driver) : likeliest(each, registry);
    const schema = meant === undefined ? undefined : driverFor(meant, registry)?.schema;
    const entries = schema === undefined || meant === undefined ? connectionBase : connectionEntries(schema, meant);
    const result = inspectObject(entries, each, {
      ...context,
      missing: missingDriver(registry),
      open: schema === undefined,
    });
    if (driverNode !== undefined && typeof driver === 'string' && driverFor(driver, registry) === undefined) {
      problems.atValue('error', driverNode, `driver is ${quoted(driver)}; ${driverHint(driver, registry)}`);
    }
    checked.set(name, {
      driver: meant ?? '',
      schema,
      entries: schema?.connections[meant ?? ''] ?? {},
      checked: result,
    });
  }
  return checked;
}

const driverNames = ({ families }: Registry): string[] =>
  families.flatMap(({ schema }) => Object.keys(schema.connections));

const missingDriver = (registry: Registry): Readonly<Record<string, string>> => ({
  driver: allowed(driverNames(registry).join(', ')),
});

/** Where no driver is stated: the one that knows most of the keys. */
function likeliest(node: Node, { families }: Registry): string | undefined {
  const connections = families.flatMap(({ schema }) => Object.entries(schema.connections));
  return connections.toSorted(([, a], [, b]) => keysKnown(node, b) - keysKnown(node, a))[0]?.[0];
}

const keysKnown = (node: Node, entries: v.ObjectEntries): number =>
  properties(node).filter(({ key }) => Object.hasOwn(entries, key)).length;

/** A mistyped driver: the keys of its connection are checked as those of the one that was meant. */
function meantDriver(driver: string, registry: Registry): string | undefined {
  const names = driverNames(registry);
  const close = nearest(driver, [...registry.notYet, ...names]);
  return wordHabits(driver).find((word) => names.includes(word)) ?? names.find((name) => name === close);
}

function driverHint(driver: string, registry: Registry): string {
  const meant = meantDriver(driver, registry);
  if (meant !== undefined) return `did you mean \`${meant}\`?`;
  const coming = nearest(driver, registry.notYet);
  const other = coming === undefined ? '' : `${coming === driver ? '' : `\`${coming}\` is `}${notYet}; `;
  return `${other}${allowed(driverNames(registry).join(', '))}`;
}

interface Draft {
  readonly node: Node;
  readonly connection: string | undefined;
  readonly profile: string | undefined;
  readonly schema: DriverSchema | undefined;
}

/** Finds out whose keys a device holds before they are checked. */
function draftDevice(
  node: Node,
  connections: ReadonlyMap<string, CheckedConnection> | undefined,
  profiles: { readonly own: ReadonlySet<string>; readonly all: ReadonlySet<string> },
  { problems, registry, profileFolder }: Context,
): Draft {
  const connection = reference(child(node, 'connection'), connections?.keys(), problems);
  const profile = reference(
    child(node, 'profile'),
    profiles.all,
    problems,
    `; profiles stand in the file, one a file in ${profileFolder}, or are built in: \`sluice profiles\` lists them`,
    profiles.own,
  );
  const schema = connection === undefined ? likeliestSchema(node, registry) : connections?.get(connection)?.schema;
  return { node, connection, profile, schema };
}

/** Whose keys they are where no connection tells: of the family that knows most of those of the object and its points; the first where none does. */
function likeliestSchema(node: Node, { families }: Registry): DriverSchema | undefined {
  const points = items(child(node, 'points') ?? node).filter(({ type }) => type === 'object');
  const score = ({ schema }: Registry['families'][number]): number =>
    keysKnown(node, { ...schema.device, ...inheritedOf(schema) }) +
    points.reduce((sum, point) => sum + keysKnown(point, schema.point), 0);
  return families.toSorted((a, b) => score(b) - score(a))[0]?.schema;
}

const inheritedOf = (schema: DriverSchema): v.ObjectEntries =>
  Object.fromEntries(schema.inherited.flatMap((key) => (schema.point[key] ? [[key, schema.point[key]]] : [])));

/** Where the names themselves could not be read, nothing is said of a missing one. `listed`: those to show when none is close. */
function reference(
  node: Node | undefined,
  names: Iterable<string> | undefined,
  problems: Problems,
  more = '',
  listed = names,
): string | undefined {
  const value = node === undefined ? undefined : valueOf(node);
  if (node === undefined || typeof value !== 'string' || names === undefined) return undefined;
  const known = [...names];
  if (known.includes(value)) return value;
  const meant = nearest(value, known);
  const begun = known.filter((name) => name.startsWith(`${value}-`));
  const all = begun.length > 0 ? begun : [...(listed ?? [])];
  const hint =
    meant === undefined
      ? allowed(all.length === 0 ? 'nothing, none is defined' : some(all))
      : `did you mean \`${meant}\`?`;
  problems.atValue('error', node, `${nameOf(node)} is ${quoted(value)}; there is none of that name; ${hint}${more}`);
  return undefined;
}

/** A broken profile in the folder that no device uses is no problem of this site: then it is told as a warning. */
function checkProfiles(
  inFile: ReadonlyMap<string, Node>,
  drafts: readonly Draft[],
  context: Context,
): Map<string, CheckedProfile> {
  const schemaOf = (name: string, node: Node): DriverSchema | undefined =>
    drafts.find((draft) => draft.profile === name && draft.schema !== undefined)?.schema ??
    likeliestSchema(node, context.registry);
  const checked = new Map(
    [...inFile].map(([name, node]) => [name, checkProfile(node, schemaOf(name, node), context)] as const),
  );
  for (const { name, source } of context.profiles) {
    const isUsed = !inFile.has(name) && drafts.some((draft) => draft.profile === name);
    context.problems.add(source, isUsed ? 'error' : 'warning');
    if (source.root === undefined) continue;
    tellDoubles(source.root, context.problems);
    const profile = checkProfile(source.root, schemaOf(name, source.root), context);
    if (isUsed) checked.set(name, profile);
  }
  return checked;
}

function checkProfile(node: Node, schema: DriverSchema | undefined, context: Context): CheckedProfile {
  const entries = schema === undefined ? profileBase : profileEntries(schema);
  const checked = inspectObject(entries, node, { ...context, open: schema === undefined });
  return { checked, points: checkPoints(node, schema, new Set(), context) };
}

function checkDevice(draft: Draft, profiles: ReadonlyMap<string, CheckedProfile>, context: Context): CheckedDevice {
  const { node, schema, connection, profile } = draft;
  const entries = schema === undefined ? deviceBase : deviceEntries(schema);
  const checked = inspectObject(entries, node, { ...context, open: schema === undefined });
  const found = profile === undefined ? undefined : profiles.get(profile);
  const known = found?.points ?? [];
  const points = checkPoints(node, schema, new Set(known.map((point) => String(point.settings['name']))), context);
  return { checked, connection, profile: found === undefined ? undefined : profile, points };
}

/** `base`: names of the profile's points. What overrides one of them needs to state only what differs. */
function checkPoints(
  owner: Node,
  schema: DriverSchema | undefined,
  base: ReadonlySet<string>,
  context: Context,
): Checked[] {
  const entries: v.ObjectEntries = schema === undefined ? pointBase : pointEntries(schema);
  const given = new Set(Object.keys(entries).filter((key) => key !== 'name'));
  const nodes = objects(child(owner, 'points'), context.problems);
  tellTwins(
    nodes.flatMap((node) => child(node, 'name') ?? []),
    context.problems,
    base,
  );
  return nodes.map((node) => {
    const name: unknown = child(node, 'name')?.value;
    const overrides = typeof name === 'string' && base.has(name);
    return inspectObject(entries, node, { ...context, open: schema === undefined, ...(overrides ? { given } : {}) });
  });
}

/** Ids that stand twice, or differ only in case: a file system or a person downstream would take them for one. */
function tellTwins(nodes: readonly Node[], problems: Problems, base: ReadonlySet<string> = new Set()): void {
  const seen = new Map<string, Node>();
  const below = new Map([...base].map((name) => [name.toLowerCase(), name]));
  for (const node of nodes) {
    const value = valueOf(node);
    if (typeof value !== 'string') continue;
    const first = seen.get(value.toLowerCase());
    if (first !== undefined) tellTwin(node, value, String(valueOf(first)), problems.place(first), problems);
    else seen.set(value.toLowerCase(), node);
    const inherited = below.get(value.toLowerCase());
    if (inherited !== undefined && inherited !== value) tellTwin(node, value, inherited, 'its profile', problems);
  }
}

function tellTwin(node: Node, value: string, other: string, place: string, problems: Problems): void {
  const how = value === other ? 'already used' : `like ${quoted(other)} but for case`;
  problems.atValue(
    'error',
    node,
    `${nameOf(node)} is ${quoted(value)}; ${how} at ${place}; allowed: a name of its own`,
  );
}

/** The objects under a name each; wrong names are told, and what is no object. */
function namedObjects(node: Node | undefined, problems: Problems): Map<string, Node> {
  const found = new Map<string, Node>();
  const spelled = new Map<string, { name: string; node: Node }>();
  for (const { key, keyNode, value } of node?.type === 'object' ? properties(node) : []) {
    const wrong = v.safeParse(id(), key).issues?.[0].message;
    if (wrong !== undefined)
      problems.atKey('error', keyNode, `${quoted(key)} is no name; ${wrong}${valueHint(id(), key)}`);
    const twin = spelled.get(key.toLowerCase());
    if (twin !== undefined && twin.name !== key) {
      problems.atKey(
        'error',
        keyNode,
        `${quoted(key)} is like ${quoted(twin.name)} at ${problems.place(twin.node)} but for case; allowed: a name of its own`,
      );
    }
    spelled.set(key.toLowerCase(), { name: key, node: keyNode });
    if (value.type === 'object') found.set(key, value);
    else problems.atValue('error', value, `${nameOf(value)} is no object; ${allowed('an object { … }')}`);
  }
  return found;
}

function objects(node: Node | undefined, problems: Problems): Node[] {
  return (node === undefined ? [] : items(node)).filter((each) => {
    if (each.type !== 'object')
      problems.atValue('error', each, `${nameOf(each)} is no object; ${allowed('an object { … }')}`);
    return each.type === 'object';
  });
}
