import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import type { WrongBoot } from './dating.ts';
import { columns } from '../columns.ts';
import { syncFolder } from '../folder.ts';
import { copyTail } from '../segments/segment-copy.ts';
import { isDamage } from '../segments/segment-errors.ts';

/** What a file of dates gives by the CRC of its rows. */
export interface SoundRows {
  readonly boots: readonly WrongBoot[];
  readonly damaged: number;
}

/** One file of dates, a row a boot. Calls throw what SQLite throws; a handle that threw is never used again, the next call opens the file that is there then. */
export class DatingRows {
  readonly file: string;
  #db: Database.Database | null = null;

  constructor(file: string) {
    this.file = file;
  }

  /** null: there is no such file. */
  read(): SoundRows | null {
    return existsSync(this.file) ? this.#guarded(soundRows) : null;
  }

  /** On disk when this returns, all or none. */
  put(boots: readonly WrongBoot[]): void {
    this.#guarded((db) => {
      const put = db.prepare('INSERT OR REPLACE INTO boots (boot, json, crc) VALUES (?, ?, ?)');
      db.transaction(() => {
        for (const one of boots) {
          const json = JSON.stringify(one);
          put.run(one.boot, json, crcOf(json));
        }
      }).immediate();
    });
  }

  remove(boots: readonly string[]): void {
    this.#guarded((db) => {
      const drop = db.prepare('DELETE FROM boots WHERE boot = ?');
      for (const boot of boots) drop.run(boot);
    });
  }

  /** Holds just these from then on, or, where it throws, what it held. */
  rewrite(boots: readonly WrongBoot[]): void {
    const written = new DatingRows(this.file + copyTail);
    for (const tail of ['', '-journal']) rmSync(written.file + tail, { force: true });
    written.put(boots);
    written.close();
    this.close();
    // Of a write that was cut short: it would be played back into the new one.
    rmSync(`${this.file}-journal`, { force: true });
    syncFolder(dirname(this.file));
    renameSync(written.file, this.file);
    syncFolder(dirname(this.file));
  }

  close(): void {
    const db = this.#db;
    this.#db = null;
    db?.close();
  }

  #guarded<T>(use: (db: Database.Database) => T): T {
    try {
      this.#db ??= opened(this.file);
      return use(this.#db);
    } catch (error) {
      try {
        this.close();
      } catch {
        // It is let go of.
      }
      throw error;
    }
  }
}

/** Of a file that nobody else writes to. null: it is damaged. Throws what else SQLite throws. `isReadOnly`: nothing can be written there. */
export function datingRowsIn(file: string, isReadOnly: boolean): SoundRows | null {
  try {
    const db = new Database(file, { readonly: isReadOnly, fileMustExist: true, timeout: 0 });
    try {
      return soundRows(db);
    } finally {
      db.close();
    }
  } catch (error) {
    if (isDamage(error)) return null;
    throw error;
  }
}

function opened(file: string): Database.Database {
  const db = new Database(file, { timeout: 0 });
  try {
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = EXTRA');
    db.exec('CREATE TABLE IF NOT EXISTS boots (boot TEXT PRIMARY KEY, json TEXT NOT NULL, crc INTEGER NOT NULL)');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

interface Row {
  readonly json: string;
  readonly crc: number;
}

function soundRows(db: Database.Database): SoundRows {
  const rows = db.prepare(`SELECT ${columns('json', 'crc')} FROM boots`).all() as Row[];
  const sound = rows.filter(isSound);
  return { boots: sound.map(({ json }) => JSON.parse(json) as WrongBoot), damaged: rows.length - sound.length };
}

/** SQLite itself hands out damaged rows without a word. */
function isSound({ json, crc }: Row): boolean {
  return crc === crcOf(json);
}

function crcOf(json: string): number {
  return crc32(`dating ${json}`);
}
