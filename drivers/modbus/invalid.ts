import { integerRange } from './numbers.ts';
import { bytePlaces, numberTypes, registersOf, reordered } from './types.ts';
import type { ByteOrder, NumberType } from './types.ts';

/**
 * What a device sends instead of a value. `"8000 0000"`: words as received, as `raw` shows them. `"0x80000000"`: the bits of the value, the most
 * significant first, whatever the byte order. A number: the one that the type gives, before scaling.
 */
export type InvalidMark = string | number;

type MarkedType = NumberType | 'bit' | 'string';

const isValueBits = (mark: string): boolean => mark.startsWith('0x');

/** Whether words as received stand for no value; undefined: no mark names any. */
export function invalidWords(
  marks: readonly InvalidMark[],
  type: MarkedType,
  byteOrder: ByteOrder,
): ((words: Buffer) => boolean) | undefined {
  const texts = marks.filter((mark) => typeof mark === 'string').map((mark) => mark.toLowerCase().replaceAll(' ', ''));
  if (texts.length === 0) return undefined;
  const received = new Set(texts.filter((mark) => !isValueBits(mark)));
  if (!isNumber(type)) return (words) => received.has(words.toString('hex'));
  const bits = new Set(texts.filter(isValueBits).map((mark) => mark.slice(2).padStart(hexDigits(type), '0')));
  const places = bytePlaces(byteOrder, registersOf(type));
  return (words) => received.has(words.toString('hex')) || bits.has(valueHex(type, reordered(words, places)));
}

/** Whether a number before scaling stands for no value; undefined: no mark names any. */
export function invalidNumbers(marks: readonly InvalidMark[]): ((raw: number | bigint) => boolean) | undefined {
  const numbers = new Set(marks.filter((mark) => typeof mark === 'number').map(plain));
  return numbers.size === 0 ? undefined : (raw) => numbers.has(plain(raw));
}

/** Why a mark can never be met, as the end of a sentence; undefined: it can. */
export function whyNeverMet(mark: InvalidMark, type: MarkedType, registers: number): string | undefined {
  if (typeof mark === 'string' && !isValueBits(mark)) {
    const words = mark.replaceAll(' ', '').length / 4;
    if (words === registers) return undefined;
    const example = Array.from({ length: Math.min(registers, 4) }, () => 'ffff').join(' ');
    return `${type} takes ${registers} of these words; allowed: as many as \`sluice read\` shows, e.g. "${example}${registers > 4 ? ' …' : ''}"`;
  }
  if (!isNumber(type)) return `allowed for a ${type}: words as \`sluice read\` shows them`;
  if (typeof mark === 'string') {
    const digits = mark.replace(/^0x0*/, '').length;
    return digits <= hexDigits(type) ? undefined : `${type} has ${hexDigits(type)} hex digits`;
  }
  const range = integerRange(type);
  if (range === null) return undefined;
  const isMet = Number.isInteger(mark) && BigInt(mark) >= range[0] && BigInt(mark) <= range[1];
  return isMet ? undefined : `${type} gives whole numbers ${range[0]}…${range[1]} before scaling`;
}

/** One text per number, whatever its width. */
const plain = (raw: number | bigint): string => (Number.isInteger(raw) ? String(BigInt(raw)) : String(raw));

const isNumber = (type: MarkedType): type is NumberType => Object.hasOwn(numberTypes, type);

const isByte = (type: NumberType): boolean => /^u?int8/.test(type);

const hexDigits = (type: NumberType): number => (isByte(type) ? 2 : numberTypes[type] * 4);

function valueHex(type: NumberType, bytes: Buffer): string {
  const hex = bytes.toString('hex');
  if (!isByte(type)) return hex;
  return type.endsWith('h') ? hex.slice(0, 2) : hex.slice(2);
}
