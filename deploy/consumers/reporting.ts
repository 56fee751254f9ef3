import type { Booking } from './inbox.ts';
import { takingReadings } from './record.ts';
import { runConsumer } from './run-consumer.ts';

/** `latest`: how each point stands, also when it is bad, with the last good value. `averages`: per minute, of good gauge readings. */
const tables = `
  create table if not exists seen (id text primary key) strict, without rowid;

  create table if not exists latest (
    gateway text, device text, point text, time text not null, value real, text text, unit text,
    quality text not null, status text not null, good_value real, good_time text,
    primary key (gateway, device, point)
  ) strict, without rowid;

  create table if not exists minutes (
    gateway text, device text, point text, minute text, readings integer not null, total real not null,
    lowest real not null, highest real not null, unit text,
    primary key (gateway, device, point, minute)
  ) strict, without rowid;

  create view if not exists averages as
    select gateway, device, point, minute, total / readings as average, lowest, highest, readings, unit from minutes;
`;

const booking: Booking = (db) => {
  const isNew = db.prepare('insert or ignore into seen values (?)');
  // By time, not by arrival: a repeat may bring an older reading behind a newer one.
  const stand = db.prepare(`insert into latest values
      (:gateway, :device, :point, :time, :value, :text, :unit, :quality, :status, :goodValue, :goodTime)
    on conflict do update set time = excluded.time, value = excluded.value, text = excluded.text, unit = excluded.unit,
      quality = excluded.quality, status = excluded.status,
      good_value = iif(excluded.good_time is null, good_value, excluded.good_value),
      good_time = coalesce(excluded.good_time, good_time)
    where excluded.time >= time`);
  const add =
    db.prepare(`insert into minutes values (:gateway, :device, :point, :minute, 1, :value, :value, :value, :unit)
    on conflict do update set readings = readings + 1, total = total + excluded.total,
      lowest = min(lowest, excluded.lowest), highest = max(highest, excluded.highest)`);
  return takingReadings((reading) => {
    const { id, gateway, device, point, time, kind, value, text, unit, quality, status } = reading;
    if (isNew.run(id).changes === 0) return;
    const good = quality === 'good';
    const [goodValue, goodTime] = good ? [value, time] : [null, null];
    stand.run({ gateway, device, point, time, value, text, unit, quality, status, goodValue, goodTime });
    const minute = `${time.slice(0, 16)}:00Z`;
    if (good && kind === 'gauge' && value !== null) add.run({ gateway, device, point, minute, value, unit });
  });
};

await runConsumer({
  name: 'reporting',
  about: 'Keeps the latest value of every point, and minute averages.',
  topics: ['sensor-values'],
  tables,
  booking,
});
