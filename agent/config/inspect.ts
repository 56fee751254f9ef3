import * as v from 'valibot';
import { allowed, notYet, type Role } from './grammar.ts';
import { nearest } from './nearest.ts';
import { nameOf, quoted, type Problems } from './problems.ts';
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
}

type Schema = v.GenericSchema;
type PipeItem = {
  readonly kind: string;
  readonly type: string;
  readonly requirement?: unknown;
  readonly pipe?: readonly PipeItem[];
};
/** The parts of a valibot schema that the inspection follows; which are there depends on `type`. */
interface Parts {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly item?: Schema;
  readonly value?: Schema;
  readonly key?: Schema;
  readonly options?: readonly unknown[];
  readonly wrapped?: Schema;
  readonly default?: unknown;
  readonly pipe?: readonly PipeItem[];
}

/** Checks every key of one object and tells all that is wrong with it. `node` must be an object. */
export function inspectObject(entries: v.ObjectEntries, node: Node, options: InspectOptions): Checked {
  const settings: Record<string, unknown> = {};
  const stated = new Set<string>();
  const faulty = new Set<string>();
  const unknown = tellUnknownKeys(entries, node, options);
  for (const key of unknown) faulty.add(key);
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
      if (!unknown.some((word) => nearest(word, [key]) !== undefined)) {
        options.problems.atObject('error', node, `${key} is missing; ${messageOf(schema)}`);
      }
    }
  }
  return { node, settings, stated, faulty };
}

function tellUnknownKeys(entries: v.ObjectEntries, node: Node, { problems, open }: InspectOptions): string[] {
  if (open === true) return [];
  const known = Object.keys(entries).filter((key) => parts(unwrap(entries[key] as Schema)).type !== 'never');
  const unknown = properties(node).filter(({ key }) => !Object.hasOwn(entries, key));
  for (const { key, keyNode } of unknown) {
    const meant = nearest(key, known);
    const advice = meant === undefined ? `; ${allowed(known.join(', '))}` : `; did you mean \`${meant}\`?`;
    problems.atKey('error', keyNode, `${quoted(key)} is no key here${advice}`);
  }
  return unknown.map(({ key }) => key);
}

type Found = { readonly ok: true; readonly value: unknown } | { readonly ok: false };
const wrong: Found = { ok: false };

function inspectValue(outer: Schema, node: Node, options: InspectOptions): Found {
  const schema = choose(unwrap(outer), node);
  const { type, entries, item, value } = parts(schema);
  if (entries !== undefined && node.type === 'object') {
    const inner = inspectObject(entries, node, { problems: options.problems, resolve: options.resolve });
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
    options.problems.atValue('error', node, `${nameOf(node)} is ${notYet}`);
    return wrong;
  }
  if (entries !== undefined || item !== undefined || type === 'record') {
    const said = `${nameOf(node)} is ${containerOrType(node)}; ${messageOf(schema)}${hint(schema, valueOf(node))}`;
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
  problems.atValue('error', node, `${nameOf(node)} is ${said}; ${message}${hint(schema, value)}`);
  return wrong;
}

/** What was probably meant, for a value of the wrong type or a mistyped word. */
function hint(schema: Schema, value: unknown): string {
  const takes = (type: string): boolean => leaves(schema).some((leaf) => leaf.type === type);
  if (!Array.isArray(value) && leaves(schema).some((leaf) => leaf.item !== undefined && v.is(leaf.item, value))) {
    return '; put it in [ ]';
  }
  if (typeof value === 'string') {
    if (takes('number') && /^\s*[+-]?\d+(\.\d+)?\s*$/.test(value)) return '; drop the quotes';
    if (takes('boolean') && /^(true|false)$/.test(value)) return '; drop the quotes';
    const words = leaves(schema).flatMap((leaf) => (leaf.type === 'picklist' ? (leaf.options ?? []) : []));
    const meant = nearest(
      value,
      words.filter((word) => typeof word === 'string'),
    );
    return meant === undefined ? '' : `; did you mean \`${meant}\`?`;
  }
  if (typeof value === 'number' && v.safeParse(schema, String(value)).success) return '; put it in quotes';
  return '';
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

const parts = (schema: Schema): Parts => schema;

/** What a pipe does after its schema, and after those of the pipes in it. */
function actionsOf(schema: Pick<Parts, 'pipe'>): PipeItem[] {
  return (schema.pipe ?? []).flatMap((item) => (item.kind === 'schema' ? actionsOf(item) : [item]));
}

function isOptional(schema: Schema): boolean {
  return ['optional', 'nullish', 'exact_optional'].includes(parts(schema).type);
}

function unwrap(schema: Schema): Schema {
  const { wrapped } = parts(schema);
  return wrapped === undefined ? schema : unwrap(wrapped);
}

function alternatives(schema: Schema): readonly Schema[] {
  const { type, options } = parts(schema);
  return type === 'union' ? ((options ?? []) as Schema[]) : [];
}

function leaves(schema: Schema): Parts[] {
  const inner = alternatives(schema);
  return inner.length === 0 ? [parts(schema)] : inner.flatMap((each) => leaves(unwrap(each)));
}

/** Of several possible forms the one that a container in the file is meant for, so that what is wrong inside it is told. */
function choose(schema: Schema, node: Node): Schema {
  const fits = (each: Schema): boolean =>
    node.type === 'object'
      ? parts(each).entries !== undefined || parts(each).type === 'record'
      : node.type === 'array' && parts(each).item !== undefined;
  return alternatives(schema).map(unwrap).find(fits) ?? schema;
}

function roleOf(schema: Schema): Role['role'] | undefined {
  return (v.getMetadata(schema) as Partial<Role>).role;
}

/** valibot's own messages speak to programmers. */
function ownMessage(message: string): string | undefined {
  return message.startsWith('Invalid ') ? undefined : message;
}

/** What a schema takes, in its own words if it has some: those it says to a value that is surely wrong. */
function messageOf(schema: Schema): string {
  const inner = unwrap(schema);
  const said = v.safeParse(inner, Symbol.iterator);
  return (said.success ? undefined : ownMessage(said.issues[0].message)) ?? allowed(described(inner));
}

function described(schema: Schema): string {
  const { type, options, entries } = parts(schema);
  const bound = (name: string): string =>
    JSON.stringify(actionsOf(parts(schema)).find((action) => action.type === name)?.requirement) ?? '';
  const inner = alternatives(schema);
  if (inner.length > 0) return inner.map((each) => messageOf(each).replace(/^allowed: /, '')).join('; or ');
  if (options !== undefined) return options.join(', ');
  if (entries !== undefined) return `an object { ${Object.keys(entries).join(', ')} }`;
  if (type === 'number') return `a number ${bound('min_value')}…${bound('max_value')}`;
  return { boolean: 'true or false', string: 'text', array: 'a list', record: 'an object' }[type] ?? 'another value';
}
