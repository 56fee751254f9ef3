import { checkedFields, rowCrc } from '../segments/segment-format.ts';

export type Field = number | Buffer;

/** A row that is what was written, by its CRC. */
export interface SoundRow {
  readonly table: string;
  readonly rowid: number;
  /** By column, the row's key among them. */
  readonly fields: ReadonlyMap<string, Field>;
}

/** A page by its number, from 1; null: it cannot be read. */
export type PageOf = (number: number) => Buffer | null;

/** Of our rows: the header's own length is one byte, and the first column, the key, stands as NULL. */
const leastHeader = 4;
const mostHeader = 20;

/** The columns behind the key, in the order of the table: blobs, all else integers. `first` is the key of `frames`. */
const tables: readonly { table: string; key: string; columns: readonly string[] }[] = [
  { table: 'frames', key: 'first', columns: ['last', 'lane', 'count', 'body', 'settled', 'crc'] },
  { table: 'descriptors', key: 'n', columns: ['body', 'crc'] },
  { table: 'settlements', key: 'n', columns: ['settled', 'crc'] },
  { table: 'summary', key: 'lane', columns: ['first', 'last', 'count', 'crc'] },
  { table: 'removed', key: 'n', columns: ['lane', 'first', 'last', 'count', 'crc'] },
  { table: 'slots', key: 'seq', columns: ['body', 'crc'] },
];
const blobs = new Set(['body', 'settled']);

/**
 * Offsets in a page at which the record of a row may begin. Neither the page's kind nor its list of cells is believed, since they may be what is
 * damaged: every place that looks like the header of one of our records is tried, and the row's CRC decides.
 */
export function* candidatesIn(page: Buffer): Generator<number> {
  for (let at = 2; at + 1 < page.length; at++) {
    const header = page[at] ?? 0;
    if (page[at + 1] === 0 && header >= leastHeader && header <= mostHeader) yield at;
  }
}

/** The row whose record begins at an offset of a page; null: there is none that its CRC confirms. `segment`: the name that the CRC covers. */
export function rowAt(segment: string, page: Buffer, at: number, pageOf: PageOf): SoundRow | null {
  const types = serialTypes(page, at);
  if (types === null) return null;
  const sizes = types.map(sizeOfType);
  const total = (page[at] ?? 0) + sizes.reduce((sum, size) => sum + size, 0);
  const rowid = rowidBefore(page, at, total);
  if (rowid === null) return null;
  const shapes = tables.filter(({ columns }) => fits(types, columns));
  if (shapes.length === 0) return null;
  const record = recordAt(page, at, total, pageOf);
  if (record === null) return null;
  for (const { table, key, columns } of shapes) {
    const fields = fieldsOf(record, types.slice(1), sizes.slice(1), columns);
    fields.set(key, rowid);
    const checked = (checkedFields[table] ?? []).map((field) => fields.get(field) ?? 0);
    if (fields.get('crc') === rowCrc(segment, table, checked)) return { table, rowid, fields };
  }
  return null;
}

/** Behind the header's length; null: no header of ours. */
function serialTypes(page: Buffer, at: number): number[] | null {
  const end = at + (page[at] ?? 0);
  const types: number[] = [];
  for (let next = at + 1; next < end;) {
    const found = varintAt(page, next);
    if (found === null || found.end > end) return null;
    types.push(found.value);
    next = found.end;
  }
  return types;
}

function fits(types: readonly number[], columns: readonly string[]): boolean {
  return (
    types.length === columns.length + 1 &&
    columns.every((column, place) => {
      const type = types[place + 1] ?? 0;
      return blobs.has(column) ? type >= 12 && type % 2 === 0 : (type >= 1 && type <= 6) || type === 8 || type === 9;
    })
  );
}

function sizeOfType(type: number): number {
  return type >= 12 ? (type - 12) >> 1 : ([0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] ?? 0);
}

/** Before the record stand the length of the whole record and the row's key, as varints. null: they do not. */
function rowidBefore(page: Buffer, at: number, total: number): number | null {
  let start = at - 1;
  while (start > 0 && at - start < 9 && (page[start - 1] ?? 0) >= 128) start -= 1;
  const rowid = varintAt(page, start);
  if (rowid === null || rowid.end !== at) return null;
  const length = varintOf(total);
  const from = start - length.length;
  return from >= 0 && length.every((byte, place) => page[from + place] === byte) ? rowid.value : null;
}

/**
 * A record of `total` bytes, its overflow pages included. How much of it a leaf keeps: SQLite's file format (sqlite.org/fileformat2.html),
 * "B-tree Pages", of a table leaf.
 */
function recordAt(page: Buffer, at: number, total: number, pageOf: PageOf): Buffer | null {
  const overflowBytes = page.length - 4;
  const mostLocal = page.length - 35;
  const leastLocal = Math.floor(((page.length - 12) * 32) / 255) - 23;
  const spread = leastLocal + ((total - leastLocal) % overflowBytes);
  const local = total <= mostLocal ? total : spread <= mostLocal ? spread : leastLocal;
  if (at + local + (local < total ? 4 : 0) > page.length) return null;
  const parts = [page.subarray(at, at + local)];
  let next = local < total ? page.readUInt32BE(at + local) : 0;
  for (let left = total - local; left > 0;) {
    const overflow = next === 0 ? null : pageOf(next);
    if (overflow === null) return null;
    const taken = Math.min(left, overflowBytes);
    parts.push(overflow.subarray(4, 4 + taken));
    left -= taken;
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts);
}

function fieldsOf(
  record: Buffer,
  types: readonly number[],
  sizes: readonly number[],
  columns: readonly string[],
): Map<string, Field> {
  const fields = new Map<string, Field>();
  let at = record[0] ?? 0;
  for (const [place, column] of columns.entries()) {
    const type = types[place] ?? 0;
    const size = sizes[place] ?? 0;
    const bytes = record.subarray(at, at + size);
    fields.set(column, type >= 12 ? bytes : type === 8 ? 0 : type === 9 ? 1 : integerOf(bytes));
    at += size;
  }
  return fields;
}

/** Big-endian two's complement. */
function integerOf(bytes: Buffer): number {
  return bytes.length <= 6 ? bytes.readIntBE(0, bytes.length) : Number(bytes.readBigInt64BE(0));
}

/** SQLite's varint: seven bits a byte, the highest first. Of the nine-byte form no number of ours has need. */
function varintAt(page: Buffer, at: number): { value: number; end: number } | null {
  let value = 0;
  for (let end = at; end < at + 8; end++) {
    const byte = page[end];
    if (byte === undefined) return null;
    value = value * 128 + (byte & 127);
    if (byte < 128) return { value, end: end + 1 };
  }
  return null;
}

function varintOf(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest % 128) | 128);
  return bytes;
}
