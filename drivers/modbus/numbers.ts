/// <reference lib="esnext.float16" />
import { shortestDecimal } from '../decimal.ts';
import { bytePlaces, reordered, registersOf } from './types.ts';
import type { ByteOrder, NumberType } from './types.ts';

/** Why registers hold no number: NaN and ±Inf, or a digit that the type does not have. */
export type NoNumber = 'BadSensorFailure' | 'BadDecodingError';

/** The number that registers hold, before scaling: of a float, that whose shortest text is also its own shortest decimal. */
export type Raw = number | bigint | NoNumber;

/** Makes the function from words as received (exactly those of the number) to the number. */
export function numberReader(type: NumberType, byteOrder: ByteOrder): (words: Buffer) => Raw {
  const places = bytePlaces(byteOrder, registersOf(type));
  const read = readers[type];
  return (words) => {
    const raw = read(reordered(words, places));
    return typeof raw === 'number' && !Number.isFinite(raw) ? 'BadSensorFailure' : shortest(type, raw);
  };
}

/** Integers that may need more digits than a double holds, at least once they are scaled: their exact digits are told as text. */
export function isWide(type: NumberType): boolean {
  return registersOf(type) > 2 && type !== 'float64';
}

const readers: Readonly<Record<NumberType, (bytes: Buffer) => Raw>> = {
  int8h: (bytes) => bytes.readInt8(0),
  int8l: (bytes) => bytes.readInt8(1),
  uint8h: (bytes) => bytes.readUInt8(0),
  uint8l: (bytes) => bytes.readUInt8(1),
  int16: (bytes) => bytes.readInt16BE(),
  uint16: (bytes) => bytes.readUInt16BE(),
  int32: (bytes) => bytes.readInt32BE(),
  uint32: (bytes) => bytes.readUInt32BE(),
  int48: (bytes) => bytes.readIntBE(0, 6),
  uint48: (bytes) => bytes.readUIntBE(0, 6),
  int64: (bytes) => bytes.readBigInt64BE(),
  uint64: (bytes) => bytes.readBigUInt64BE(),
  float16: (bytes) => new DataView(bytes.buffer, bytes.byteOffset, 2).getFloat16(0),
  float32: (bytes) => bytes.readFloatBE(),
  float64: (bytes) => bytes.readDoubleBE(),
  bcd16: decimalDigits,
  bcd32: decimalDigits,
  mod10k32: fourDigitsEach,
  mod10k48: fourDigitsEach,
  mod10k64: fourDigitsEach,
};

/** Binary coded decimal: every half of a byte is a digit. */
function decimalDigits(bytes: Buffer): Raw {
  const digits = bytes.toString('hex');
  return /^\d+$/.test(digits) ? Number(digits) : 'BadDecodingError';
}

/** "Modulo 10000": every register holds four decimal digits, the first the highest. Four of them are more than a double holds. */
function fourDigitsEach(bytes: Buffer): Raw {
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 2) {
    const digits = bytes.readUInt16BE(at);
    if (digits > 9999) return 'BadDecodingError';
    sum = sum * 10_000n + BigInt(digits);
  }
  return sum;
}

/** The number whose shortest text is also the shortest decimal that gives `raw` back in its own type: float32 230.39999389648438 is 230.4. */
function shortest(type: NumberType, raw: Raw): Raw {
  if (typeof raw === 'number') {
    if (type === 'float32') return shortestDecimal(raw, 6, Math.fround);
    if (type === 'float16') return shortestDecimal(raw, 3, Math.f16round);
  }
  return raw;
}

/** Least and greatest number of an integer type; null: it is a float. */
export function integerRange(type: NumberType): readonly [bigint, bigint] | null {
  const [, unsigned, bits] = /^(u?)int(\d+)/.exec(type) ?? [];
  if (bits !== undefined) {
    const size = 2n ** BigInt(bits);
    return unsigned === 'u' ? [0n, size - 1n] : [-size / 2n, size / 2n - 1n];
  }
  return type.startsWith('float') ? null : [0n, 10_000n ** BigInt(registersOf(type)) - 1n];
}
