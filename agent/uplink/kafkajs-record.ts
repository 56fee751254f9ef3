/** What kafkajs hands to its encoder of a record; a text is written as UTF-8. */
export interface RecordFields {
  readonly offsetDelta: number;
  /** Since the batch's first timestamp, never negative. */
  readonly timestampDelta: number;
  readonly key: string | Uint8Array | null;
  readonly value: string | Uint8Array | null;
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** As kafkajs asks an encoder for its bytes. */
interface Encoded {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

const attributes = 0;
const noHeaders = 0;
const noBytes = -1;

/**
 * A record of a batch, format 2 (Kafka protocol, "Record Batch"), in one buffer of the right size: kafkajs makes one of 512 bytes and a dozen small ones.
 * undefined for what we never send: bytes and headers.
 */
export function encodeRecord({ offsetDelta, timestampDelta, key, value, headers }: RecordFields): Encoded | undefined {
  if (headers !== undefined || typeof key !== 'string' || (typeof value !== 'string' && value !== null))
    return undefined;
  const keyBytes = Buffer.byteLength(key);
  const valueBytes = value === null ? noBytes : Buffer.byteLength(value);
  const size =
    1 +
    sizeOf(timestampDelta) +
    sizeOf(offsetDelta) +
    sizeOf(keyBytes) +
    keyBytes +
    sizeOf(valueBytes) +
    Math.max(0, valueBytes) +
    1;
  const bytes = Buffer.allocUnsafe(sizeOf(size) + size);
  let at = write(bytes, 0, size);
  at = bytes.writeUInt8(attributes, at);
  at = write(bytes, at, timestampDelta);
  at = write(bytes, at, offsetDelta);
  at = write(bytes, at, keyBytes);
  at += bytes.write(key, at);
  at = write(bytes, at, valueBytes);
  if (value !== null) at += bytes.write(value, at);
  bytes.writeUInt8(noHeaders, at);
  return { buf: bytes, buffer: bytes };
}

/** Bytes of an integer as zigzag varint: 0 −1 1 −2 … become 0 1 2 3 …, seven bits a byte, lowest first. */
function sizeOf(value: number): number {
  let bytes = 1;
  for (let rest = zigzag(value); rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Gives the place behind it. */
function write(bytes: Buffer, at: number, value: number): number {
  let place = at;
  let rest = zigzag(value);
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes[place++] = (rest % 128) | 128;
  bytes[place++] = rest;
  return place;
}

function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2;
}
