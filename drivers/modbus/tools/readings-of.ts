import { decimalOf } from '../decimal.ts';
import type { Decimal } from '../decimal.ts';
import { decoderOf } from '../decode.ts';
import { registersOf, registerTypes } from '../types.ts';
import type { ByteOrder, RegisterType } from '../types.ts';

/** Types of numbers, narrow ones first. */
export const numberTypes = (Object.keys(registerTypes) as RegisterType[]).toSorted(
  (a, b) => registersOf(a) - registersOf(b),
);

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
      const decode = decoderOf({ type, byteOrder, scale: 1, offset: 0, min: null, max: null });
      const read: ReadNumber = (words) => {
        const { value, text } = decode(words);
        return value === null ? null : decimalOf(text ?? String(value));
      };
      return [`${type} ${byteOrder}`, read] as const;
    }),
  ),
);

export function readerOf(type: RegisterType, byteOrder: ByteOrder): ReadNumber {
  return readers.get(`${type} ${byteOrder}`) ?? (() => null);
}
