import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { columns } from './columns.ts';
import type { DeadLetter } from './protocol.ts';
import { streamOf } from './protocol.ts';
import { isDamage } from './segments/segment-errors.ts';
import { sizeOf } from './segments/segment-files.ts';

export const deadLettersFile = 'dead-letters.db';
const letterColumns = columns('epoch', 'seq', 'stream', 'reason', 'key', 'value', 'wallMs', 'crc');

/** A letter as it lies on disk; of one that is not sound nothing may be believed. */
export interface KeptLetter extends Omit<DeadLetter, 'lane'> {
  readonly stream: string;
  readonly isSound: boolean;
}

/** Every letter of a file that nobody writes to, oldest first, one at a time. Throws what SQLite throws. */
export function* lettersIn(file: string): Generator<KeptLetter> {
  const db = new Database(file, { fileMustExist: true });
  try {
    const rows = db.prepare(`SELECT ${letterColumns} FROM letters ORDER BY wallMs, seq`).iterate();
    for (const row of rows as Iterable<Omit<KeptLetter, 'isSound'> & { crc: number }>) {
      const { epoch, seq, stream, reason, key, value, wallMs, crc } = row;
      const isSound = crc === crcOf([epoch, seq, stream, reason, key, value, wallMs]);
      yield { epoch, seq, stream, reason, key, value, wallMs, isSound };
    }
  } finally {
    db.close();
  }
}

function crcOf(fields: readonly (string | number | null)[]): number {
  return crc32(`dead-letters ${JSON.stringify(fields)}`);
}

/** Records that the broker refused for good, one row each, kept until a person has looked at them. */
export class DeadLetters {
  readonly #file: string;
  readonly #tell: (message: string) => void;
  #db: Database.Database | null = null;

  constructor(folder: string, tell: (message: string) => void) {
    this.#tell = tell;
    this.#file = join(folder, deadLettersFile);
  }

  /** On disk when this returns. The same entry twice is one row. A damaged file goes aside, and a new one is begun. */
  add(letter: DeadLetter): void {
    try {
      this.#insert(letter);
    } catch (error) {
      this.close();
      if (!isDamage(error)) throw error;
      const aside = `${this.#file}.damaged-${letter.wallMs}`;
      renameSync(this.#file, aside);
      this.#tell(`The file of dead letters was damaged and lies in ${aside} now; a new one was begun.`);
      this.#insert(letter);
    }
  }

  #insert({ lane, epoch, seq, reason, key, value, wallMs }: DeadLetter): void {
    const fields = [epoch, seq, streamOf(lane), reason, key, value, wallMs] as const;
    const crc = crcOf(fields);
    this.#open()
      .prepare(
        'INSERT OR IGNORE INTO letters (epoch, seq, stream, reason, key, value, wallMs, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(...fields, crc);
  }

  bytes(): number {
    return sizeOf(this.#file) + sizeOf(`${this.#file}-wal`);
  }

  close(): void {
    this.#db?.close();
    this.#db = null;
  }

  #open(): Database.Database {
    if (this.#db) return this.#db;
    const db = new Database(this.#file, { timeout: 0 });
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = EXTRA');
    db.exec(
      `CREATE TABLE IF NOT EXISTS letters (epoch TEXT NOT NULL, seq INTEGER NOT NULL, stream TEXT NOT NULL, reason TEXT NOT NULL,
       key TEXT NOT NULL, value TEXT, wallMs INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (epoch, seq))`,
    );
    this.#db = db;
    return db;
  }
}
