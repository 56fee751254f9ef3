import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BufferError } from '../../agent/errors.ts';
import { streams } from '../../agent/reading.ts';
import type { Seq } from '../../agent/reading.ts';
import { candidatesIn, rowAt } from './page-rows.ts';
import type { Field, PageOf, SoundRow } from './page-rows.ts';
import { decodeSettled } from '../ranges.ts';
import type { Settled } from '../ranges.ts';
import type { Extent, FrameRow, RemovedRun, SegmentRows } from '../segments/segment-format.ts';

const usualPageBytes = 4096;
const walHeaderBytes = 32;
const walFrameHeaderBytes = 24;
/** Of the file that is held in memory at a time. */
const chunkBytes = 1024 * 1024;

/** To read what the disk fails to give. */
const mostAttempts = 5;
/** As a row's number: behind every row. */
const allDescriptors = 2 ** 40;

/** Where a row's record begins: a page by its offset in a file, and the place in it. */
interface Place {
  readonly file: number;
  readonly page: number;
  readonly at: number;
}

interface FoundFrame extends Extent {
  readonly lane: number;
  readonly place: Place;
}

/**
 * A segment that SQLite does not read, or not whole: its pages, and those of the WAL beside it, are searched for rows without SQLite, and a row is believed
 * by its CRC alone. Writes nothing. Opening reads the file once (16 MB at most); of the frames only their places stay in memory.
 */
export class DamagedSegment implements SegmentRows {
  readonly name: string;
  readonly #file: number;
  readonly #wal: number | null;
  readonly #pageBytes: number;
  /** Pages in the WAL by their number: the offset of the newest. */
  readonly #walPages = new Map<number, number>();
  /** That the disk does not give. */
  #unreadablePages = 0;
  readonly #frames = new Map<Seq, FoundFrame>();
  /** Rows of the small tables, by table and number. */
  readonly #others = new Map<string, SoundRow>();

  /** Throws BufferError `NOTHING_SOUND` where no row of the segment is left, `DISK_FAILED` where none can be read now, and what the file system throws when it does not let us look. */
  static open(file: string): DamagedSegment {
    const handle = openSync(file, 'r');
    let wal: number | null = null;
    try {
      // Where a salvage was cut short, the WAL has gone ahead.
      const beside = [`${file}-wal`, join(dirname(file), 'quarantine', `${basename(file)}-wal`)].find(existsSync);
      if (beside !== undefined) wal = openSync(beside, 'r');
      const found = new DamagedSegment(basename(file, '.db'), handle, wal);
      const isNothing = found.#frames.size + found.#others.size === 0;
      if (isNothing && found.#unreadablePages > 0) throw new BufferError('DISK_FAILED', `${file} cannot be read now`);
      if (isNothing) throw new BufferError('NOTHING_SOUND', `${file}: no row in it is what was written`);
      return found;
    } catch (error) {
      closeSync(handle);
      if (wal !== null) closeSync(wal);
      throw error;
    }
  }

  private constructor(name: string, file: number, wal: number | null) {
    this.name = name;
    this.#file = file;
    this.#wal = wal;
    const said = bytesAt(file, 16, 2)?.readUInt16BE(0);
    this.#pageBytes = said === 512 ? said : usualPageBytes;
    if (wal !== null) this.#learnWalPages(wal);
    this.#search(file, 0, this.#pageBytes, 0);
    if (wal !== null) this.#search(wal, walHeaderBytes, walFrameHeaderBytes + this.#pageBytes, walFrameHeaderBytes);
  }

  index(): { lanes: Extent[][]; damagedRows: number } {
    const lanes: Extent[][] = streams.map(() => []);
    for (const { first, last, count, lane } of this.#inOrder()) lanes[lane]?.push({ first, last, count });
    return { lanes, damagedRows: 0 };
  }

  read(first: Seq): Uint8Array | null {
    return this.row(first)?.body ?? null;
  }

  /** The frame as it lies on disk, or null if it is damaged. */
  row(first: Seq): FrameRow | null {
    const found = this.#frames.get(first);
    const fields = found && this.#rowIn(found.place)?.fields;
    return fields ? frameRow(fields) : null;
  }

  /** All of them at once: the rows' numbers are not part of what their CRC covers. */
  descriptors(after: number): { packed: Uint8Array[]; last: number } {
    const packed = after >= allDescriptors ? [] : this.#bodiesOf('descriptors', 'body');
    return { packed, last: allDescriptors };
  }

  settled(): Settled[][] {
    const found = this.#bodiesOf('settlements', 'settled').map((body) => decodeSettled(body));
    for (const { first } of this.#inOrder().toReversed()) {
      const row = this.row(first);
      if (row === null) continue;
      found.push(decodeSettled(row.settled));
      break;
    }
    return found;
  }

  slots(): { seq: Seq; body: Uint8Array } | null {
    const newest = this.#rowsOf('slots').at(-1);
    const body = newest?.fields.get('body');
    return newest && body instanceof Buffer ? { seq: newest.rowid, body } : null;
  }

  *frames(newestFirst = false): Generator<Readonly<Extent> & { lane: number; body: Uint8Array; isSound: boolean }> {
    const found = this.#inOrder();
    for (const { first, last, count, lane } of newestFirst ? found.toReversed() : found) {
      const body = this.read(first);
      if (body !== null) yield { first, last, count, lane, body, isSound: true };
    }
  }

  summary(): (Extent | null)[] | null {
    const rows = new Map(this.#rowsOf('summary').map(({ rowid, fields }) => [rowid, fields]));
    const lanes = streams.map((_, lane) => rows.get(lane));
    if (!lanes.every((fields) => fields !== undefined)) return null;
    return lanes.map((fields) => {
      const { first = 0, last = 0, count = 0 } = Object.fromEntries(fields) as Record<string, number>;
      return count === 0 ? null : { first, last, count };
    });
  }

  /** What this file held once, and what was delivered or dropped. */
  removed(): RemovedRun[] {
    return this.#rowsOf('removed').map(({ fields }) => {
      const { lane = 0, first = 0, last = 0, count = 0 } = Object.fromEntries(fields) as Record<string, number>;
      return { lane, first, last, count };
    });
  }

  close(): void {
    closeSync(this.#file);
    if (this.#wal !== null) closeSync(this.#wal);
  }

  #inOrder(): FoundFrame[] {
    return [...this.#frames.values()].toSorted((a, b) => a.first - b.first);
  }

  #rowsOf(table: string): SoundRow[] {
    return [...this.#others.values()].filter((row) => row.table === table).toSorted((a, b) => a.rowid - b.rowid);
  }

  #bodiesOf(table: string, field: string): Buffer[] {
    return this.#rowsOf(table).flatMap(({ fields }) => {
      const body = fields.get(field);
      return body instanceof Buffer ? [body] : [];
    });
  }

  /** Frames of an earlier round of the WAL have other salts; their pages are in the file, but a damaged header must not hide what follows. */
  #learnWalPages(wal: number): void {
    const salts = bytesAt(wal, 16, 8);
    const own = new Set<number>();
    const step = walFrameHeaderBytes + this.#pageBytes;
    for (let at = walHeaderBytes; ; at += step) {
      const header = bytesAt(wal, at, walFrameHeaderBytes);
      if (header === null) return;
      const page = header.readUInt32BE(0);
      const isOwn = salts?.equals(header.subarray(8, 16)) === true;
      if (!isOwn && own.has(page)) continue;
      if (isOwn) own.add(page);
      this.#walPages.set(page, at + walFrameHeaderBytes);
    }
  }

  /** Every page of a file that begins at `from`, `step` bytes apart, each behind `before` bytes of its own. */
  #search(file: number, from: number, step: number, before: number): void {
    const pages = Math.max(1, Math.floor(chunkBytes / step));
    // By its size: a disk that gives nothing does not say where the file ends.
    const { size } = fstatSync(file);
    for (let at = from; at < size; at += pages * step) {
      const chunk = bytesUpTo(file, at, pages * step);
      if (chunk?.length === 0) return;
      for (let place = 0; place + step <= pages * step; place += step) {
        // A part of the disk that fails costs its own pages only.
        const page = chunk
          ? chunk.subarray(place + before, place + step)
          : bytesUpTo(file, at + place + before, this.#pageBytes);
        if (page === null) this.#unreadablePages += 1;
        if (page?.length !== this.#pageBytes) continue;
        for (const offset of candidatesIn(page)) this.#note({ file, page: at + place + before, at: offset }, page);
      }
    }
  }

  #note(place: Place, page: Buffer): void {
    const row = this.#rowIn(place, page);
    if (row === null) return;
    if (row.table !== 'frames') {
      this.#others.set(`${row.table} ${row.rowid}`, row);
      return;
    }
    const { first, last, lane, count } = frameRow(row.fields);
    if (streams[lane] !== undefined && !this.#frames.has(first))
      this.#frames.set(first, { first, last, lane, count, place });
  }

  #rowIn({ file, page: offset, at }: Place, known?: Buffer): SoundRow | null {
    const page = known ?? bytesAt(file, offset, this.#pageBytes);
    if (page === null) return null;
    const ofWal: PageOf = (number) => {
      const inWal = this.#walPages.get(number);
      return inWal === undefined || this.#wal === null ? ofFile(number) : bytesAt(this.#wal, inWal, this.#pageBytes);
    };
    const ofFile: PageOf = (number) => bytesAt(this.#file, (number - 1) * this.#pageBytes, this.#pageBytes);
    const row = rowAt(this.name, page, at, ofWal);
    return row === null && this.#wal !== null ? rowAt(this.name, page, at, ofFile) : row;
  }
}

function frameRow(fields: ReadonlyMap<string, Field>): FrameRow {
  return Object.fromEntries(fields) as unknown as FrameRow;
}

/** So many bytes; null: they are not there, or cannot be read. */
function bytesAt(file: number, at: number, count: number): Buffer | null {
  const bytes = bytesUpTo(file, at, count);
  return bytes?.length === count ? bytes : null;
}

/** Fewer at the end of the file; null: they cannot be read, time and again. */
function bytesUpTo(file: number, at: number, count: number): Buffer | null {
  for (let attempt = 0; attempt < mostAttempts; attempt++)
    try {
      const bytes = Buffer.allocUnsafe(count);
      return bytes.subarray(0, readSync(file, bytes, 0, count, at));
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EIO') throw error;
    }
  return null;
}
