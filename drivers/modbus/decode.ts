/// <reference lib="esnext.float16" />
import type { Quality } from '../../agent/reading.ts';
import { decimalOf, equal, numberOf, plus, textOf, times } from './decimal.ts';
import type { Decimal } from './decimal.ts';
import { bytePlaces, registersOf } from './types.ts';
import type { ByteOrder, RegisterType } from './types.ts';

/** How the words of one point become its value. */
export interface Decoding {
  readonly type: RegisterType;
  readonly byteOrder: ByteOrder;
  readonly scale: number;
  readonly offset: number;
  /** Inclusive, in engineering units; outside: kept, uncertain. */
  readonly min: number | null;
  readonly max: number | null;
}

export interface Decoded {
  readonly value: number | null;
  /** Exact digits of a 64-bit total that a double cannot hold. */
  readonly text: string | null;
  readonly quality: Quality;
  readonly status: string;
}

const sensorFailure: Decoded = { value: null, text: null, quality: 'bad', status: 'BadSensorFailure' };

/** Makes the function from words as received (big-endian registers, exactly those of the point) to the value. */
export function decoderOf(decoding: Decoding): (words: Buffer) => Decoded {
  const { type } = decoding;
  const places = bytePlaces(decoding.byteOrder, registersOf(type));
  const scale = decoding.scale === 1 ? null : decimalOf(String(decoding.scale));
  const offset = decoding.offset === 0 ? null : decimalOf(String(decoding.offset));
  const min = decoding.min ?? -Infinity;
  const max = decoding.max ?? Infinity;
  const is64bit = type === 'int64' || type === 'uint64';

  return (words) => {
    const raw = readers[type](places === undefined ? words : reordered(words, places));
    if (typeof raw === 'number' && !Number.isFinite(raw)) return sensorFailure;
    let value: number;
    let text: string | null = null;
    if (scale === null && offset === null && !is64bit) {
      value = Number(shortest(type, raw));
    } else {
      const exact = scaled(decimalOf(String(shortest(type, raw))), scale, offset);
      value = numberOf(exact);
      // A float that overflows by scaling was no measurement either.
      if (!Number.isFinite(value)) return sensorFailure;
      if (is64bit && !equal(exact, decimalOf(String(value)))) text = textOf(exact);
    }
    if (value === 0) value = 0; // −0 is 0
    return value < min || value > max
      ? { value, text, quality: 'uncertain', status: 'UncertainEngineeringUnitsExceeded' }
      : { value, text, quality: 'good', status: 'Good' };
  };
}

/** Register words in hex as received: `0047 e352`. */
export function hexWords(words: Buffer): string {
  return words.toString('hex').replace(/(.{4})(?=.)/g, '$1 ');
}

function scaled(raw: Decimal, scale: Decimal | null, offset: Decimal | null): Decimal {
  const product = scale === null ? raw : times(raw, scale);
  return offset === null ? product : plus(product, offset);
}

function reordered(words: Buffer, places: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(words.length);
  for (const [index, place] of places.entries()) bytes[place] = words[index] ?? 0;
  return bytes;
}

const readers: Readonly<Record<RegisterType, (bytes: Buffer) => number | bigint>> = {
  int16: (bytes) => bytes.readInt16BE(),
  uint16: (bytes) => bytes.readUInt16BE(),
  int32: (bytes) => bytes.readInt32BE(),
  uint32: (bytes) => bytes.readUInt32BE(),
  int64: (bytes) => bytes.readBigInt64BE(),
  uint64: (bytes) => bytes.readBigUInt64BE(),
  float16: (bytes) => new DataView(bytes.buffer, bytes.byteOffset, 2).getFloat16(0),
  float32: (bytes) => bytes.readFloatBE(),
  float64: (bytes) => bytes.readDoubleBE(),
};

/** The number whose shortest text is also the shortest decimal that gives `raw` back in its own type: float32 230.39999389648438 is 230.4. */
function shortest(type: RegisterType, raw: number | bigint): number | bigint {
  if (typeof raw === 'number') {
    if (type === 'float32') return shortestOf(raw, 6, Math.fround);
    if (type === 'float16') return shortestOf(raw, 3, Math.f16round);
  }
  return raw;
}

/** `sure`: digits that survive the type for certain (FLT_DIG), so that a shorter decimal shows as trailing zeros; subnormals have fewer. */
function shortestOf(value: number, sure: number, round: (value: number) => number): number {
  for (let precision = Math.abs(value) < 1e-4 ? 1 : sure; precision < 9; precision++) {
    const candidate = Number(value.toPrecision(precision));
    if (round(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
