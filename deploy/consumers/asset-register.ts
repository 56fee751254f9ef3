import type { Booking } from './inbox.ts';
import { runConsumer } from './run-consumer.ts';

/**
 * `newest`: the last record of every key, as a compacted topic would keep it; a tombstone leaves its key without json. `records`: each record once, for the
 * books; a tombstone has no id and is known by the record before it. `removals`: when a device was last taken out.
 *
 * `assets`, `points`: what there is now. `registers`: what the `map` of a reading means, for ever: which register, read how. `removed_assets`: what there was.
 */
const tables = `
  create table if not exists newest (key text primary key, id text not null, json text) strict, without rowid;
  create table if not exists records (id text primary key, key text not null, what text not null) strict, without rowid;
  create table if not exists removals (key text primary key, removed_at text not null, json text not null) strict, without rowid;

  create view if not exists assets as
    select newest.key, newest.json ->> 'gateway' as gateway, newest.json ->> 'device' as device, newest.json ->> 'site' as site,
           newest.json ->> 'asset' as asset, newest.json ->> 'name' as name, newest.json ->> 'serial' as serial,
           newest.json ->> 'manufacturer' as manufacturer, newest.json ->> 'model' as model, newest.json ->> 'location' as location,
           newest.json ->> 'description' as description, newest.json ->> 'labels' as labels, newest.json ->> 'map' as map,
           newest.json ->> 'enabled' as enabled, newest.json ->> 'time' as as_of, removals.removed_at as last_removed_at
      from newest left join removals using (key)
     where newest.json is not null and newest.json ->> 'removedAt' is null and newest.key not like '%@%';

  create view if not exists points as
    select newest.json ->> 'gateway' as gateway, newest.json ->> 'device' as device, point.value ->> 'point' as point,
           point.value ->> 'kind' as kind, point.value ->> 'unit' as unit, point.value ->> 'stream' as stream,
           point.value ->> 'every' as every, point.value ->> 'obis' as obis, point.value ->> 'description' as description
      from newest join assets using (key), json_each(newest.json, '$.points') as point;

  create view if not exists registers as
    select newest.json ->> 'gateway' as gateway, newest.json ->> 'device' as device, newest.json ->> 'map' as map,
           point.value ->> 'point' as point, point.value ->> 'unit' as unit,
           point.value ->> '$.register.table' as "table", point.value ->> '$.register.address' as address,
           point.value ->> '$.register.type' as type, point.value ->> '$.register.byteOrder' as byte_order,
           point.value ->> '$.register.scale' as scale, point.value ->> '$.register.offset' as offset,
           point.value -> '$.register' as register
      from newest, json_each(newest.json, '$.points') as point
     where newest.key like '%@%';

  create view if not exists removed_assets as
    select json ->> 'gateway' as gateway, json ->> 'device' as device, json ->> 'asset' as asset, json ->> 'serial' as serial, removed_at
      from removals where key not in (select key from assets);
`;

interface Described {
  readonly id: string;
  readonly removedAt?: string | null;
}

const booking: Booking = (db) => {
  const find = db.prepare<[string], { id: string }>('select id from newest where key = ?');
  const stand = db.prepare(
    'insert into newest values (?, ?, ?) on conflict do update set id = excluded.id, json = excluded.json',
  );
  const note = db.prepare('insert or ignore into records values (?, ?, ?)');
  const remove = db.prepare(
    'insert into removals values (?, ?, ?) on conflict do update set removed_at = excluded.removed_at, json = excluded.json',
  );
  return ({ key, json }) => {
    if (key === null) return false;
    if (json === null) {
      // It may stand alone: what came before it in a compacted topic is gone.
      const before = find.get(key)?.id ?? '';
      note.run(`${before === '' ? key : before} buried`, key, 'tombstone');
      stand.run(key, before, null);
      return true;
    }
    const described = parseDescribed(json);
    if (described === undefined) return false;
    // The last record of a key holds, known or not: a repeat brings all that followed it along. Dropping known ids would let a repeated tombstone win.
    stand.run(key, described.id, json);
    const { removedAt = null } = described;
    note.run(described.id, key, key.includes('@') ? 'map' : removedAt === null ? 'state' : 'removal');
    if (removedAt !== null) remove.run(key, removedAt, json);
    return true;
  };
};

function parseDescribed(json: string): Described | undefined {
  try {
    const found = JSON.parse(json) as Partial<Record<string, unknown>> | null;
    const named = [found?.['id'], found?.['gateway'], found?.['device']];
    return named.every((text) => typeof text === 'string') && Array.isArray(found?.['points'])
      ? (found as unknown as Described)
      : undefined;
  } catch {
    return undefined;
  }
}

await runConsumer({
  name: 'asset-register',
  about: 'Keeps what every device is and where it went, and what the register maps of readings mean.',
  topics: ['asset-metadata'],
  tables,
  booking,
});
