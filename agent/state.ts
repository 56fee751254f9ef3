import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { messageOf, SluiceError } from './errors.ts';
import type { GatewayEvent } from './reading.ts';

/** A record of the lane `asset-metadata` as it was last announced. */
export interface Announced {
  readonly gateway: string;
  readonly device: string;
  /** null: the current state of the device; else the register map of this name. */
  readonly map: string | null;
  /** Names content and destination; null: the last announcement was begun, and nobody knows whether it was accepted. */
  readonly hash: string | null;
  /** Of a current state: its body, so that a removal can say what was removed. null for a register map. */
  readonly json: string | null;
}

/** What outlives a start besides readings. Every call is synchronous and small. */
export interface State {
  announced(gateway: string): Announced[];
  /** All of it or nothing, on disk when this returns. Throws what SQLite throws; what was kept before still holds. */
  keep(rows: readonly Announced[], gone?: readonly Pick<Announced, 'gateway' | 'device' | 'map'>[]): void;
  close(): void;
}

export interface StateParts {
  /** Where a file that cannot be used has gone. */
  readonly event: (event: GatewayEvent) => void;
  readonly log: (message: string) => void;
}

/** `SLUS` in the header of the file. */
const applicationId = 0x53_4c_55_53;
const formatVersion = 1;
const tails = ['', '-wal', '-shm', '-journal'];

const tables = `
CREATE TABLE announced (gateway TEXT NOT NULL, device TEXT NOT NULL, map TEXT NOT NULL, hash TEXT, json TEXT, crc INTEGER NOT NULL,
  PRIMARY KEY (gateway, device, map)) STRICT, WITHOUT ROWID;
`;

/**
 * Opens `file`, whatever lies there: what is damaged or foreign is put aside as `<file>.damaged` and begun anew; what cannot be opened at all is left alone,
 * and this start keeps its state in memory. Meters are read without it.
 */
export function openState(file: string, parts: StateParts): State {
  try {
    mkdirSync(dirname(file), { recursive: true });
    return opened(file, parts);
  } catch (error) {
    if (!isDamage(error)) return inMemory(file, error, parts);
    return begunAnew(file, error, parts);
  }
}

function begunAnew(file: string, damage: unknown, parts: StateParts): State {
  const aside = `${file}.damaged`;
  try {
    for (const tail of tails) rmSync(aside + tail, { force: true, recursive: true });
    renameSync(file, aside);
    // A tail that stayed behind would be taken for the new file's.
    for (const tail of tails.slice(1)) rmSync(file + tail, { force: true });
    const state = opened(file, parts);
    parts.event({
      event: 'quarantine',
      severity: 'warning',
      message: `${file} could not be used (${messageOf(damage)}) and lies beside it as ${aside}. Every device is announced again; one that was removed while the daemon was off stays in asset-metadata.`,
      facts: { file: aside, reason: messageOf(damage) },
    });
    return state;
  } catch (error) {
    return inMemory(file, error, parts);
  }
}

function inMemory(file: string, error: unknown, parts: StateParts): State {
  parts.log(
    `${file} cannot be opened (${messageOf(error)}); what is announced is kept in memory, and announced again at the next start.`,
  );
  return new StateFile(prepared(new Database(':memory:')), parts);
}

function opened(file: string, parts: StateParts): State {
  const db = new Database(file, { timeout: 0 });
  try {
    const state = new StateFile(prepared(db), parts);
    setDurable(db, file);
    return state;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepared(db: Database.Database): Database.Database {
  const id = db.pragma('application_id', { simple: true });
  const version = db.pragma('user_version', { simple: true });
  if (id === 0 && db.prepare('SELECT name FROM sqlite_master').get() === undefined) {
    db.exec(
      `BEGIN IMMEDIATE; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}; ${tables} COMMIT;`,
    );
  } else if (id !== applicationId) throw new SluiceError('FOREIGN_STATE', 'it is no state file of sluice');
  else if (version !== formatVersion)
    throw new SluiceError('STATE_VERSION', `it has version ${String(version)}, this sluice knows ${formatVersion}`);
  else if (db.pragma('quick_check(1)', { simple: true }) !== 'ok')
    throw new SluiceError('DAMAGED_STATE', 'SQLite finds it damaged');
  return db;
}

/** A sync at every commit, read back: better-sqlite3 opens existing WAL files with less. */
function setDurable(db: Database.Database, file: string): void {
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  db.pragma('synchronous = FULL');
  const synchronous = db.pragma('synchronous', { simple: true });
  if (mode !== 'wal' || synchronous !== 2)
    throw new SluiceError(
      'NOT_DURABLE',
      `${file}: journal_mode is ${String(mode)}, synchronous ${String(synchronous)}; needed: wal, 2 (FULL)`,
    );
}

/** The file itself is at fault, and will be at the next start. Everything else (rights, room, another owner) may pass. */
function isDamage(error: unknown): boolean {
  if (error instanceof Database.SqliteError) return /^SQLITE_(NOTADB|CORRUPT|ERROR|SCHEMA|MISMATCH)/.test(error.code);
  return error instanceof SluiceError && ['FOREIGN_STATE', 'STATE_VERSION', 'DAMAGED_STATE'].includes(error.code);
}

interface Row {
  readonly gateway: string;
  readonly device: string;
  readonly map: string;
  readonly hash: string | null;
  readonly json: string | null;
  readonly crc: number;
}

class StateFile implements State {
  readonly #db: Database.Database;
  readonly #log: (message: string) => void;

  constructor(db: Database.Database, { log }: StateParts) {
    this.#db = db;
    this.#log = log;
  }

  announced(gateway: string): Announced[] {
    const rows = this.#db.prepare('SELECT * FROM announced WHERE gateway = ?').all(gateway) as Row[];
    const sound = rows.filter((row) => row.crc === crcOf(row));
    const damaged = rows.length - sound.length;
    if (damaged > 0)
      this.#log(`${this.#db.name}: ${damaged} damaged rows are left out; what they named is announced again.`);
    return sound.map(({ gateway: of, device, map, hash, json }) => ({
      gateway: of,
      device,
      map: map === '' ? null : map,
      hash,
      json,
    }));
  }

  keep(rows: readonly Announced[], gone: readonly Pick<Announced, 'gateway' | 'device' | 'map'>[] = []): void {
    const put = this.#db.prepare('INSERT OR REPLACE INTO announced VALUES (?, ?, ?, ?, ?, ?)');
    const drop = this.#db.prepare('DELETE FROM announced WHERE gateway = ? AND device = ? AND map = ?');
    const all = this.#db.transaction(() => {
      for (const { gateway, device, map } of gone) drop.run(gateway, device, map ?? '');
      for (const row of rows) {
        const { gateway, device, hash, json } = row;
        const map = row.map ?? '';
        put.run(gateway, device, map, hash, json, crcOf({ gateway, device, map, hash, json }));
      }
    });
    all.immediate();
  }

  close(): void {
    this.#db.close();
  }
}

/** SQLite itself hands out damaged rows without a word. */
function crcOf({ gateway, device, map, hash, json }: Omit<Row, 'crc'>): number {
  return crc32(JSON.stringify([gateway, device, map, hash, json]));
}
