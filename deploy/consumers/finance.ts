import type { Booking } from './inbox.ts';
import { minus } from './minus.ts';
import { type Description, type GatewayEvent, parseDescription, parseEvent, takingReadings } from './record.ts';
import { runConsumer } from './run-consumer.ts';

/**
 * `ledger`: every record of the topic, once. `consumption`: what was used up to a slot since the good slot before it; `since` is null at the
 * first one, `used` is null where the two totals cannot be compared, and `remark` says why. `gaps`: what a bill must not be silent about.
 * `turns`: what the gateway said of two totals that follow each other: the counter went over its modulus, or (modulus null) began anew.
 * `falling`: totals that may fall by their register map, such as import less export; what was used may be less than nothing there.
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

  create table if not exists turns (
    gateway text, device text, point text, before real, after real, modulus real,
    primary key (gateway, device, point, before, after)
  ) strict;

  create table if not exists falling (
    gateway text, device text, map text, point text, primary key (gateway, device, map, point)
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
interface Turn {
  readonly modulus: number | null;
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

  const turned = db.prepare<[...Point, number, number], Turn>(
    'select modulus from turns where gateway = ? and device = ? and point = ? and before = ? and after = ?',
  );
  const note = db.prepare('insert or replace into turns values (?, ?, ?, ?, ?, ?)');
  const reaching = db.prepare<[...Point, number], Total>(`select slot, total, unit, serial, map from ledger
    where gateway = ? and device = ? and point = ? and usable and cast(total as real) = ?`);

  const falls = db.prepare<[...Point, string]>(
    'select 1 from falling where gateway = ? and device = ? and point = ? and map = ?',
  );
  const mayFall = db.prepare('insert or ignore into falling values (?, ?, ?, ?)');
  const fallen = db.prepare<[...Point, string], Total>(`select slot, total, ledger.unit, serial, map
    from ledger join consumption using (gateway, device, point, slot)
    where gateway = ? and device = ? and point = ? and map = ? and usable and remark = 'CounterWentBack'`);

  const settleSlot = (point: Point, now: Total): void => {
    const previous = before(...point, now.slot);
    const turn = previous === undefined ? undefined : turned.get(...point, Number(previous.total), Number(now.total));
    const isFalling = falls.get(...point, now.map) !== undefined;
    const { used, remark } =
      previous === undefined ? { used: null, remark: null } : difference(previous, now, turn, isFalling);
    settle.run(...point, now.slot, previous?.slot ?? null, used, now.unit, remark);
  };
  /** It may come before its readings, or long after them. */
  const takeEvent = ({ event, gateway, device, point, facts }: GatewayEvent): void => {
    const { old, new: now, modulus, newBaseline } = facts;
    const isRollover = event === 'counter-rollover' && typeof modulus === 'number';
    const isBegun = event === 'counter-jump' && newBaseline === true;
    if (!(isRollover || isBegun) || device === null || point === null) return;
    if (typeof old !== 'number' || typeof now !== 'number') return;
    const key: Point = [gateway, device, point];
    note.run(...key, old, now, isRollover ? modulus : null);
    for (const total of reaching.all(...key, now)) settleSlot(key, total);
  };
  const takeDescription = ({ gateway, device, map, points }: Description): void => {
    for (const { point, decreases } of points) {
      if (decreases !== true || map === null || mayFall.run(gateway, device, map, point).changes === 0) continue;
      const key: Point = [gateway, device, point];
      for (const total of fallen.all(...key, map)) settleSlot(key, total);
    }
  };
  const takeReading = takingReadings((reading) => {
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
  return (record) => {
    const event = parseEvent(record.json);
    const description = parseDescription(record.json);
    if (event !== undefined) takeEvent(event);
    else if (description !== undefined) takeDescription(description);
    // A tombstone ends a device, not what it used.
    else if (record.json !== null) return takeReading(record);
    return true;
  };
};

/**
 * Never guesses: a total that fell, or stands on another meter or register map, is a person's matter. That a drop went over the modulus is believed
 * where the gateway says so of these very two totals; from the numbers alone a meter that was replaced looks the same.
 */
function difference(
  previous: Total,
  now: Total,
  turn: Turn | undefined,
  isFalling: boolean,
): { used: number | null; remark: string | null } {
  if (now.serial !== previous.serial) return { used: null, remark: 'MeterChanged' };
  if (now.unit !== previous.unit || now.map !== previous.map) return { used: null, remark: 'RegisterMapChanged' };
  if (turn?.modulus === null) return { used: null, remark: 'CounterBeganAnew' };
  const used = minus(now.total, previous.total);
  if (used >= 0 || isFalling) return { used, remark: null };
  return turn === undefined
    ? { used: null, remark: 'CounterWentBack' }
    : { used: minus(String(turn.modulus), String(-used)), remark: null };
}

await runConsumer({
  name: 'finance',
  about: 'Keeps a ledger of counter readings: each once, with the consumption per slot, and the gaps.',
  topics: ['meter-readings', 'gateway-events', 'asset-metadata'],
  tables,
  booking,
});
