import { decimalOf } from '../../decimal.ts';
import type { Decimal } from '../../decimal.ts';
import { numberReader } from '../numbers.ts';
import { numberTypes as widths, registersOf } from '../types.ts';
import type { ByteOrder, NumberType } from '../types.ts';

/** Types of numbers, narrow ones first, parts of a register behind whole ones. */
export const numberTypes = (Object.keys(widths) as NumberType[]).toSorted(
  (a, b) => registersOf(a) - registersOf(b) || Number(isByte(a)) - Number(isByte(b)),
);

function isByte(type: NumberType): boolean {
  return /^u?int8/.test(type);
}

/** The orders that differ for so many registers, the usual ones first. */
export function ordersOf(registers: number): readonly ByteOrder[] {
  if (registers === 1) return ['ABCD', 'BADC'];
  if (registers === 4) return ['ABCD', 'CDAB', 'BADC', 'DCBA', 'EFGHABCD', 'CDABGHEF'];
  return ['ABCD', 'CDAB', 'BADC', 'DCBA'];
}

/** The number that words hold, unscaled; null: they hold none. */
export type ReadNumber = (words: Buffer) => Decimal | null;

const readers = new Map(
  numberTypes.flatMap((type) =>
    ordersOf(registersOf(type)).map((byteOrder) => {
      const rawOf = numberReader(type, byteOrder);
      const read: ReadNumber = (words) => {
        const raw = rawOf(words);
        return typeof raw === 'string' ? null : decimalOf(String(raw));
      };
      return [`${type} ${byteOrder}`, read] as const;
    }),
  ),
);

/** The reader of a type in a byte order; it says null for words that are no such number. */
export function readerOf(type: NumberType, byteOrder: ByteOrder): ReadNumber {
  return readers.get(`${type} ${byteOrder}`) ?? (() => null);
}
