import type { ObjectEntries } from 'valibot';
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
      const path = { 'the file itself': key, 'a device': `${key} of a device` }[place] ?? `${place}.${key}`;
      for (const leaf of leaves(inner)) if (leaf.entries !== undefined) add(leaf.entries, path);
    }
  };
  for (const { schema } of families) {
    const names = Object.keys(schema.connections);
    for (const name of names) {
      for (const [key, each] of Object.entries(connectionEntries(schema, name))) {
        const knowing = names.filter((other) => Object.hasOwn(connectionEntries(schema, other), key));
        add({ [key]: each }, knowing.length === names.length ? 'a connection' : `a connection (${knowing.join(', ')})`);
      }
    }
    add(deviceEntries(schema), 'a device');
    add(pointEntries(schema), 'a point');
    add(profileEntries(schema), 'a profile');
  }
  add(fileEntries, 'the file itself');
  return (key) => [...(places.get(key) ?? [])];
}
