import Database from 'better-sqlite3';

/** `json` null: a tombstone, which says that its key has ended. */
export interface Incoming {
  readonly key: string | null;
  readonly json: string | null;
}

/** A part of a source that is read in order: a partition of a topic, or a file. */
export interface Chunk {
  readonly source: string;
  readonly records: readonly (Incoming & { readonly position: number })[];
  /** Where reading goes on after this chunk. */
  readonly next: number;
}

/** Makes what takes one record into the database, within the transaction of its chunk; false: it cannot be read, and is set aside. */
export type Booking = (db: Database.Database) => (record: Incoming) => boolean;

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

/** Opens or makes a consumer's database, durable with every commit. `tables`: SQL that makes what `booking` writes to. Throws what SQLite says. */
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
    for (const { position: at, key, json } of records) {
      if (at >= from && !book({ key, json })) setAside.run(source, at, json);
    }
    move.run(source, next);
  });
  return { position, take: (chunk) => take.immediate(chunk), close: () => void db.close() };
}
