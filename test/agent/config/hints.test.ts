import type * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  duration,
  flag,
  host,
  hostPort,
  id,
  integer,
  list,
  number,
  secret,
  size,
} from '../../../agent/config/grammar.ts';
import { keyHabits, keys, wordHabits, words } from '../../../agent/config/habits.ts';
import { keyHint, valueHint } from '../../../agent/config/hints.ts';
import { fileEntries, connectionEntries, deviceEntries, pointEntries } from '../../../agent/config/schema.ts';
import { whereabouts } from '../../../agent/config/whereabouts.ts';
import { registry } from '../../../drivers/registry.ts';

describe('the likely meaning of a value', () => {
  it.each([
    [duration(), '15 min', '; did you mean "15m"?'],
    [duration(), '1,5 s', '; did you mean "1.5s"?'],
    [duration(), 'PT1H30M', '; did you mean "90m"?'],
    [duration(), '01:00:00', '; did you mean "1h"?'],
    [duration(), '1 fortnight', ''],
    [duration({ maxMs: 1000 }), '15 min', ''],
    [duration(), 10, '; write the unit too, e.g. "10s"'],
    [size('1MB'), '2g', '; did you mean "2GB"?'],
    [size('1MB'), '512 mib', '; did you mean "512MiB"?'],
    [size('64MB'), '512', '; write the unit too, e.g. "512MB"'],
    [size('64MB'), 2, '; write the unit too, e.g. "2GB"'],
    [size('1MB'), 1_000_000, '; write the unit too, e.g. "1MB"'],
    [number(), '2,5', '; did you mean 2.5?'],
    [number(), '-3', '; drop the quotes'],
    [integer(1, 9), '12', ''],
    [flag(), 'Yes', '; did you mean true?'],
    [flag(), 'false', '; drop the quotes'],
    [flag(), 0, '; did you mean false?'],
    [id(), 104, '; put it in quotes'],
    [id(), 'Pumpe 1 (Süd)', '; did you mean "Pumpe-1-Sued"?'],
    [id(), '水泵', ''],
    [id(), 'bad id', '; did you mean "bad-id"?'],
    [id(), 'EM-1, EM-2', '; only one may stand here'],
    [host(), 'opc.tcp://10.0.0.1:4840/x', '; did you mean "10.0.0.1" with "port": 4840 beside it?'],
    [host(), '10.0.0.300', ''],
    [duration(), '15m:00', '; did you mean "15m"?'],
    [id(), 'EM:104', '; did you mean "EM"?'],
    [hostPort(), 'ssl://[fe80::1]:9093', '; did you mean "[fe80::1]:9093"?'],
    [list(hostPort()), 'a:1, b:2', '; did you mean ["a:1","b:2"]?'],
    [list(hostPort()), 'a:1', '; put it in [ ]'],
    [hostPort(), ['a:1'], '; write it without the [ ]'],
    [secret(), 31_337, '; put it in quotes'],
    [secret(), ['hunter2'], '; write it without the [ ]'],
    [id(), null, ''],
  ] as [v.GenericSchema, unknown, string][])('$1 %#', (schema, value, said) =>
    expect(valueHint(schema, value)).toBe(said),
  );

  it('is several values only where several may stand', () => {
    expect(valueHint(hostPort(), 'a:1 b:2', true)).toBe('; write each by itself: "a:1", "b:2"');
    expect(valueHint(hostPort(), 'a:1 b:2')).toBe('');
  });
});

describe('the likely meaning of a key', () => {
  const elsewhere = whereabouts(registry);
  const device = ['id', 'connection', 'unitId', 'every', 'points'];
  it.each([
    ['unit_id', '; did you mean `unitId`?', 'unitId'],
    ['slaveId', '; did you mean `unitId`?', 'unitId'],
    ['name', '; did you mean `id`?', 'id'],
    ['ip', '; did you mean `host`? It belongs to a connection (modbus-tcp, modbus-rtu-over-tcp)', undefined],
    ['deadline', '; allowed: id, connection, unitId, every, points', undefined],
    ['scale', '; it belongs to a point', undefined],
    ['brokers', '; it belongs to uplink.kafka', undefined],
    ['constructor', '; allowed: id, connection, unitId, every, points', undefined],
    ['__proto__', '; allowed: id, connection, unitId, every, points', undefined],
  ])('%s at a device', (word, text, meant) => expect(keyHint(word, device, elsewhere)).toEqual({ text, meant }));
});

/** Every text that stands in a list of words somewhere in a schema, and the keys. */
function everything(schema: unknown, found = new Set<unknown>()): Set<unknown> {
  if (typeof schema !== 'object' || schema === null || found.has(schema)) return found;
  found.add(schema);
  for (const [key, part] of Object.entries(schema)) {
    if (typeof part === 'object') everything(part, found);
    else found.add(part);
    found.add(key);
  }
  return found;
}

describe('the tables of what others call it', () => {
  const schema = registry.families.map(({ schema: each }) => [
    ...Object.keys(each.connections).flatMap((name) => [name, connectionEntries(each, name)]),
    deviceEntries(each),
    pointEntries(each),
  ]);
  const all = everything([fileEntries, schema]);
  const toCome = new Set(['bit', 'string', 'coil', 'discrete']);

  it('name only what there is', () => {
    expect(Object.keys(keys).filter((key) => !all.has(key))).toEqual([]);
    expect(Object.keys(words).filter((word) => !all.has(word) && !toCome.has(word))).toEqual([]);
  });

  it('hold no word twice at one name, and none that is already that name', () => {
    const double = (table: Readonly<Record<string, string>>, read: (word: string) => readonly string[]): string[] =>
      Object.entries(table).flatMap(([name, others]) =>
        others.split(' ').filter((word) => word === name || read(word).filter((each) => each === name).length > 1),
      );
    expect(double(keys, keyHabits)).toEqual([]);
    expect(double(words, wordHabits)).toEqual([]);
  });
});
