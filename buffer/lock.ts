import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import type { Seq } from '../agent/reading.ts';
import { streams } from '../agent/reading.ts';
import { BufferError } from '../agent/errors.ts';
import { columns } from './columns.ts';

const lockFile = 'lock.db';

export interface LockState {
  /** Starts of this buffer so far. */
  readonly starts: number;
  /** The owner before closed in order. */
  readonly clean: boolean;
  /** Per lane: entries up to this seq may have been sent before they were settled. */
  readonly doubtful: readonly Seq[];
  /** No seq below was left free. */
  readonly floor: Seq;
}

/**
 * The buffer's lock: a small SQLite file held in BEGIN EXCLUSIVE for as long as the owner lives (the kernel lets go of it at any end, and a pid file is
 * no lock). It also holds the few facts that outlive the segments; if it is lost, they are taken from the segments at their most careful.
 */
export class Lock {
  #before: LockState;
  /** Nobody owned this buffer before, or the lock file was lost. */
  readonly isNew: boolean;
  readonly #db: Database.Database;

  constructor(folder: string) {
    const { db, state } = openLocked(join(folder, lockFile));
    this.#db = db;
    this.isNew = state === undefined;
    this.#before = state ?? { starts: 0, clean: false, doubtful: streams.map(() => 0), floor: 0 };
  }

  /** What the owner before left. */
  get before(): LockState {
    return this.#before;
  }

  /** There are traces of starts that it does not know of (a disk forgot what it had synced, a folder was put back): its end counts as unclean. */
  distrust(): void {
    this.#before = { ...this.#before, clean: false };
  }

  /** Durable before this start commits anything: whatever happens from here on, its end counts as unclean until `release`. */
  begun(starts: number, doubtful: readonly Seq[]): void {
    this.#write({ starts, clean: false, doubtful, floor: this.before.floor });
    begin(this.#db, this.#db.name);
  }

  /** The last act of an owner. With a state: it ended in order. */
  release(state?: Omit<LockState, 'clean'>): void {
    if (state) this.#write({ ...state, clean: true });
    this.#db.close();
  }

  #write(state: LockState): void {
    const json = JSON.stringify(state);
    this.#db
      .prepare('INSERT OR REPLACE INTO state (id, json, crc) VALUES (1, ?, ?)')
      .run(json, crc32(`lock state ${json}`));
    // Who takes the lock right behind this COMMIT finds a true state, and `begin` then refuses us.
    this.#db.exec('COMMIT');
  }
}

/** What the owner before left in a folder that cannot be written; undefined: nothing tells. Throws BufferError `BUFFER_IN_USE` where it still lives. */
export function lockOnReadOnlyDisk(folder: string): LockState | undefined {
  const file = join(folder, lockFile);
  let db: Database.Database;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 });
  } catch {
    return undefined;
  }
  try {
    return read(db);
  } catch (error) {
    if (isBusy(error)) throw inUse(file, error);
    return undefined;
  } finally {
    db.close();
  }
}

interface Opened {
  readonly db: Database.Database;
  readonly state: LockState | undefined;
}

function openLocked(file: string): Opened {
  try {
    return prepared(file);
  } catch (error) {
    if (!isDamage(error) && !isUnreadable(error)) throw isBusy(error) ? inUse(file, error) : error;
    // It holds nothing that the segments do not tell more carefully.
    rmSync(`${file}-journal`, { force: true });
    // Kept, but the one before: a bad sector is given to no other file.
    if (isUnreadable(error)) renameSync(file, `${file}.unreadable`);
    else rmSync(file);
    return prepared(file);
  }
}

function prepared(file: string): Opened {
  const db = new Database(file, { timeout: 0 });
  try {
    db.pragma('synchronous = FULL');
    // No file beside it: a start must succeed on a full disk. What a power cut tears is seen by the CRC, and made anew.
    db.pragma('journal_mode = MEMORY');
    begin(db, file);
    db.exec('CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, json TEXT NOT NULL, crc INTEGER NOT NULL)');
    return { db, state: read(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function begin(db: Database.Database, file: string): void {
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    throw isBusy(error) ? inUse(file, error) : error;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

function isDamage(error: unknown): boolean {
  return (
    error instanceof Database.SqliteError && ['SQLITE_NOTADB', 'SQLITE_CORRUPT', 'SQLITE_ERROR'].includes(error.code)
  );
}

/** A bad sector (EIO is `CORRUPTFS`, os_unix.c), or a file cut short by one. */
function isUnreadable(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_IOERR_(?:CORRUPTFS|READ|SHORT_READ)$/.test(error.code);
}

/** BufferError `BUFFER_IN_USE`, with what to do. */
export function inUse(file: string, cause?: unknown): BufferError {
  return new BufferError(
    'BUFFER_IN_USE',
    `${file}: another sluice process owns this buffer; one buffer has one owner. Stop the other (systemctl stop sluice), or give this one its own "stateDir".`,
    { cause },
  );
}

function read(db: Database.Database): LockState | undefined {
  const row = db.prepare(`SELECT ${columns('json', 'crc')} FROM state WHERE id = 1`).get() as
    | { json: string; crc: number }
    | undefined;
  if (!row || row.crc !== crc32(`lock state ${row.json}`)) return undefined;
  const state = JSON.parse(row.json) as LockState;
  return { ...state, doubtful: streams.map((_, lane) => state.doubtful[lane] ?? 0) };
}
