import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  connectionEntries,
  deviceEntries,
  fileEntries,
  pointEntries,
  profileEntries,
} from '../../../agent/config/schema.ts';
import { registry } from '../../../drivers/registry.ts';

/** Every key of some entries and of the objects in them, with what is said of it; keys of later versions left out. */
function described(entries: v.ObjectEntries, path = ''): [string, string | undefined][] {
  return Object.entries(entries).flatMap(([key, schema]) => {
    const inner = unwrapped(schema);
    if (inner.type === 'never') return [];
    const forms = (inner as { options?: readonly unknown[] }).options ?? [];
    const within = [inner, ...forms].flatMap((form) => {
      const more = (form as { entries?: v.ObjectEntries }).entries;
      return more === undefined ? [] : described(more, `${path}${key}.`);
    });
    return [[`${path}${key}`, (v.getMetadata(inner) as { description?: string }).description], ...within];
  });
}

function unwrapped(schema: v.GenericSchema): v.GenericSchema {
  const { wrapped } = schema as { wrapped?: v.GenericSchema };
  return wrapped === undefined ? schema : unwrapped(wrapped);
}

const levels: [string, v.ObjectEntries][] = [
  ['file', fileEntries],
  ...registry.families.flatMap(({ schema }): [string, v.ObjectEntries][] => [
    ...Object.keys(schema.connections).map((name): [string, v.ObjectEntries] => [
      `connection ${name}`,
      connectionEntries(schema, name),
    ]),
    [`device ${schema.family}`, deviceEntries(schema)],
    [`point ${schema.family}`, pointEntries(schema)],
    [`profile ${schema.family}`, profileEntries(schema)],
  ]),
];

describe('the schema', () => {
  it('looks into objects, and into those that are one of several forms', () => {
    const keys = described(fileEntries).map(([key]) => key);
    expect(keys).toEqual(expect.arrayContaining(['gateway', 'site.timezone', 'uplink.kafka.tls.ca']));
  });

  it.each(levels)('says of every key of a %s what it is for, in whole sentences', (_level, entries) => {
    const silent = described(entries).filter(([, text]) => text === undefined || !/^[A-Z`].{5,}\.$/s.test(text));
    expect(silent).toEqual([]);
  });
});
