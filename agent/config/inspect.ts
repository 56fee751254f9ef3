import * as v from 'valibot';
import type { Role } from './grammar.ts';
import { keyHint, valueHint } from './hints.ts';
import { nameOf, quoted, type Problems } from './problems.ts';
import {
  actionsOf,
  choose,
  isOptional,
  messageOf,
  ownMessage,
  parts,
  roleOf,
  unwrap,
  type Schema,
} from './schema-parts.ts';
import { child, items, properties, valueOf, type Node } from './source.ts';

/** One object of the file, checked against its schema. */
export interface Checked {
  readonly node: Node;
  /** What the schema made of the keys that are right, defaults of absent keys included. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Keys of `settings` that stand in the file. */
  readonly stated: ReadonlySet<string>;
  /** Keys with a problem in or under them: wrong, missing, or unknown. */
  readonly faulty: ReadonlySet<string>;
}

export interface InspectOptions {
  readonly problems: Problems;
  /** Gives what a text with a role stands for; undefined when that was a problem (told by it). */
  readonly resolve: (role: Role['role'], node: Node, value: string) => unknown;
  /** Leave unknown keys alone: whose keys they are could not be found out. */
  readonly open?: boolean;
  /** Keys whose absence is fine here although the schema wants them. */
  readonly given?: ReadonlySet<string>;
  /** What to say of a key that is missing, where there is more to say than its schema does. */
  readonly missing?: Readonly<Record<string, string>>;
  /** Which places of the file know a key. */
  readonly elsewhere?: (key: string) => readonly string[];
}

/** Checks every key of one object and tells all that is wrong with it. `node` must be an object. */
export function inspectObject(entries: v.ObjectEntries, node: Node, options: InspectOptions): Checked {
  const settings: Record<string, unknown> = {};
  const stated = new Set<string>();
  const faulty = new Set<string>();
  const unknown = tellUnknownKeys(entries, node, options);
  for (const key of unknown.keys()) faulty.add(key);
  for (const [key, schema] of Object.entries(entries) as [string, Schema][]) {
    const value = child(node, key);
    if (value !== undefined) {
      stated.add(key);
      const found = inspectValue(schema, value, options);
      if (found.ok) settings[key] = found.value;
      else faulty.add(key);
    } else if (isOptional(schema)) {
      const absent = v.safeParse(schema, undefined);
      if (absent.success && absent.output !== undefined) settings[key] = absent.output;
    } else if (options.given?.has(key) !== true) {
      faulty.add(key);
      // A mistyped key is told once, as the unknown key.
      if ([...unknown.values()].includes(key)) continue;
      options.problems.atObject('error', node, `${key} is missing; ${options.missing?.[key] ?? messageOf(schema)}`);
    }
  }
  return { node, settings, stated, faulty };
}

/** Gives the unknown keys, each with the one that it probably stands for. */
function tellUnknownKeys(
  entries: v.ObjectEntries,
  node: Node,
  { problems, open, elsewhere = () => [] }: InspectOptions,
): Map<string, string | undefined> {
  if (open === true) return new Map();
  const known = Object.keys(entries).filter((key) => parts(unwrap(entries[key] as Schema)).type !== 'never');
  const unknown = properties(node).filter(({ key }) => !Object.hasOwn(entries, key));
  return new Map(
    unknown.map(({ key, keyNode }) => {
      const { text, meant } = keyHint(key, known, elsewhere);
      problems.atKey('error', keyNode, `${quoted(key)} is no key here${text}`);
      return [key, meant];
    }),
  );
}

type Found = { readonly ok: true; readonly value: unknown } | { readonly ok: false };
const wrong: Found = { ok: false };

function inspectValue(outer: Schema, node: Node, options: InspectOptions): Found {
  const schema = choose(unwrap(outer), node);
  const { type, entries, item, value } = parts(schema);
  if (entries !== undefined && node.type === 'object') {
    const { problems, resolve, elsewhere } = options;
    const inner = inspectObject(entries, node, {
      problems,
      resolve,
      ...(elsewhere === undefined ? {} : { elsewhere }),
    });
    return inner.faulty.size > 0 ? wrong : whole(schema, node, inner.settings, options);
  }
  if (item !== undefined && node.type === 'array') {
    const found = items(node).map((each) => inspectValue(item, each, options));
    if (!found.every((each) => each.ok)) return wrong;
    const values = found.map((each) => each.value);
    return whole(schema, node, values, options);
  }
  if (type === 'record' && value !== undefined && node.type === 'object') {
    const areNamed = properties(node).map((each) => inspectName(parts(schema).key, each, options.problems));
    const found = properties(node).map((each) => [each.key, inspectValue(value, each.value, options)] as const);
    if (areNamed.includes(false) || !found.every(([, each]) => each.ok)) return wrong;
    const values = Object.fromEntries(found.map(([key, each]) => [key, each.ok ? each.value : null]));
    return whole(schema, node, values, options);
  }
  if (type === 'never') {
    options.problems.atValue('error', node, `${nameOf(node)} is ${messageOf(schema)}`);
    return wrong;
  }
  if (entries !== undefined || item !== undefined || type === 'record') {
    const said = `${nameOf(node)} is ${containerOrType(node)}; ${messageOf(schema)}${valueHint(schema, valueOf(node))}`;
    options.problems.atValue('error', node, said);
    return wrong;
  }
  return inspectLeaf(schema, node, options);
}

function inspectName(
  schema: Schema | undefined,
  named: ReturnType<typeof properties>[number],
  problems: Problems,
): boolean {
  const result = v.safeParse(schema ?? v.string(), named.key);
  if (!result.success)
    problems.atKey('error', named.keyNode, `${quoted(named.key)} is no name; ${result.issues[0].message}`);
  return result.success;
}

/** What a container says about itself as a whole (its pipe after the parts, which are right already). */
function whole(schema: Schema, node: Node, value: unknown, { problems }: InspectOptions): Found {
  const actions = actionsOf(parts(schema));
  if (actions.length === 0) return { ok: true, value };
  const result = v.safeParse(v.pipe(v.unknown(), ...(actions as v.GenericPipeItem[])), value);
  if (result.success) return { ok: true, value: result.output };
  problems.atValue('error', node, `${nameOf(node)} is ${shown(node)}; ${result.issues[0].message}`);
  return wrong;
}

function inspectLeaf(schema: Schema, node: Node, options: InspectOptions): Found {
  const { problems, resolve } = options;
  const value = valueOf(node);
  const role = roleOf(schema);
  if (typeof value === 'string' && value.includes('${') && role !== 'secret') {
    problems.atValue(
      'error',
      node,
      `${nameOf(node)} is ${quoted(value)}; \${…} stands only for secrets (password and the like)`,
    );
    return wrong;
  }
  const result = v.safeParse(schema, value);
  if (result.success) {
    if (role === undefined || typeof value !== 'string') return { ok: true, value: result.output };
    const resolved = resolve(role, node, value);
    return resolved === undefined ? wrong : { ok: true, value: resolved };
  }
  const said = role === 'secret' ? `of the wrong form` : shown(node);
  const message = ownMessage(result.issues[0].message) ?? messageOf(schema);
  problems.atValue(
    'error',
    node,
    `${nameOf(node)} is ${said}; ${message}${valueHint(schema, value, node.parent?.type === 'array')}`,
  );
  return wrong;
}

function shown(node: Node): string {
  return node.type === 'array' || node.type === 'object' ? containerOrType(node) : quoted(valueOf(node));
}

/** Where an object or a list belongs, the value is not repeated: it may be a secret that lost its place. */
function containerOrType(node: Node): string {
  const empty = node.children?.length === 0;
  if (node.type === 'array') return empty ? 'an empty list' : 'a list';
  if (node.type === 'object') return empty ? 'an empty object' : 'an object';
  return node.type === 'null' ? 'null' : `a ${node.type === 'string' ? 'text' : node.type}`;
}
