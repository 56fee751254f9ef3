import type { Quality } from '../../agent/reading.ts';
import { decimalOf, equal, numberOf, plus, textOf, times } from '../decimal.ts';
import type { Decimal } from '../decimal.ts';
import { invalidNumbers, invalidWords } from './invalid.ts';
import type { InvalidMark } from './invalid.ts';
import { isWide, numberReader } from './numbers.ts';
import type { NoNumber } from './numbers.ts';
import { textOfWords } from './texts.ts';
import { registersOf, swapsBytes } from './types.ts';
import type { ByteOrder, NumberType, RegisterType } from './types.ts';

/** One number of a sum. */
export interface SumPart {
  /** As the protocol counts. */
  readonly address: number;
  readonly type: NumberType;
  readonly scale: number;
  readonly invalid: readonly InvalidMark[];
}

/** How the words of one point become its value. */
export interface Decoding {
  /** `sum`: of the numbers in `sum`. */
  readonly type: RegisterType | 'sum';
  readonly byteOrder: ByteOrder;
  /** 0…15, 0 the least significant; null: not a bit of a register. */
  readonly bit: number | null;
  readonly sum: readonly SumPart[];
  readonly invalid: readonly InvalidMark[];
  /** Names of numbers, which are then all that there are. */
  readonly enum: Readonly<Record<string, string>> | null;
  readonly scale: number;
  readonly offset: number;
  /** Inclusive, in engineering units; outside: kept, uncertain. */
  readonly min: number | null;
  readonly max: number | null;
}

export interface Decoded {
  readonly value: number | null;
  /** A string, the name of a number, or the exact digits of a total that a double cannot hold. */
  readonly text: string | null;
  readonly quality: Quality;
  readonly status: string;
}

/** `factor`: what other points say that this one is multiplied with; null: nothing. */
export type Decode = (words: Buffer, factor?: Decimal | null) => Decoded;

/** The number before scaling. */
type Reader = (words: Buffer) => number | bigint | Decimal | NoNumber;

/**
 * Makes the function from words as received (big-endian registers, exactly those of the point; of a sum, those of its parts in their order;
 * of a coil or discrete input one word that is 0 or 1) to the value.
 */
export function decoderOf(decoding: Decoding): Decode {
  if (decoding.type === 'string') return textDecoder(decoding);
  const read = readerOf(decoding, decoding.type);
  const scale = decoding.scale === 1 ? null : decimalOf(String(decoding.scale));
  const offset = decoding.offset === 0 ? null : decimalOf(String(decoding.offset));
  const isExact = mayExceedDouble(decoding);

  return (words, factor = null) => {
    const raw = read(words);
    if (typeof raw === 'string') return badValue(raw);
    let value: number;
    let text: string | null = null;
    if (scale === null && offset === null && factor === null && !isExact && typeof raw !== 'object') {
      value = Number(raw);
    } else {
      const exact = scaled(exactly(raw), scale, offset, factor);
      value = numberOf(exact);
      // A float that overflows by scaling was no measurement either.
      if (!Number.isFinite(value)) return badValue('BadSensorFailure');
      if (isExact && !equal(exact, decimalOf(String(value)))) text = textOf(exact);
    }
    if (value === 0) value = 0; // −0 is 0
    return judged(value, text, decoding);
  };
}

/** An observation without a value. */
export function badValue(status: string): Decoded {
  return { value: null, text: null, quality: 'bad', status };
}

/** Register words in hex as received: `0047 e352`. */
export function hexWords(words: Buffer): string {
  return words.toString('hex').replace(/(.{4})(?=.)/g, '$1 ');
}

function judged(value: number, digits: string | null, { enum: names, min, max }: Decoding): Decoded {
  const text = names === null ? digits : (names[String(value)] ?? null);
  if (names !== null && text === null) return { value, text, quality: 'uncertain', status: 'UncertainSubNormal' };
  return value < (min ?? -Infinity) || value > (max ?? Infinity)
    ? { value, text, quality: 'uncertain', status: 'UncertainEngineeringUnitsExceeded' }
    : { value, text, quality: 'good', status: 'Good' };
}

function textDecoder({ byteOrder, invalid }: Decoding): Decode {
  const isInvalid = invalidWords(invalid, 'string', byteOrder);
  return (words) =>
    isInvalid?.(words) === true
      ? badValue('BadSensorFailure')
      : { value: null, text: textOfWords(words, byteOrder), quality: 'good', status: 'Good' };
}

function readerOf({ byteOrder, bit, sum, invalid }: Decoding, type: NumberType | 'bit' | 'sum'): Reader {
  if (type === 'sum') return sumReader(sum, byteOrder);
  if (type !== 'bit') return markedReader(type, byteOrder, invalid);
  const place = swapsBytes(byteOrder) ? (bit ?? 0) ^ 8 : (bit ?? 0);
  const isInvalid = invalidWords(invalid, type, byteOrder);
  return (words) => (isInvalid?.(words) === true ? 'BadSensorFailure' : (words.readUInt16BE() >> place) & 1);
}

/** Words that are marked as invalid come before what the type makes of them: a BCD meter may say `ffff`. */
function markedReader(
  type: NumberType,
  byteOrder: ByteOrder,
  invalid: readonly InvalidMark[],
): (words: Buffer) => number | bigint | NoNumber {
  const read = numberReader(type, byteOrder);
  const isMarked = invalidWords(invalid, type, byteOrder);
  const isInvalid = invalidNumbers(invalid);
  if (isMarked === undefined && isInvalid === undefined) return read;
  return (words) => {
    if (isMarked?.(words) === true) return 'BadSensorFailure';
    const raw = read(words);
    return typeof raw !== 'string' && isInvalid?.(raw) === true ? 'BadSensorFailure' : raw;
  };
}

/** One part that has no number leaves the sum without one. */
function sumReader(parts: readonly SumPart[], byteOrder: ByteOrder): Reader {
  let from = 0;
  const readers = parts.map(({ type, scale, invalid }) => {
    const [start, end] = [from, (from += registersOf(type) * 2)];
    const read = markedReader(type, byteOrder, invalid);
    const factor = decimalOf(String(scale));
    return (words: Buffer): Decimal | NoNumber => {
      const raw = read(words.subarray(start, end));
      return typeof raw === 'string' ? raw : times(exactly(raw), factor);
    };
  });
  return (words) => {
    let sum: Decimal = { digits: 0n, exponent: 0 };
    for (const read of readers) {
      const part = read(words);
      if (typeof part === 'string') return part;
      sum = plus(sum, part);
    }
    return sum;
  };
}

/** Floats have no more digits than their shortest decimal, and narrower integers fit a double. */
function mayExceedDouble({ type, sum }: Decoding): boolean {
  if (type === 'sum') return sum.every((part) => !part.type.startsWith('float'));
  return type !== 'bit' && type !== 'string' && isWide(type);
}

function exactly(raw: number | bigint | Decimal): Decimal {
  return typeof raw === 'object' ? raw : decimalOf(String(raw));
}

function scaled(raw: Decimal, scale: Decimal | null, offset: Decimal | null, factor: Decimal | null): Decimal {
  const multiplied = factor === null ? raw : times(raw, factor);
  const product = scale === null ? multiplied : times(multiplied, scale);
  return offset === null ? product : plus(product, offset);
}
