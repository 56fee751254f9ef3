import type { Booking } from './inbox.ts';
import { minus } from './minus.ts';
import { takingReadings } from './record.ts';
import { runConsumer } from './run-consumer.ts';

/**
 * `ledger`: every record of the topic, once. `consumption`: what was used up to a slot since the good slot before it; `since` is null at the
 * first one, `used` is null where the two totals cannot be compared, and `remark` says why. `gaps`: what a bill must not be silent about.
 */
const tables = `
  create table if not exists ledger (
    id text primary key,
    gateway text not null, device text not null, point text not null, slot text, time text not null,
    kind text not null, total text, unit text, quality text not null, status text not null, clock text not null,
    serial text, map text not null, raw text,
    usable integer as (kind = 'counter' and quality = 'good' and clock <> 'unsynced' and slot is not null and total is not null)
  ) strict;
  create index if not exists ledger_by_slot on ledger (gateway, device, point, slot);

  create table if not exists consumption (
    gateway text, device text, point text, slot text, since text, used real, unit text, remark text,
    primary key (gateway, device, point, slot)
  ) strict, without rowid;

  -- The distance of a point's slots is the smallest one seen.
  create view if not exists gaps as
    select gateway, device, point, slot as first, slot as last, 1 as slots,
           iif(clock = 'unsynced', 'ClockUnsynced', status) as reason
      from ledger where kind = 'counter' and slot is not null and not usable
    union all
    select gateway, device, point, strftime('%FT%H:%M:%fZ', before, step || ' seconds'),
           strftime('%FT%H:%M:%fZ', slot, -step || ' seconds'), cast(round(distance / step) as integer) - 1, 'NoRecord'
      from (select *, min(distance) over (partition by gateway, device, point) as step
              from (select gateway, device, point, slot, lag(slot) over slots as before,
                           unixepoch(slot, 'subsec') - unixepoch(lag(slot) over slots, 'subsec') as distance
                      from (select distinct gateway, device, point, slot from ledger
                             where kind = 'counter' and slot is not null)
                    window slots as (partition by gateway, device, point order by slot)))
     where distance > 1.5 * step
    union all
    select gateway, device, point, slot, slot, 1, remark from consumption where remark is not null;
`;

interface Total {
  readonly slot: string;
  readonly total: string;
  readonly unit: string | null;
  readonly serial: string | null;
  readonly map: string;
}
type Point = [gateway: string, device: string, point: string];

const booking: Booking = (db) => {
  const enter = db.prepare(`insert into ledger values
    (:id, :gateway, :device, :point, :slot, :time, :kind, :total, :unit, :quality, :status, :clock, :serial, :map, :raw)
    on conflict (id) do nothing`);
  const neighbour = (condition: string): ((...where: [...Point, string]) => Total | undefined) => {
    const found = db.prepare<[...Point, string], Total>(`select slot, total, unit, serial, map from ledger
      where gateway = ? and device = ? and point = ? and usable and slot ${condition} limit 1`);
    return (...where) => found.get(...where);
  };
  const before = neighbour('< ? order by slot desc');
  const at = neighbour('= ?');
  const after = neighbour('> ? order by slot');
  const settle = db.prepare(`insert or replace into consumption values (?, ?, ?, ?, ?, ?, ?, ?)`);

  const settleSlot = (point: Point, now: Total): void => {
    const previous = before(...point, now.slot);
    const { used, remark } = previous === undefined ? { used: null, remark: null } : difference(previous, now);
    settle.run(...point, now.slot, previous?.slot ?? null, used, now.unit, remark);
  };
  return takingReadings((reading) => {
    const {
      id,
      gateway,
      device,
      point,
      slot,
      time,
      kind,
      value,
      text,
      unit,
      quality,
      status,
      clock,
      serial,
      map,
      raw,
    } = reading;
    // `text` holds the digits where a double cannot hold them all.
    const total = text ?? value?.toString() ?? null;
    const row = { id, gateway, device, point, slot, time, kind, total, unit, quality, status, clock, serial, map, raw };
    const isRepeat = enter.run(row).changes === 0;
    if (isRepeat || slot === null) return;
    const key: Point = [gateway, device, point];
    const now = at(...key, slot);
    if (now === undefined) return;
    settleSlot(key, now);
    // A total that arrives late changes what its successor is compared with.
    const next = after(...key, slot);
    if (next !== undefined) settleSlot(key, next);
  });
};

/** Never guesses: a total that fell, or stands on another meter or register map, is a person's matter. */
function difference(previous: Total, now: Total): { used: number | null; remark: string | null } {
  if (now.serial !== previous.serial) return { used: null, remark: 'MeterChanged' };
  if (now.unit !== previous.unit || now.map !== previous.map) return { used: null, remark: 'RegisterMapChanged' };
  const used = minus(now.total, previous.total);
  return used < 0 ? { used: null, remark: 'CounterWentBack' } : { used, remark: null };
}

await runConsumer({
  name: 'finance',
  about: 'Keeps a ledger of counter readings: each once, with the consumption per slot, and the gaps.',
  topics: ['meter-readings'],
  tables,
  booking,
});
