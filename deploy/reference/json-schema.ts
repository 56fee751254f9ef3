/**
 * The JSON Schemas of configuration and profile files, made from the schema that `check` uses. Draft-07, which editors know best, with
 * the keywords of VS Code's language service (`errorMessage`, `markdownDescription`, `doNotSuggest`); other validators pass over those.
 */
import { toJsonSchema, type ConversionConfig } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { id, type Role } from '../../agent/config/grammar.ts';
import {
  connectionEntries,
  connectionBase,
  deviceEntries,
  fileEntries,
  inheritedKeys,
  pointEntries,
  profileEntries,
} from '../../agent/config/schema.ts';
import type { DriverSchema } from '../../drivers/driver.ts';
import type { Registry } from '../../drivers/registry.ts';

/** A part of a JSON Schema. */
export interface Part {
  readonly [keyword: string]: unknown;
}

const draft = 'http://json-schema.org/draft-07/schema#';
/** Without them an editor takes the comments of a `.json` file for mistakes. */
const jsonc = { allowComments: true, allowTrailingCommas: true };

/** The schema of `sluice.json`. */
export function configSchema(registry: Registry): Part {
  const { families } = registry;
  const top = objectOf(fileEntries);
  const { connections, profiles, devices, ...others } = top.properties;
  const named = (part: Part | undefined, of: Part): Part => ({
    ...part,
    propertyNames: convert(id()),
    additionalProperties: of,
  });
  return {
    $schema: draft,
    title: 'Configuration of Sluice: sluice.json',
    ...jsonc,
    ...top,
    properties: inOrder(Object.keys(fileEntries), {
      ...others,
      connections: named(connections, connectionOf(families.map(({ schema }) => schema))),
      profiles: named(profiles, anyOf(families.map(({ schema }) => reference(`${schema.family}.profile`)))),
      devices: { ...devices, items: anyOf(families.map(({ schema }) => reference(`${schema.family}.device`))) },
    }),
    definitions: Object.assign({}, ...families.map(({ schema }) => definitionsOf(schema))) as Part,
  };
}

/** The schema of a file that holds one profile. */
export function profileSchema(registry: Registry): Part {
  const schemas = registry.families.map(({ schema }) => schema);
  const definitions = Object.assign({}, ...schemas.map(definitionsOf)) as Record<string, Part>;
  const needed = Object.entries(definitions).filter(([name]) => /\.(?:profile|point)$/.test(name));
  const whole =
    schemas.length === 1
      ? { $ref: reference(`${schemas[0]?.family ?? ''}.profile`).$ref }
      : anyOf(schemas.map((schema) => reference(`${schema.family}.profile`)));
  return {
    $schema: draft,
    title: 'A profile of Sluice: the register map of one meter model',
    ...jsonc,
    ...whole,
    definitions: Object.fromEntries(needed),
  };
}

/** Connections are named by their driver, all else by its family. */
function reference(name: string): { readonly $ref: string } {
  return { $ref: `#/definitions/${name}` };
}

const connectionName = (driver: string): string => `${driver}.connection`;

/** One is said as it is: an editor then tells what is wrong in it, not that no form fits. */
function anyOf(parts: readonly Part[]): Part {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { anyOf: parts };
}

/** Whose keys a connection has is decided by its `driver`; until that stands, only keys of all drivers are known. */
function connectionOf(schemas: readonly DriverSchema[]): Part {
  const names = schemas.flatMap(({ connections }) => Object.keys(connections));
  const { properties } = withDriver(objectOf(connectionBase), names);
  return {
    type: 'object',
    required: ['driver'],
    properties,
    allOf: names.map((name) => ({
      if: { required: ['driver'], properties: { driver: { const: name } } },
      // oxlint-disable-next-line unicorn/no-thenable
      then: reference(connectionName(name)),
    })),
  };
}

function withDriver(part: ObjectPart, names: readonly string[]): ObjectPart {
  const driver = { ...part.properties['driver'], enum: names, errorMessage: `allowed: ${names.join(', ')}` };
  return { ...part, properties: { ...part.properties, driver } };
}

function definitionsOf(schema: DriverSchema): Record<string, Part> {
  const inherited = new Set(inheritedKeys(schema));
  const level = (entries: v.ObjectEntries): ObjectPart => {
    const part = objectOf(entries);
    return {
      ...part,
      properties: Object.fromEntries(
        Object.entries(part.properties).map(([key, each]) => [key, inherited.has(key) ? inheritable(each) : each]),
      ),
    };
  };
  const points = { items: reference(`${schema.family}.point`) };
  const withPoints = (entries: v.ObjectEntries): Part => {
    const part = level(entries);
    return { ...part, properties: { ...part.properties, points: { ...part.properties['points'], ...points } } };
  };
  return {
    ...Object.fromEntries(
      Object.keys(schema.connections).map((name) => [
        connectionName(name),
        withDriver(level(connectionEntries(schema, name)), Object.keys(schema.connections)),
      ]),
    ),
    [`${schema.family}.device`]: withPoints(deviceEntries(schema)),
    [`${schema.family}.profile`]: {
      description: 'The register map of a meter model.',
      ...withPoints(profileEntries(schema)),
    },
    [`${schema.family}.point`]: level(pointEntries(schema)),
  };
}

/** Behind the description of every inherited key. */
export const inheritedNote = ' May stand at a point, its device, its profile or its connection: the nearest holds.';

function inheritable(part: Part): Part {
  const added = ['description', 'markdownDescription'].flatMap((key) =>
    typeof part[key] === 'string' ? [[key, part[key] + inheritedNote] as const] : [],
  );
  return { ...part, ...Object.fromEntries(added) };
}

interface ObjectPart extends Part {
  readonly properties: Readonly<Record<string, Part>>;
}

function objectOf(entries: v.ObjectEntries): ObjectPart {
  return convert(v.strictObject(entries)) as ObjectPart;
}

function inOrder(keys: readonly string[], parts: Readonly<Record<string, Part>>): Record<string, Part | undefined> {
  return Object.fromEntries(keys.map((key) => [key, parts[key]]));
}

function convert(schema: v.GenericSchema): Part {
  const { $schema: _draft, ...part } = toJsonSchema(schema, conversion) as Part;
  return part;
}

/** What JSON Schema cannot say (checks, transforms) is left to `check`. */
const conversion: ConversionConfig = {
  errorMode: 'ignore',
  overrideSchema: ({ valibotSchema, jsonSchema }) => {
    const part = jsonSchema as Record<string, unknown>;
    for (const key of ['default', 'required']) if (isEmpty(part[key])) delete part[key];
    if (valibotSchema.type === 'union') return merged(part['anyOf'] as readonly Part[]) ?? part;
    if (valibotSchema.type === 'never') Object.assign(part, { doNotSuggest: true });
    if (['string', 'number', 'boolean', 'picklist', 'literal', 'never'].includes(valibotSchema.type)) {
      part['errorMessage'] = messageOf(valibotSchema);
    }
    return part;
  },
  overrideAction: ({ valibotAction, jsonSchema }) => {
    const part = jsonSchema as Record<string, unknown>;
    if (valibotAction.type === 'regex') part['pattern'] = portable(String(part['pattern']));
    if (valibotAction.type !== 'metadata') return part;
    const { role, ...told } = part as Partial<Role> & Record<string, unknown>;
    return { ...told, ...plain(told['description']), ...(role === 'secret' ? { pattern: secretPattern } : {}) };
  },
};

/**
 * Forms of different types as one, since each keyword speaks of one type only: an editor then tells what is wrong in the form that is meant, not that the first
 * one does not fit. undefined when that is not so.
 */
function merged(forms: readonly Part[]): Part | undefined {
  const types = forms.map((form) => form['type']);
  const isApart = new Set(types).size === forms.length && types.every((type) => typeof type === 'string');
  if (!isApart || forms.some((form) => ['enum', 'const', 'not'].some((word) => word in form))) return undefined;
  const messages = new Set(forms.map((form) => form['errorMessage']));
  const [message] = messages;
  return { ...Object.assign({}, ...forms), type: types, errorMessage: messages.size === 1 ? message : undefined };
}

/** A description is Markdown for code words; where an editor wants plain text, it gets that. */
function plain(description: unknown): Part {
  if (typeof description !== 'string' || !description.includes('`')) return {};
  return { description: description.replaceAll('`', ''), markdownDescription: description };
}

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** What the schema says to a value that is surely wrong. */
function messageOf(schema: v.GenericSchema): string | undefined {
  const said = v.safeParse(schema, Symbol.iterator).issues?.[0].message;
  return said?.startsWith('Invalid ') === true ? undefined : said;
}

/** Only a secret may hold `${…}`, and then nothing beside it. */
const secretPattern = '^(?:\\$\\{(?:env|file):[^${}]+\\}|(?![\\s\\S]*\\$\\{)[\\s\\S]+)$';

/** Not every validator knows Unicode classes. Text for people holds no `${…}`. */
function portable(pattern: string): string {
  return pattern.replace('^\\P{Cc}+$', '^(?!.*\\$\\{)[^\\u0000-\\u001f\\u007f-\\u009f]+$');
}
