import type { ObjectEntries } from 'valibot';
import type { DriverSchema } from '../../drivers/driver.ts';
import type { Registry } from '../../drivers/registry.ts';
import { connectionEntries, deviceEntries, fileEntries, pointEntries, profileEntries } from './schema.ts';
import { leaves, parts, unwrap, type Parts } from './schema-parts.ts';

/** Which places of the file know a key, as people call them. */
export function whereabouts({ families }: Registry): (key: string) => readonly string[] {
  const places = new Map<string, Set<string>>();
  const add = (entries: ObjectEntries | NonNullable<Parts['entries']>, place: string): void => {
    for (const [key, schema] of Object.entries(entries)) {
      const inner = unwrap(schema);
      if (parts(inner).type !== 'never') places.set(key, (places.get(key) ?? new Set()).add(place));
      const path =
        place === 'the file itself' ? key : place.startsWith('a ') ? `${key} of ${place}` : `${place}.${key}`;
      for (const leaf of leaves(inner)) if (leaf.entries !== undefined) add(leaf.entries, path);
    }
  };
  /** All drivers of a family are called by its name. */
  const familiesIn = (names: readonly string[]): string[] => [
    ...new Set(
      names.map((name) => {
        const drivers = families.map(({ schema }) => [schema.family, Object.keys(schema.connections)] as const);
        const [family, all = []] = drivers.find(([, each]) => each.includes(name)) ?? [];
        return family !== undefined && all.every((each) => names.includes(each)) ? family : name;
      }),
    ),
  ];
  /** Each key with those that know it, in brackets where not all do. */
  const addOwn = (place: string, own: readonly (readonly [string, ObjectEntries])[]): void => {
    for (const [, entries] of own)
      for (const [key, each] of Object.entries(entries)) {
        const knowing = own.filter(([, others]) => Object.hasOwn(others, key)).map(([name]) => name);
        add({ [key]: each }, knowing.length === own.length ? place : `${place} (${familiesIn(knowing).join(', ')})`);
      }
  };
  const schemas = families.map(({ schema }) => schema);
  const of = (entries: (schema: DriverSchema) => ObjectEntries): [string, ObjectEntries][] =>
    schemas.map((schema) => [schema.family, entries(schema)]);
  addOwn(
    'a connection',
    schemas.flatMap((schema) =>
      Object.keys(schema.connections).map((name) => [name, connectionEntries(schema, name)] as const),
    ),
  );
  addOwn('a device', of(deviceEntries));
  addOwn('a point', of(pointEntries));
  addOwn('a profile', of(profileEntries));
  add(fileEntries, 'the file itself');
  return (key) => [...(places.get(key) ?? [])];
}
