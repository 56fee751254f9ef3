import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Seq } from '../../agent/reading.ts';
import { columns } from '../columns.ts';
import type { Descriptor } from '../protocol.ts';
import type { Settled } from '../ranges.ts';

/** `SLUI` in the header of every segment. */
export const applicationId = 0x53_4c_55_49;
export const formatVersion = 1;
/** What lies beyond is a flipped bit, and no version to come. */
export const mostVersion = 255;

const tables = `
CREATE TABLE descriptors (n INTEGER PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE frames (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, lane INTEGER NOT NULL, count INTEGER NOT NULL,
  body BLOB NOT NULL, settled BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE settlements (n INTEGER PRIMARY KEY, settled BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE summary (lane INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE slots (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL);
`;
/** Only in a segment that was written anew without them. */
const removedTable = `
CREATE TABLE removed (n INTEGER PRIMARY KEY, lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
  crc INTEGER NOT NULL);
`;

/** The statements that make an empty segment. */
export function segmentSchema({ isCopy }: { readonly isCopy: boolean }): string {
  return `BEGIN; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}; ${tables} ${isCopy ? removedTable : ''} COMMIT;`;
}

/** Over all fields of a row, its table and its segment. */
export function rowCrc(segment: string, table: string, fields: readonly (number | string | Buffer | null)[]): number {
  let crc = crc32(`${segment} ${table}`);
  for (const field of fields) crc = crc32(typeof field === 'number' || field === null ? ` ${field} ` : field, crc);
  return crc;
}

/** What the CRC of a table's rows covers, in its order. */
export const checkedFields: Readonly<Record<string, readonly string[]>> = {
  frames: ['first', 'last', 'lane', 'count', 'body', 'settled'],
  descriptors: ['body'],
  settlements: ['settled'],
  summary: ['lane', 'first', 'last', 'count'],
  slots: ['seq', 'body'],
  removed: ['lane', 'first', 'last', 'count'],
};

/** For a SELECT: what the CRC of a table's rows covers, and the CRC. */
export function columnsOf(table: string): string {
  return columns(...(checkedFields[table] ?? []), 'crc');
}

/** Where a frame (or, as a summary, all frames of a lane) lies, without its bytes. */
export interface Extent {
  readonly first: Seq;
  readonly last: Seq;
  /** Entries. */
  readonly count: number;
}

/** As it lies on disk. */
export interface FrameRow {
  first: number;
  last: number;
  lane: number;
  count: number;
  body: Buffer;
  settled: Buffer;
  crc: number;
}

export interface DescriptorRow {
  n: number;
  body: Buffer;
  crc: number;
}

/** Entries of a lane that this file held and no longer does: `count` of them, from `first` to `last`. They were delivered, or dropped and told as loss. */
export interface RemovedRun extends Extent {
  readonly lane: number;
}

/** What a reader of a segment asks of its file, sound or not. Any method may throw: then this handle is spent. */
export interface SegmentRows {
  readonly name: string;
  /** Every lane's sound frames in order, and how many rows are damaged. */
  index(): { lanes: Extent[][]; damagedRows: number };
  /** The frame's bytes, or null if they are damaged. */
  read(first: Seq): Uint8Array | null;
  /** Packed descriptors behind row `after`, and the last row looked at. */
  descriptors(after: number): { packed: Uint8Array[]; last: number };
  /** What this segment knows to be settled: the union of all that is found holds. */
  settled(): Settled[][];
  /** The newest packed slots and the seq up to which they speak. */
  slots(): { seq: Seq; body: Uint8Array } | null;
  /** Every frame with its bytes, one at a time, in order (or the newest first). Of one that is not sound nothing may be believed. */
  frames(newestFirst?: boolean): Generator<Readonly<Extent> & { lane: number; body: Uint8Array; isSound: boolean }>;
  /** The lanes' extents as written at the sealing; null where that did not happen (or is damaged). */
  summary(): (Extent | null)[] | null;
  close(): void;
}

/** Descriptors of one commit, together: they say nearly the same, and one by one would outweigh an hour of readings. */
export function packDescriptors(descriptors: readonly Descriptor[]): Buffer {
  return zstdCompressSync(JSON.stringify(descriptors.map(({ id, json }) => [id, json])));
}

/** Pairs of id and JSON, zstd over JSON. Throws when the bytes are neither. */
export function unpackDescriptors(body: Uint8Array): Descriptor[] {
  const pairs = JSON.parse(zstdDecompressSync(body).toString()) as [number, string][];
  return pairs.map(([id, json]) => ({ id, json }));
}

/** By the first 100 bytes of a file (SQLite's header): a segment that a newer sluice wrote. */
export function isOfNewerVersion(header: Buffer): boolean {
  if (header.length < 72 || header.readUInt32BE(68) !== applicationId) return false;
  const found = header.readUInt32BE(60);
  return found > formatVersion && found <= mostVersion;
}
