/**
 * Appends readings, then drains them, in batches of a hundred, each batch on disk before the next: a process of its own. Parameters: `frames` (this
 * project's store and codec) or `rows` (a JSON text a reading in one SQLite table, deleted when delivered), the folder, how many readings. One JSON
 * value on standard output.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Stamp } from '../../agent/clock.ts';
import type { Reading } from '../../agent/reading.ts';
import { FrameDecoder } from '../../buffer/frames/decoder.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { NewestSlots } from '../../buffer/newest-slots.ts';
import { laneOf } from '../../buffer/protocol.ts';
import { Store } from '../../buffer/store.ts';
import { deviceWear } from '../../buffer/wear.ts';
import { backlogPoints, backlogReading } from './backlog-site.ts';
import { rounded } from './numbers.ts';
import { figuresOf } from './process-figures.ts';

const [how = '', folder = '', count = '0'] = process.argv.slice(2);
const batch = 100;
const stream = 'sensor-values';
const readings = Number(count);
const points = backlogPoints();

/** Both ends of a way to keep readings. `drain` gives how many came out of one batch. */
interface Keeper {
  append(entries: readonly Reading[], at: Stamp): void;
  drain(): number;
  close(): void;
}

function frames(): Keeper {
  const store = new Store({ path: folder, maxBytes: 2_000_000_000 }, (event) => console.error(event.message));
  let seq = store.opened().nextSeq;
  const encoder = new FrameEncoder();
  const decoder = new FrameDecoder({ offsetOf: () => null });
  const slots = new NewestSlots().pack(null);
  const lane = laneOf(stream);
  let wantsSlots = true;
  let after = 0;
  return {
    append(entries, at) {
      const numbered = entries.map((entry) => ({ seq: seq++, entry }));
      const encoded = [encoder.encode(at, stream, numbered)];
      const commit = {
        frames: encoded,
        described: encoder.takeDescribed(),
        dating: [],
        drops: [],
        maxBytes: null,
        heard: 0,
      };
      ({ wantsSlots } = store.commit({ ...commit, slots: wantsSlots ? slots : null }));
    },
    drain() {
      const found = store.read({ lane, after, most: batch, before: null, known: decoder.known() });
      const taken = decoder.decode(stream, found).reduce((sum, { entries }) => sum + entries.length, 0);
      store.settle(lane, after + 1, found.through);
      after = found.through;
      return taken;
    },
    close: () => store.close([]),
  };
}

function rows(): Keeper {
  const db = new Database(join(folder, 'rows.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE readings (id INTEGER PRIMARY KEY, json TEXT NOT NULL)');
  const insert = db.prepare('INSERT INTO readings (json) VALUES (?)');
  const select = db.prepare('SELECT id, json FROM readings ORDER BY id LIMIT ?');
  const remove = db.prepare('DELETE FROM readings WHERE id <= ?');
  return {
    append(entries) {
      db.exec('BEGIN IMMEDIATE');
      for (const { point, value, quality, at, slotMs } of entries)
        insert.run(
          JSON.stringify({
            device: point.device,
            point: point.point,
            value,
            unit: point.unit,
            quality,
            time: at.wallMs,
            slot: slotMs,
          }),
        );
      db.exec('COMMIT');
    },
    drain() {
      const found = select.all(batch) as { id: number; json: string }[];
      const taken = found.map(({ json }) => JSON.parse(json) as object).length;
      remove.run(found.at(-1)?.id ?? 0);
      return taken;
    },
    close: () => db.close(),
  };
}

interface Phase {
  readonly perSecond: number;
  readonly cpuMicrosEach: number;
  readonly bytesEach: number;
  readonly deviceBytesEach: number | null;
}

function measured(work: () => void): Phase {
  const look = () => ({ ms: performance.now(), device: deviceWear(folder)?.bytes ?? null, ...figuresOf(process.pid) });
  const from = look();
  work();
  const to = look();
  return {
    perSecond: rounded((readings * 1000) / (to.ms - from.ms)),
    cpuMicrosEach: rounded(((to.cpuMs - from.cpuMs) * 1000) / readings),
    bytesEach: rounded((to.writtenBytes - from.writtenBytes) / readings),
    deviceBytesEach: from.device === null || to.device === null ? null : rounded((to.device - from.device) / readings),
  };
}

const keeper = how === 'frames' ? frames() : rows();
const began: Stamp = { boot: 'b-1', bootMs: 1_000_000, wallMs: Date.parse('2026-11-22T13:00:00Z'), trust: 'synced' };
// Made beforehand: the making is no part of the keeping.
const made = Array.from({ length: Math.ceil(readings / batch) }, (_, at) => {
  const now = { ...began, bootMs: began.bootMs + at * 500, wallMs: began.wallMs + at * 500 };
  return {
    at: now,
    entries: Array.from({ length: batch }, (_one, row) => backlogReading(points, at * batch + row, now)),
  };
});
const append = measured(() => {
  for (const { entries, at } of made) keeper.append(entries, at);
});
/** Without the WAL, whose size says little of what is kept. */
const fileBytes = readdirSync(folder)
  .filter((name) => name.endsWith('.db'))
  .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
const drain = measured(() => {
  for (let taken = 0; taken < readings;) taken += keeper.drain();
});
keeper.close();
console.log(JSON.stringify({ bytesOnDiskEach: rounded(fileBytes / readings), append, drain }));
