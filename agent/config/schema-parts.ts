/** How the inspection looks into valibot's schemas. */
import * as v from 'valibot';
import { allowed, type Role } from './grammar.ts';
import type { Node } from './source.ts';

export type Schema = v.GenericSchema;
export type PipeItem = {
  readonly kind: string;
  readonly type: string;
  readonly requirement?: unknown;
  readonly pipe?: readonly PipeItem[];
};
/** The parts of a valibot schema that the inspection follows; which are there depends on `type`. */
export interface Parts {
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

export const parts = (schema: Schema): Parts => schema;

/** What a pipe does after its schema, and after those of the pipes in it. */
export function actionsOf(schema: Pick<Parts, 'pipe'>): PipeItem[] {
  return (schema.pipe ?? []).flatMap((item) => (item.kind === 'schema' ? actionsOf(item) : [item]));
}

export function isOptional(schema: Schema): boolean {
  return ['optional', 'nullish', 'exact_optional'].includes(parts(schema).type);
}

export function unwrap(schema: Schema): Schema {
  const { wrapped } = parts(schema);
  return wrapped === undefined ? schema : unwrap(wrapped);
}

export function alternatives(schema: Schema): readonly Schema[] {
  const { type, options } = parts(schema);
  return type === 'union' ? ((options ?? []) as Schema[]) : [];
}

export function leaves(schema: Schema): Parts[] {
  const inner = alternatives(schema);
  return inner.length === 0 ? [parts(schema)] : inner.flatMap((each) => leaves(unwrap(each)));
}

/** Of several possible forms the one that a container in the file is meant for, so that what is wrong inside it is told. */
export function choose(schema: Schema, node: Node): Schema {
  const fits = (each: Schema): boolean =>
    node.type === 'object'
      ? parts(each).entries !== undefined || parts(each).type === 'record'
      : node.type === 'array' && parts(each).item !== undefined;
  return alternatives(schema).map(unwrap).find(fits) ?? schema;
}

export function roleOf(schema: Schema): Role['role'] | undefined {
  return (v.getMetadata(schema) as Partial<Role>).role;
}

/** valibot's own messages speak to programmers. */
export function ownMessage(message: string): string | undefined {
  return message.startsWith('Invalid ') ? undefined : message;
}

/** What a schema takes, in its own words if it has some: those it says to a value that is surely wrong. */
export function messageOf(schema: Schema): string {
  const inner = unwrap(schema);
  const said = v.safeParse(inner, Symbol.iterator);
  return (said.success ? undefined : ownMessage(said.issues[0].message)) ?? allowed(described(inner));
}

export function described(schema: Schema): string {
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
