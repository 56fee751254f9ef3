import Database from 'better-sqlite3';
import { type Reading, parseReading } from './record.ts';

/** A part of a source that is read in order: a partition of a topic, or a file. */
export interface Chunk {
  readonly source: string;
  readonly records: readonly { readonly position: number; readonly json: string | null }[];
  /** Where reading goes on after this chunk. */
  readonly next: number;
}

/** Makes what takes one reading into the database; called within the transaction of its chunk. */
export type Booking = (db: Database.Database) => (reading: Reading) => void;

/**
 * A consumer's database. What was taken and how far it was read are committed together, so they never disagree: not after a crash,
 * and not when the database comes back from yesterday's backup. Offsets kept in Kafka would be a day ahead of such a database.
 */
export interface Inbox {
  /** Where to go on in this source; undefined: from its beginning. */
  position(source: string): number | undefined;
  take(chunk: Chunk): void;
  close(): void;
}

const schema = `
  create table if not exists positions (source text primary key, next integer not null) strict, without rowid;
  create table if not exists unreadable (source text, position integer, json text, primary key (source, position)) strict;
`;

export function openInbox(file: string, tables: string, booking: Booking): Inbox {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  // A database in WAL mode is opened with NORMAL, which may lose the last commits with the power.
  db.pragma('synchronous = FULL');
  db.exec(schema + tables);
  const find = db.prepare<[string], { next: number }>('select next from positions where source = ?');
  const move = db.prepare(
    'insert into positions values (?, ?) on conflict (source) do update set next = excluded.next',
  );
  const setAside = db.prepare('insert or ignore into unreadable values (?, ?, ?)');
  const book = booking(db);
  const position = (source: string): number | undefined => find.get(source)?.next;
  const take = db.transaction(({ source, records, next }: Chunk) => {
    const from = position(source) ?? 0;
    for (const { position: at, json } of records) {
      if (at < from) continue;
      const reading = parseReading(json ?? '');
      if (reading === undefined) setAside.run(source, at, json);
      else book(reading);
    }
    move.run(source, next);
  });
  return { position, take: (chunk) => take.immediate(chunk), close: () => void db.close() };
}
