/// <reference lib="esnext.float16" />
import { decimalOf, numberOf, plus, times } from '../decimal.ts';
import type { Decimal } from '../decimal.ts';
import type { Decoding, SumPart } from './decode.ts';
import { wordsOfText } from './texts.ts';
import { bytePlaces, registersOf, reordered, swapsBytes } from './types.ts';
import type { ByteOrder, NumberType } from './types.ts';

const writers: Readonly<Record<NumberType, (bytes: Buffer, raw: Decimal) => void>> = {
  int8h: (bytes, raw) => bytes.writeInt8(Number(BigInt.asIntN(8, whole(raw))), 0),
  int8l: (bytes, raw) => bytes.writeInt8(Number(BigInt.asIntN(8, whole(raw))), 1),
  uint8h: (bytes, raw) => bytes.writeUInt8(Number(BigInt.asUintN(8, whole(raw))), 0),
  uint8l: (bytes, raw) => bytes.writeUInt8(Number(BigInt.asUintN(8, whole(raw))), 1),
  int16: (bytes, raw) => bytes.writeInt16BE(Number(BigInt.asIntN(16, whole(raw)))),
  uint16: (bytes, raw) => bytes.writeUInt16BE(Number(BigInt.asUintN(16, whole(raw)))),
  int32: (bytes, raw) => bytes.writeInt32BE(Number(BigInt.asIntN(32, whole(raw)))),
  uint32: (bytes, raw) => bytes.writeUInt32BE(Number(BigInt.asUintN(32, whole(raw)))),
  int48: (bytes, raw) => bytes.writeIntBE(Number(BigInt.asIntN(48, whole(raw))), 0, 6),
  uint48: (bytes, raw) => bytes.writeUIntBE(Number(BigInt.asUintN(48, whole(raw))), 0, 6),
  int64: (bytes, raw) => bytes.writeBigInt64BE(BigInt.asIntN(64, whole(raw))),
  uint64: (bytes, raw) => bytes.writeBigUInt64BE(BigInt.asUintN(64, whole(raw))),
  float16: (bytes, raw) => {
    new DataView(bytes.buffer, bytes.byteOffset, 2).setFloat16(0, numberOf(raw));
  },
  float32: (bytes, raw) => bytes.writeFloatBE(numberOf(raw)),
  float64: (bytes, raw) => bytes.writeDoubleBE(numberOf(raw)),
  bcd16: (bytes, raw) => bytes.write(decimalDigits(raw, 4), 'hex'),
  bcd32: (bytes, raw) => bytes.write(decimalDigits(raw, 8), 'hex'),
  mod10k32: fourDigitsEach,
  mod10k48: fourDigitsEach,
  mod10k64: fourDigitsEach,
};

/** The last digits of a whole number; of a negative one, what a counter that rolls over shows. */
function decimalDigits(raw: Decimal, count: number): string {
  const size = 10n ** BigInt(count);
  return String(((whole(raw) % size) + size) % size).padStart(count, '0');
}

function fourDigitsEach(bytes: Buffer, raw: Decimal): void {
  const digits = decimalDigits(raw, bytes.length * 2);
  for (let at = 0; at < bytes.length; at += 2) bytes.writeUInt16BE(Number(digits.slice(at * 2, at * 2 + 4)), at);
}

/**
 * The inverse of `decoderOf`, for simulated meters: engineering value (a number, or decimal text of any length; of a string its text) to
 * the words a meter would send. Integers are rounded to the nearest step and roll over at the end of their range, as a meter's register does.
 */
export function encoderOf(decoding: Decoding & { readonly registers: number }): (value: number | string) => Buffer {
  const { type, byteOrder, registers } = decoding;
  if (type === 'string') return (value) => wordsOfText(String(value), registers, byteOrder);
  const scale = decimalOf(String(decoding.scale));
  const offset = times(decimalOf(String(decoding.offset)), decimalOf('-1'));
  const rawOf = (value: number | string): Decimal => divided(plus(decimalOf(String(value)), offset), scale);
  if (type === 'sum') {
    const encode = sumEncoder(decoding.sum, byteOrder);
    return (value) => encode(rawOf(value));
  }
  if (type === 'bit') {
    return (value) => {
      const bytes = Buffer.alloc(2);
      bytes.writeUInt16BE(whole(rawOf(value)) === 0n ? 0 : 1 << bitPlace(decoding));
      return bytes;
    };
  }
  const encode = numberEncoder(type, byteOrder);
  return (value) => encode(rawOf(value));
}

/** The bits of its words that are a point's own: others may have the rest of a register. */
export function maskOf({ type, byteOrder, bit, registers }: Decoding & { readonly registers: number }): Buffer {
  const mask = Buffer.alloc(registers * 2, 0xff);
  if (type === 'bit') mask.writeUInt16BE(bit === null ? 0xffff : 1 << bitPlace({ byteOrder, bit }));
  else if (/^u?int8[hl]$/.test(type)) {
    mask.writeUInt16BE(type.endsWith('h') === swapsBytes(byteOrder) ? 0x00ff : 0xff00);
  }
  return mask;
}

const bitPlace = ({ byteOrder, bit }: Pick<Decoding, 'byteOrder' | 'bit'>): number =>
  swapsBytes(byteOrder) ? (bit ?? 0) ^ 8 : (bit ?? 0);

function numberEncoder(type: NumberType, byteOrder: ByteOrder): (raw: Decimal) => Buffer {
  const places = bytePlaces(byteOrder, registersOf(type));
  return (raw) => {
    const bytes = Buffer.alloc(registersOf(type) * 2);
    writers[type](bytes, raw);
    return reordered(bytes, places);
  };
}

/** The coarsest part takes the whole steps of what is left, the finest the rest. */
function sumEncoder(parts: readonly SumPart[], byteOrder: ByteOrder): (raw: Decimal) => Buffer {
  const encoders = parts.map(({ type }) => numberEncoder(type, byteOrder));
  const coarsestFirst = [...parts.entries()].toSorted(([, a], [, b]) => Math.abs(b.scale) - Math.abs(a.scale));
  return (raw) => {
    let left = raw;
    const words: Buffer[] = parts.map(() => Buffer.alloc(0));
    for (const [rank, [at, { scale }]] of coarsestFirst.entries()) {
      const step = decimalOf(String(scale));
      const steps = divided(left, step);
      const taken = { digits: rank === parts.length - 1 ? whole(steps) : floor(steps), exponent: 0 };
      words[at] = encoders[at]?.(taken) ?? Buffer.alloc(0);
      left = plus(left, times(taken, times(step, decimalOf('-1'))));
    }
    return Buffer.concat(words);
  };
}

/** Enough digits for any double. */
const quotientDigits = 40;

function divided(a: Decimal, b: Decimal): Decimal {
  const exponent = a.exponent - b.exponent - quotientDigits;
  return { digits: rounded(a.digits * 10n ** BigInt(quotientDigits), b.digits), exponent };
}

function whole({ digits, exponent }: Decimal): bigint {
  return exponent >= 0 ? digits * 10n ** BigInt(exponent) : rounded(digits, 10n ** BigInt(-exponent));
}

/** Towards zero. */
function floor({ digits, exponent }: Decimal): bigint {
  return exponent >= 0 ? digits * 10n ** BigInt(exponent) : digits / 10n ** BigInt(-exponent);
}

/** Half away from zero. */
function rounded(a: bigint, b: bigint): bigint {
  const negative = a < 0n !== b < 0n;
  const [top, bottom] = [a < 0n ? -a : a, b < 0n ? -b : b];
  const quotient = (2n * top + bottom) / (2n * bottom);
  return negative ? -quotient : quotient;
}
