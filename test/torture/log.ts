import { readFileSync } from 'node:fs';

/** In the order of `enum kind` in shim/shim.h. */
const kinds = [
  'write',
  'sync',
  'truncate',
  'rename',
  'unlink',
  'mkdir',
  'rmdir',
  'create',
  'open',
  'look',
  'read',
  'map',
  'close',
  'index',
  'mark',
] as const;

export type OpKind = (typeof kinds)[number];

/** A call that worked (or a sync that failed), as the shim recorded it. */
export interface Op {
  readonly kind: OpKind;
  readonly pid: number;
  readonly fd: number;
  /** Of an open: open(2). Of a sync: the error it was answered with, 0 if it worked. */
  readonly flags: number;
  /** Within the watched folder; `.` is itself. */
  readonly path: string;
  /** Of a rename. */
  readonly newPath: string;
  /** Of a write, where; of a truncate, the new size. */
  readonly offset: number;
  readonly data: Uint8Array;
}

const headBytes = 40;

/** The shim's log from its beginning; a record that a kill cut short ends it. */
export function readLog(file: string): Op[] {
  const bytes = readFileSync(file);
  const ops: Op[] = [];
  for (let at = 0; at + headBytes <= bytes.length;) {
    const size = bytes.readUInt32LE(at);
    if (at + size > bytes.length) break;
    const pathEnd = at + headBytes + bytes.readUInt32LE(at + 20);
    const newPathEnd = pathEnd + bytes.readUInt32LE(at + 24);
    const kind = kinds[bytes.readUInt32LE(at + 4)];
    if (kind === undefined) throw new RangeError(`${file} holds a kind of call that is not known, at byte ${at}`);
    ops.push({
      kind,
      pid: bytes.readInt32LE(at + 8),
      fd: bytes.readInt32LE(at + 12),
      flags: bytes.readInt32LE(at + 16),
      path: bytes.toString('utf8', at + headBytes, pathEnd),
      newPath: bytes.toString('utf8', pathEnd, newPathEnd),
      offset: Number(bytes.readBigInt64LE(at + 32)),
      data: bytes.subarray(newPathEnd, at + size),
    });
    at += size;
  }
  return ops;
}
