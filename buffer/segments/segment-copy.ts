import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import type { Settled } from '../ranges.ts';
import { encodeSettled } from '../ranges.ts';
import { rowCrc, segmentSchema } from './segment-format.ts';
import { syncFolder } from '../folder.ts';
import type { DescriptorRow, Extent, FrameRow, RemovedRun } from './segment-format.ts';

/** Behind the name of the segment that is copied; what bears it at a start was never finished. */
export const copyTail = '.tmp';

/** A copy of little is made of small pages: a page a table is the least that a file takes. */
const smallPageBytes = 512;
const pageBytes = 4096;
const smallBytes = 32 * 1024;
const mostUnsyncedBytes = 1024 * 1024;
/** Tables, indexes and the schema take a page or two each. */
const emptyPages = 10;

/** About what a copy with rows of so many bytes takes. */
export function copyBytes(rowBytes: number): number {
  return emptyPages * pageBytesFor(rowBytes) + Math.ceil(rowBytes * 1.05);
}

function pageBytesFor(rowBytes: number): number {
  return rowBytes < smallBytes ? smallPageBytes : pageBytes;
}

export interface CopyEnd {
  readonly summary: readonly (Extent | null)[];
  readonly removed: readonly RemovedRun[];
  readonly settled: readonly Settled[];
  readonly slots: { readonly seq: number; readonly body: Uint8Array } | null;
}

/**
 * A sealed segment written anew without some of its frames. It bears the old one's name, so that the CRCs of its rows hold and one rename puts it
 * in place: at every moment there is exactly one file of that name, and it is whole. Rows are taken as they are.
 * Any method may throw what SQLite throws: then `abandon` it.
 */
export class SegmentCopy {
  readonly #file: string;
  readonly #name: string;
  readonly #db: Database.Database;
  #unsyncedBytes = 0;

  /** `file`: the segment's own; `rowBytes`: of what will be copied, about. */
  constructor(file: string, name: string, rowBytes: number) {
    this.#file = file;
    this.#name = name;
    removeCopy(file);
    this.#db = new Database(file + copyTail, { timeout: 0 });
    this.#db.pragma(`page_size = ${pageBytesFor(rowBytes)}`);
    // Nobody reads it before it is whole, and synced as a whole.
    this.#db.pragma('journal_mode = OFF');
    this.#db.pragma('synchronous = OFF');
    this.#db.pragma('cache_size = -1024');
    this.#db.exec(segmentSchema({ isCopy: true }));
  }

  descriptors(rows: readonly DescriptorRow[]): void {
    this.#inOne(() => {
      const insert = this.#db.prepare('INSERT INTO descriptors VALUES (?, ?, ?)');
      for (const { n, body, crc } of rows) insert.run(n, body, crc);
    });
  }

  frames(rows: readonly FrameRow[]): void {
    this.#inOne(() => {
      const insert = this.#db.prepare('INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?)');
      for (const { first, last, lane, count, body, settled, crc } of rows)
        insert.run(first, last, lane, count, body, settled, crc);
    });
    this.#unsyncedBytes += rows.reduce((sum, { body }) => sum + body.length, 0);
    // Bit by bit: the last sync, and the commit that waits for it, must not take long.
    if (this.#unsyncedBytes > mostUnsyncedBytes) this.#sync();
  }

  /** Puts it in the place of the segment, which it is from then on. */
  finish({ summary, removed, settled, slots }: CopyEnd): void {
    this.#inOne(() => {
      const positions = encodeSettled(settled);
      this.#insert('settlements', 'INSERT INTO settlements (settled, crc) VALUES (?, ?)', [positions]);
      if (slots) this.#insert('slots', 'INSERT INTO slots VALUES (?, ?, ?)', [slots.seq, Buffer.from(slots.body)]);
      for (const [lane, extent] of summary.entries()) {
        const { first, last, count } = extent ?? { first: 0, last: 0, count: 0 };
        this.#insert('summary', 'INSERT INTO summary VALUES (?, ?, ?, ?, ?)', [lane, first, last, count]);
      }
      for (const { lane, first, last, count } of removed)
        this.#insert('removed', 'INSERT INTO removed (lane, first, last, count, crc) VALUES (?, ?, ?, ?, ?)', [
          lane,
          first,
          last,
          count,
        ]);
    });
    this.#db.close();
    this.#sync();
    renameSync(this.#file + copyTail, this.#file);
    syncFolder(dirname(this.#file));
  }

  /** Never throws. */
  abandon(): void {
    try {
      this.#db.close();
      removeCopy(this.#file);
    } catch {
      // The next copy or the next start removes it.
    }
  }

  #insert(table: string, sql: string, fields: readonly (number | Buffer)[]): void {
    this.#db.prepare(sql).run(...fields, rowCrc(this.#name, table, fields));
  }

  #sync(): void {
    const handle = openSync(this.#file + copyTail, 'r+');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    this.#unsyncedBytes = 0;
  }

  #inOne(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    work();
    this.#db.exec('COMMIT');
  }
}

/** What a crash left of copies that were never finished: the segments themselves are there. */
export function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder))
    if (name.endsWith(`.db${copyTail}`) || name.endsWith(`.db${copyTail}-journal`))
      rmSync(join(folder, name), { force: true });
}

function removeCopy(file: string): void {
  for (const tail of [copyTail, `${copyTail}-journal`]) rmSync(file + tail, { force: true });
}
