import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import Database from 'better-sqlite3';
import { BufferError } from '../../agent/errors.ts';
import { streams } from '../../agent/reading.ts';
import type { Seq } from '../../agent/reading.ts';
import type { Descriptor, FrameBytes } from '../protocol.ts';
import { decodeSettled, encodeSettled } from '../ranges.ts';
import type { Settled } from '../ranges.ts';
import { columns } from '../columns.ts';
import { syncFolder } from '../folder.ts';
import { damagedRowsIn, isDamage } from './segment-errors.ts';
import { sizeOf } from './segment-files.ts';
import {
  applicationId,
  checkedFields,
  columnsOf,
  formatVersion,
  mostVersion,
  packDescriptors,
  rowCrc,
  segmentSchema,
} from './segment-format.ts';
import type { DescriptorRow, Extent, FrameRow, RemovedRun, SegmentRows } from './segment-format.ts';
import { playedBack } from '../damage/wal.ts';

/** A checkpoint is due beyond. */
const mostWalPages = 1000;

/**
 * An open SQLite file of the buffer: `<first seq>-<epoch>.db`. Written by one handle, only by appending rows; sealed, it is never written again.
 * Every row carries a CRC over all its fields, its table and its segment: SQLite itself hands out damaged rows without a word.
 * Any method may throw what SQLite throws: then this handle is spent.
 */
export class SegmentFile implements SegmentRows {
  readonly file: string;
  readonly name: string;
  readonly #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  /** Written to the WAL since the last checkpoint, about. */
  #walPages = 0;
  #mostWalPages = mostWalPages;

  private constructor(file: string, db: Database.Database) {
    this.file = file;
    this.name = basename(file, '.db');
    this.#db = db;
  }

  /** A new, empty segment, durable in its folder. */
  static create(file: string, rollBytes: number): SegmentFile {
    const db = new Database(file, { timeout: 0 });
    try {
      db.pragma('page_size = 4096');
      setDurable(db, file);
      // SQLite's own checkpoints fail in silence.
      db.pragma('wal_autocheckpoint = 0');
      db.pragma('cache_size = -1024');
      db.exec(segmentSchema({ isCopy: false }));
      syncFolder(dirname(file));
      const made = new SegmentFile(file, db);
      // Between checkpoints a page that is written over and over reaches the file only once; small quotas need them oftener.
      made.#mostWalPages = Math.max(8, Math.min(mostWalPages, Math.floor(rollBytes / 4096 / 4)));
      return made;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** A segment that has been written before. SQLite replays its WAL if it was not sealed. */
  static open(file: string): SegmentFile {
    try {
      return SegmentFile.#opened(file, false);
    } catch (error) {
      // Without room on the disk there is no file for the WAL's index: alone, SQLite keeps it in memory.
      if (isDamage(error)) throw error;
      return SegmentFile.#opened(file, true);
    }
  }

  /** A sealed segment, for looking only: writes nothing, on a read-only disk too. */
  static openReadOnly(file: string): SegmentFile {
    return SegmentFile.#opened(file, false, true);
  }

  /** As `open` would find it, where nothing can be written: what its WAL holds is played back in memory. */
  static openInMemory(file: string): SegmentFile {
    // A journal is played back by writing; without that the rows are searched one by one.
    if (existsSync(`${file}-journal`)) throw damagedRowsIn(file, 1);
    const wal = existsSync(`${file}-wal`) ? readFileSync(`${file}-wal`) : null;
    return SegmentFile.#checked(file, new Database(asBuffer(playedBack(readFileSync(file), wal))));
  }

  static #opened(file: string, isAlone: boolean, readonly = false): SegmentFile {
    // Whoever may write plays the WAL back into the file: of another version it must stay as it is.
    if (!readonly && sizeOf(`${file}-wal`) > 0) SegmentFile.#refuseOtherVersion(file, isAlone);
    const db = new Database(file, { timeout: 0, fileMustExist: true, readonly });
    if (isAlone) db.pragma('locking_mode = EXCLUSIVE');
    const opened = SegmentFile.#checked(file, db);
    try {
      if (!readonly) db.pragma('synchronous = FULL');
      if (!readonly) db.pragma('wal_autocheckpoint = 0');
      return opened;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Closes what is no segment that can be read. */
  static #checked(file: string, db: Database.Database): SegmentFile {
    try {
      const id = db.pragma('application_id', { simple: true });
      if (id === 0 && db.prepare('SELECT name FROM sqlite_master').get() === undefined)
        throw new BufferError('EMPTY_SEGMENT', `${file} is empty`);
      if (id !== applicationId) throw new BufferError('FOREIGN_FILE', `${file} is no segment of a sluice buffer`);
      const found = db.pragma('user_version', { simple: true });
      if (typeof found !== 'number' || found < formatVersion || found > mostVersion)
        throw new BufferError('DAMAGED_ROWS', `${file} has segment version ${String(found)}, which nobody writes`);
      if (found !== formatVersion)
        throw new BufferError(
          'SEGMENT_VERSION',
          `${file} has segment version ${String(found)}; this sluice knows ${formatVersion}`,
        );
      return new SegmentFile(file, db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  static #refuseOtherVersion(file: string, isAlone: boolean): void {
    try {
      SegmentFile.#opened(file, isAlone, true).close();
    } catch (error) {
      // Whatever else it is, the opening for writing says.
      if (error instanceof BufferError && error.code === 'SEGMENT_VERSION') throw error;
    }
  }

  /** One transaction, on disk when this returns. `descriptors`: those of the frames which this segment does not carry yet. */
  commit(
    frames: readonly FrameBytes[],
    descriptors: readonly Descriptor[],
    settled: readonly Settled[],
    slots: { seq: Seq; body: Uint8Array } | null,
  ): void {
    const settledBytes = encodeSettled(settled);
    this.#db.exec('BEGIN IMMEDIATE');
    if (descriptors.length > 0) {
      const body = packDescriptors(descriptors);
      this.#run('INSERT INTO descriptors (body, crc) VALUES (?, ?)', body, this.#crc('descriptors', [body]));
    }
    for (const { first, last, lane, count, body: bytes } of frames) {
      const body = asBuffer(bytes);
      const crc = this.#crc('frames', [first, last, lane, count, body, settledBytes]);
      this.#run('INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?)', first, last, lane, count, body, settledBytes, crc);
    }
    if (slots) {
      const body = asBuffer(slots.body);
      this.#run(
        'INSERT OR REPLACE INTO slots VALUES (?, ?, ?)',
        slots.seq,
        body,
        this.#crc('slots', [slots.seq, body]),
      );
    }
    this.#db.exec('COMMIT');
    const bytes = frames.reduce((sum, { body }) => sum + body.length, slots?.body.length ?? 0);
    this.#walPages += frames.length + 2 + Math.ceil(bytes / 4096);
  }

  /** Brings into the file what has gathered in the WAL, if that is much. What was committed stays committed whatever this throws. */
  checkpointIfDue(): void {
    if (this.#walPages < this.#mostWalPages) return;
    this.#db.pragma('wal_checkpoint(PASSIVE)');
    this.#walPages = 0;
  }

  /** The newest slots, when no frame came by to carry them: they speak up to `seq`. */
  commitSlots(seq: Seq, bytes: Uint8Array): void {
    const body = asBuffer(bytes);
    this.#run('INSERT OR REPLACE INTO slots VALUES (?, ?, ?)', seq, body, this.#crc('slots', [seq, body]));
  }

  /** What is settled, when no frame came by to carry it. */
  commitSettled(settled: readonly Settled[]): void {
    const bytes = encodeSettled(settled);
    this.#run('INSERT INTO settlements (settled, crc) VALUES (?, ?)', bytes, this.#crc('settlements', [bytes]));
  }

  /** What this segment knows to be settled: its newest sound row of each kind. Positions only grow, so the union of all that is found holds. */
  settled(): Settled[][] {
    const found: Settled[][] = [];
    for (const row of this.#rows<FrameRow>(`SELECT ${columnsOf('settlements')} FROM settlements ORDER BY n DESC`)) {
      if (row.crc !== this.#crc('settlements', [row.settled])) continue;
      found.push(decodeSettled(row.settled));
      break;
    }
    for (const row of this.#rows<FrameRow>(`SELECT ${columnsOf('frames')} FROM frames ORDER BY first DESC`)) {
      if (!this.#isSound(row)) continue;
      found.push(decodeSettled(row.settled));
      break;
    }
    return found;
  }

  /** The frame's bytes, or null if they are damaged. */
  read(first: Seq): Uint8Array | null {
    return this.row(first)?.body ?? null;
  }

  /** The frame as it lies on disk, or null if it is damaged. */
  row(first: Seq): FrameRow | null {
    const row = this.#prepared(`SELECT ${columnsOf('frames')} FROM frames WHERE first = ?`).get(first) as
      | FrameRow
      | undefined;
    return row && this.#isSound(row) ? row : null;
  }

  /** Bytes of every frame's row, by its `first`. */
  frameBytes(): Map<Seq, number> {
    const rows = this.#rows<{ first: number; bytes: number }>(
      `SELECT ${columns('first')}, length(body) + length(settled) + 24 AS bytes FROM frames`,
    );
    return new Map([...rows].map(({ first, bytes }) => [first, bytes]));
  }

  /** Sound rows, as they lie on disk. */
  descriptorRows(): DescriptorRow[] {
    const rows = this.#prepared(
      `SELECT ${columns('n')}, ${columnsOf('descriptors')} FROM descriptors ORDER BY n`,
    ).all() as DescriptorRow[];
    return rows.filter(({ body, crc }) => crc === this.#crc('descriptors', [body]));
  }

  /** What was taken out of this segment when it was written anew. Empty for any other. */
  removed(): RemovedRun[] {
    if (!this.#hasTable('removed')) return [];
    const rows = this.#rows<RemovedRun & { crc: number }>(`SELECT ${columnsOf('removed')} FROM removed ORDER BY n`);
    return [...rows]
      .filter(({ lane, first, last, count, crc }) => crc === this.#crc('removed', [lane, first, last, count]))
      .map(({ lane, first, last, count }) => ({ lane, first, last, count }));
  }

  /** Packed descriptors behind row `after`, and the last row looked at. Throws BufferError `DAMAGED_ROWS`. */
  descriptors(after: number): { packed: Uint8Array[]; last: number } {
    const rows = this.#prepared(
      `SELECT ${columns('n')}, ${columnsOf('descriptors')} FROM descriptors WHERE n > ? ORDER BY n`,
    ).all(after) as DescriptorRow[];
    const damaged = rows.filter(({ body, crc }) => crc !== this.#crc('descriptors', [body]));
    if (damaged.length > 0) throw damagedRowsIn(this.file, damaged.length);
    return { packed: rows.map(({ body }) => body), last: rows.at(-1)?.n ?? after };
  }

  /** The newest packed slots and the seq up to which they speak. */
  slots(): { seq: Seq; body: Uint8Array } | null {
    for (const { seq, body, crc } of this.#rows<{ seq: number; body: Buffer; crc: number }>(
      `SELECT ${columnsOf('slots')} FROM slots ORDER BY seq DESC`,
    ))
      if (crc === this.#crc('slots', [seq, body])) return { seq, body };
    return null;
  }

  /** Every frame with its bytes, one at a time, in order (or the newest first). Of one that is not sound nothing may be believed. */
  *frames(newestFirst = false): Generator<Readonly<Extent> & { lane: number; body: Uint8Array; isSound: boolean }> {
    const order = newestFirst ? 'DESC' : 'ASC';
    for (const row of this.#rows<FrameRow>(`SELECT ${columnsOf('frames')} FROM frames ORDER BY first ${order}`)) {
      const { first, last, lane, count, body } = row;
      yield { first, last, lane, count, body, isSound: this.#isSound(row) };
    }
  }

  /** The rows of every table, each by its key. */
  *rows(): Generator<{ table: string; row: number; isSound: boolean }> {
    for (const [table, fields] of Object.entries(checkedFields)) {
      if (table === 'removed' && !this.#hasTable(table)) continue;
      for (const found of this.#rows<Record<string, number | Buffer>>(`SELECT rowid AS row, * FROM ${table}`)) {
        const crc = this.#crc(
          table,
          fields.map((field) => found[field] ?? 0),
        );
        yield { table, row: Number(found['row']), isSound: found['crc'] === crc };
      }
    }
  }

  /** Every lane's sound frames in order, and how many rows are damaged. Reads the whole file: what a damaged row says of itself must not be believed. */
  index(): { lanes: Extent[][]; damagedRows: number } {
    const lanes: Extent[][] = streams.map(() => []);
    let damagedRows = 0;
    for (const row of this.#rows<FrameRow>(`SELECT ${columnsOf('frames')} FROM frames ORDER BY first`)) {
      const { first, last, lane, count } = row;
      const frames = lanes[lane];
      if (frames && this.#isSound(row)) frames.push({ first, last, count });
      else damagedRows += 1;
    }
    return { lanes, damagedRows };
  }

  /** The lanes' extents as written at the sealing; null where that did not happen (or is damaged). */
  summary(): (Extent | null)[] | null {
    return this.isSealed() ? this.writtenSummary() : null;
  }

  /** The same, also where the sealing was cut short behind it: then nothing was written any more. */
  writtenSummary(): (Extent | null)[] | null {
    const rows = this.#prepared(`SELECT ${columnsOf('summary')} FROM summary`).all() as (Extent & {
      lane: number;
      crc: number;
    })[];
    if (rows.length !== streams.length) return null;
    const lanes: (Extent | null)[] = streams.map(() => null);
    for (const { lane, first, last, count, crc } of rows) {
      if (crc !== this.#crc('summary', [lane, first, last, count])) return null;
      lanes[lane] = count === 0 ? null : { first, last, count };
    }
    return lanes;
  }

  isSealed(): boolean {
    return this.#db.pragma('journal_mode', { simple: true }) === 'delete';
  }

  /** Everything into the one file, which then opens on a read-only disk and is never written again. */
  seal(summary: readonly (Extent | null)[]): void {
    this.#db.exec('BEGIN IMMEDIATE');
    for (const [lane, extent] of summary.entries()) {
      const { first, last, count } = extent ?? { first: 0, last: 0, count: 0 };
      const crc = this.#crc('summary', [lane, first, last, count]);
      this.#run('INSERT OR REPLACE INTO summary VALUES (?, ?, ?, ?, ?)', lane, first, last, count, crc);
    }
    this.#db.exec('COMMIT');
    this.#statements.clear();
    this.#db.pragma('journal_mode = DELETE');
    const mode = this.#db.pragma('journal_mode', { simple: true });
    if (mode !== 'delete') throw new BufferError('SEAL_FAILED', `${this.file}: journal_mode stays ${String(mode)}`);
  }

  close(): void {
    this.#db.close();
  }

  #isSound(row: FrameRow): boolean {
    return row.crc === this.#crc('frames', [row.first, row.last, row.lane, row.count, row.body, row.settled]);
  }

  /** A field that must not be null may be, where the file is torn. */
  #crc(table: string, fields: readonly (number | string | Buffer | null)[]): number {
    return rowCrc(this.name, table, fields);
  }

  #hasTable(table: string): boolean {
    return this.#prepared("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !== undefined;
  }

  #run(sql: string, ...values: readonly unknown[]): void {
    this.#prepared(sql).run(...values);
  }

  #rows<Row>(sql: string): Iterable<Row> {
    return this.#db.prepare(sql).iterate() as Iterable<Row>;
  }

  #prepared(sql: string): Database.Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** WAL with a sync at every commit, read back: better-sqlite3 opens existing WAL files with less, and a setting that did not take must not pass. */
function setDurable(db: Database.Database, file: string): void {
  db.pragma('journal_mode = WAL');
  // Asked again: the answer above comes before SQLite has written it, and an error of that write is told to nobody.
  const mode = db.pragma('journal_mode', { simple: true });
  db.pragma('synchronous = FULL');
  const synchronous = db.pragma('synchronous', { simple: true });
  if (mode !== 'wal' || synchronous !== 2)
    throw new BufferError(
      'NOT_DURABLE',
      `${file}: journal_mode is ${String(mode)}, synchronous ${String(synchronous)}; needed: wal, 2 (FULL)`,
    );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
