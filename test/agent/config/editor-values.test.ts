import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { Role } from '../../../agent/config/grammar.ts';
import { connectionEntries, deviceEntries, fileEntries, pointEntries } from '../../../agent/config/schema.ts';
import { publishedSchema } from '../../../agent/schemas/published.ts';
import type { DriverSchema } from '../../../drivers/driver.ts';
import { registry } from '../../../drivers/registry.ts';
import { editor } from '../../support/editor.ts';

interface Part {
  readonly properties?: Readonly<Record<string, Part>>;
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
}
interface Key {
  readonly path: string;
  /** Of an object, or of the object that is one of its forms. */
  readonly entries: v.ObjectEntries | undefined;
  readonly schema: v.GenericSchema;
  readonly part: Part;
}

const published = JSON.parse(publishedSchema('config')) as Part & { definitions: Readonly<Record<string, Part>> };

/** Every key with what `check` and what an editor holds its value against, those in objects too. */
function keysOf(entries: v.ObjectEntries, part: Part, path: string): Key[] {
  return Object.entries(entries).flatMap(([key, schema]) => {
    const here = part.properties?.[key];
    if (here === undefined) throw new Error(`the published schema has no ${path}${key}`);
    const forms = [unwrapped(schema), ...((unwrapped(schema) as { options?: v.GenericSchema[] }).options ?? [])];
    const own = forms.map((form) => (form as { entries?: v.ObjectEntries }).entries).find((each) => each !== undefined);
    const inner = own === undefined ? [] : keysOf(own, here, `${path}${key}.`);
    return [{ path: `${path}${key}`, entries: own, schema: unwrapped(schema), part: here }, ...inner];
  });
}

function unwrapped(schema: v.GenericSchema): v.GenericSchema {
  const { wrapped } = schema as { wrapped?: v.GenericSchema };
  return wrapped === undefined ? schema : unwrapped(wrapped);
}

const modbus = registry.families[0]?.schema as DriverSchema;
const define = (level: string): Part => published.definitions[level] ?? {};
const keys = [
  ...keysOf(fileEntries, published, ''),
  ...Object.keys(modbus.connections).flatMap((name) =>
    keysOf(connectionEntries(modbus, name), define(`${name}.connection`), `${name}.`),
  ),
  ...keysOf(deviceEntries(modbus), define('modbus.device'), 'device.'),
  ...keysOf(pointEntries(modbus), define('modbus.point'), 'point.'),
];

const numbers = [-1, -0.5, 0, 0.5, 1, 2, 10, 11, 125, 126, 247, 248, 254, 255, 256, 65_535, 65_536, 65_537, 1e300];
const texts =
  `|x|a b|a/b|${'x'.repeat(64)}|${'x'.repeat(65)}|${'x'.repeat(257)}|..|1|true|é|a\nb|0x0BD3|0x10000|0x1FFFF|0xXY|40001|400001|70001
  |4001|modbus-tcp|opcua|holding|Holding|coil|ABCD|ABDC|float32|float33|counter|zstd|auto|thin|stop|PLAIN|json|avro|change
  |0ms|1ms|19ms|50ms|1s|1 s|1S|1.5s|7s|15m|30m|1h|7h|12h|1d|2d|1mo|2mo|61m|-1s|1min|06:00|24:00|6:00
  |1KB|999KB|1MB|2GB|2gb|512MiB|2|10.0.0.1|10.0.0.1:502|host.example|[::1]|::1|http://x|h:0|h:65535|h:65536|[::1]:80|h:|:80
  |\${env:A}|\${A}|x\${env:A}|\${file:/a b}|Europe/Madrid|Europe/Madird|1-0:1.8.0|1.8|999.8.0|40/h|40|1e3/d|kWh`
    .split('|')
    .map((text) => text.trim());
const containers = [[], ['x'], ['h:1'], ['h:1', 5], {}, { x: 1 }, { a: 'b' }, { '': 'b' }, { '0': 'off' }];
const values: readonly unknown[] = [...numbers, ...texts, ...containers, null, true, false];

/** What `check` refuses and JSON Schema cannot. An entry that no key needs must go. */
const beyond: readonly { readonly key: RegExp; readonly value: RegExp; readonly why: string }[] = [
  {
    key: /every|within|timeout|pause|maxAge|commitEvery/,
    value: /^"\d+(?:ms|s|m|h|d)"$/,
    why: 'a bound on a duration',
  },
  { key: /maxSize/, value: /^"\d+[KMG]i?B"$/, why: 'a bound on a size' },
  { key: /timezone/, value: /^"[A-Za-z][A-Za-z0-9/-]*"$/, why: 'the time zone database' },
];

/** Whose content is looked at by itself, by `check` and in `definitions`. */
const elsewhere = new Set([
  'connections',
  'profiles',
  'devices',
  'device.points',
  ...Object.keys(modbus.connections).map((name) => `${name}.driver`),
]);

function takes(schema: v.GenericSchema, value: unknown): boolean {
  // To valibot a list is an object too.
  if (Array.isArray(value) && schema.type !== 'array') return false;
  const isSecret = (v.getMetadata(schema) as Partial<Role>).role === 'secret';
  const isReference = typeof value === 'string' && /^\$\{(?:env|file):[^${}]+\}$/.test(value);
  if (typeof value === 'string' && value.includes('${') && !(isSecret && isReference)) return false;
  return v.safeParse(schema, value).success;
}

/** An editor that knows one key. */
const knowing = (part: Part) =>
  editor({ ...published, properties: { key: part }, required: [], additionalProperties: false });

describe('an editor takes a value exactly where check takes it', () => {
  const needed = new Set<string>();

  it.each(keys.filter(({ path }) => !elsewhere.has(path)))('$path', async ({ path, schema, part }) => {
    const vscode = knowing(part);
    const disputed: string[] = [];
    for (const value of values) {
      const json = JSON.stringify(value);
      const findings = await vscode.findings(`{ "key": ${json} }`);
      const isTaken = takes(schema, value);
      if (isTaken === (findings.length === 0)) continue;
      const excuse = isTaken ? undefined : beyond.find((each) => each.key.test(path) && each.value.test(json));
      if (excuse === undefined) disputed.push(`${json}: ${isTaken ? 'check' : 'the editor'} takes it`);
      else needed.add(excuse.why);
    }
    expect(disputed).toEqual([]);
  });

  it.each(keys.filter(({ part }) => part.examples !== undefined || part.default !== undefined))(
    '$path: the examples and the default that are shown are right',
    async ({ schema, part }) => {
      const shown = [...(part.examples ?? []), ...(part.default === undefined ? [] : [part.default])];
      for (const value of shown) expect(await knowing(part).findings(JSON.stringify({ key: value }))).toEqual([]);
      expect(shown.filter((value) => !takes(schema, value))).toEqual([]);
    },
  );

  it('but for what JSON Schema cannot say', () =>
    expect([...needed].toSorted()).toEqual(beyond.map(({ why }) => why).toSorted()));
});

describe('in an object', () => {
  const objects = keys.flatMap(({ path, part, entries }) => (entries === undefined ? [] : [{ path, part, entries }]));

  it.each(objects)(
    '$path an editor offers the keys that check takes, and no other passes',
    async ({ part, entries }) => {
      const taken = Object.keys(entries).filter((key) => unwrapped(entries[key] as v.GenericSchema).type !== 'never');
      const offered = await knowing(part).offers('{ "key": { "|" } }');
      expect([...offered.keys()].toSorted()).toEqual(taken.toSorted());
      const found = await knowing(part).findings('{ "key": { "zzz": 1 } }');
      expect(found).toContainEqual(expect.objectContaining({ column: 12, message: 'Property zzz is not allowed.' }));
    },
  );
});
