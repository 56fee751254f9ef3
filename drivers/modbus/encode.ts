/// <reference lib="esnext.float16" />
import { decimalOf, numberOf, plus, times } from './decimal.ts';
import type { Decimal } from './decimal.ts';
import type { Decoding } from './decode.ts';
import { bytePlaces, registersOf } from './types.ts';
import type { RegisterType } from './types.ts';

const writers: Readonly<Record<RegisterType, (bytes: Buffer, raw: Decimal) => void>> = {
  int16: (bytes, raw) => bytes.writeInt16BE(Number(BigInt.asIntN(16, whole(raw)))),
  uint16: (bytes, raw) => bytes.writeUInt16BE(Number(BigInt.asUintN(16, whole(raw)))),
  int32: (bytes, raw) => bytes.writeInt32BE(Number(BigInt.asIntN(32, whole(raw)))),
  uint32: (bytes, raw) => bytes.writeUInt32BE(Number(BigInt.asUintN(32, whole(raw)))),
  int64: (bytes, raw) => bytes.writeBigInt64BE(BigInt.asIntN(64, whole(raw))),
  uint64: (bytes, raw) => bytes.writeBigUInt64BE(BigInt.asUintN(64, whole(raw))),
  float16: (bytes, raw) => {
    new DataView(bytes.buffer, bytes.byteOffset, 2).setFloat16(0, numberOf(raw));
  },
  float32: (bytes, raw) => bytes.writeFloatBE(numberOf(raw)),
  float64: (bytes, raw) => bytes.writeDoubleBE(numberOf(raw)),
};

/**
 * The inverse of `decoderOf`, for simulated meters: engineering value (a number, or decimal text of any length) to the words a meter
 * would send. Integers are rounded to the nearest step and roll over at the end of their range, as a meter's register does.
 */
export function encoderOf(decoding: Decoding): (value: number | string) => Buffer {
  const registers = registersOf(decoding.type);
  const places = bytePlaces(decoding.byteOrder, registers);
  const scale = decimalOf(String(decoding.scale));
  const offset = times(decimalOf(String(decoding.offset)), decimalOf('-1'));
  return (value) => {
    const bytes = Buffer.alloc(registers * 2);
    writers[decoding.type](bytes, divided(plus(decimalOf(String(value)), offset), scale));
    return places === undefined ? bytes : Buffer.from(places.map((place) => bytes[place] ?? 0));
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

/** Half away from zero. */
function rounded(a: bigint, b: bigint): bigint {
  const negative = a < 0n !== b < 0n;
  const [top, bottom] = [a < 0n ? -a : a, b < 0n ? -b : b];
  const quotient = (2n * top + bottom) / (2n * bottom);
  return negative ? -quotient : quotient;
}
