import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import type { WrongBoot } from './dating.ts';
import { sizeOf } from './segment-files.ts';

export const datingFile = 'dating.db';

/** The boots in a file that nobody writes to. Damaged rows are left out. Throws what SQLite throws. */
export function datingIn(file: string): WrongBoot[] {
  const db = new Database(file, { fileMustExist: true });
  try {
    return soundRows(db).boots;
  } finally {
    db.close();
  }
}

/** The boots in a folder that cannot be written, as a start that could write would find them. null: that cannot be told now. */
export function datingOnReadOnlyDisk(folder: string): WrongBoot[] | null {
  const file = join(folder, datingFile);
  if (!existsSync(file)) return [];
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 });
    try {
      return soundRows(db).boots;
    } finally {
      db.close();
    }
  } catch (error) {
    // For one, a write that was cut short: rolling it back takes writing.
    return isDamaged(error) ? [] : null;
  }
}

/**
 * How the readings of boots with a wrong clock are dated, one row a boot: on disk before any of them is sent, so that whoever sends one again dates it
 * as before. There is no file until a clock was wrong.
 */
export class DatingFile {
  readonly #file: string;
  #db: Database.Database | null = null;
  #boots: readonly WrongBoot[] = [];

  /** `tell`: the file, or some of it, cannot be used. */
  constructor(folder: string, tell: (message: string) => void) {
    this.#file = join(folder, datingFile);
    if (!existsSync(this.#file)) return;
    try {
      const { boots, damaged } = soundRows(this.#open());
      this.#boots = boots;
      if (damaged > 0) tell(`${damaged} rows of ${this.#file} are damaged: ${consequence}`);
    } catch (error) {
      this.close();
      if (!isDamaged(error)) throw error;
      const aside = `${this.#file}.damaged-${process.pid}-${Math.round(performance.now())}`;
      renameSync(this.#file, aside);
      tell(`${this.#file} was damaged and lies in ${aside} now: ${consequence}`);
    }
  }

  /** As the file held them when it was opened. */
  get boots(): readonly WrongBoot[] {
    return this.#boots;
  }

  /** On disk when this returns, all or none. */
  keep(boots: readonly WrongBoot[]): void {
    if (boots.length === 0) return;
    try {
      const db = this.#open();
      const put = db.prepare('INSERT OR REPLACE INTO boots (boot, json, crc) VALUES (?, ?, ?)');
      db.transaction(() => {
        for (const one of boots) {
          const json = JSON.stringify(one);
          put.run(one.boot, json, crcOf(json));
        }
      }).immediate();
    } catch (error) {
      // It may be of a file system that is gone: the next try opens the file that is there then.
      this.#letGo();
      throw error;
    }
  }

  /** Never throws: on a full disk they are forgotten by a later start. */
  forget(boots: readonly string[]): void {
    try {
      const drop = this.#open().prepare('DELETE FROM boots WHERE boot = ?');
      for (const boot of boots) drop.run(boot);
    } catch {
      // A row too many does no harm.
    }
  }

  bytes(): number {
    return sizeOf(this.#file);
  }

  close(): void {
    this.#db?.close();
    this.#db = null;
  }

  /** A handle that threw is never used again. */
  #letGo(): void {
    try {
      this.close();
    } catch {
      this.#db = null;
    }
  }

  #open(): Database.Database {
    if (this.#db) return this.#db;
    const db = new Database(this.#file, { timeout: 0 });
    try {
      db.pragma('journal_mode = DELETE');
      db.pragma('synchronous = EXTRA');
      db.exec('CREATE TABLE IF NOT EXISTS boots (boot TEXT PRIMARY KEY, json TEXT NOT NULL, crc INTEGER NOT NULL)');
    } catch (error) {
      db.close();
      throw error;
    }
    this.#db = db;
    return db;
  }
}

function isDamaged(error: unknown): boolean {
  return error instanceof Database.SqliteError && ['SQLITE_NOTADB', 'SQLITE_CORRUPT'].includes(error.code);
}

const consequence =
  'readings of boots that it named are sent as "unsynced"; some may have been sent as "corrected" before';

function soundRows(db: Database.Database): { boots: WrongBoot[]; damaged: number } {
  const rows = db.prepare('SELECT json, crc FROM boots').all() as { json: string; crc: number }[];
  const sound = rows.filter(({ json, crc }) => crc === crcOf(json));
  return { boots: sound.map(({ json }) => JSON.parse(json) as WrongBoot), damaged: rows.length - sound.length };
}

/** SQLite itself hands out damaged rows without a word. */
function crcOf(json: string): number {
  return crc32(`dating ${json}`);
}
