import { hexWords } from '../decode.ts';
import { decimalOf, plus, textOf, times } from '../../decimal.ts';
import type { Decimal } from '../../decimal.ts';
import type { Table } from '../protocol.ts';
import { registersOf } from '../types.ts';
import type { ByteOrder, NumberType } from '../types.ts';
import type { Face } from './face.ts';
import { numberTypes, ordersOf, readerOf } from './readings-of.ts';

/** Registers of one answer. */
export interface Window {
  readonly table: Table;
  readonly address: number;
  readonly words: Buffer;
}

/** Where the value may begin, as the question can be meant; `doubt`: how unlikely that is. */
export interface Origin {
  readonly table: Table;
  readonly address: number;
  readonly doubt: number;
}

export interface Match {
  readonly table: Table;
  readonly address: number;
  readonly type: NumberType;
  readonly byteOrder: ByteOrder;
  readonly scale: number;
  /** In hex, as received. */
  readonly raw: string;
  /** All digits. */
  readonly value: string;
  /**
   * `exact`: to the last digit of the face. `coarse`: to the last step of the register, which is larger. `rolled`: but for leading digits that the face
   * has no room for. `near`: within 0.5 %, the meter may have moved on.
   */
  readonly fit: 'exact' | 'coarse' | 'rolled' | 'near';
  /** How much must be believed to believe it: 0 is the plainest. */
  readonly doubt: number;
}

/** The meter may have moved on between two looks. */
const mostMoved = 0.005;
/** A shorter face tells too little to take leading digits for granted. */
const leastRolledDigits = 5;

/**
 * Every way to read the face's number from these registers, the plainest first: type × byte order × scale × address. What is plain: the address that was
 * asked for, the usual types and orders, a scale that makes the decimals of the face.
 */
export function rank(
  face: Face,
  windows: readonly Window[],
  origins: readonly Origin[],
  count: number | null,
): Match[] {
  const best = new Map<string, Match>();
  for (const { table, address: start, words } of windows) {
    for (const type of numberTypes) {
      const registers = registersOf(type);
      for (let at = 0; (at + registers) * 2 <= words.length; at++) {
        const place = { table, address: start + at };
        const raw = words.subarray(at * 2, (at + registers) * 2);
        const doubt = placeDoubt(place, origins) + (count === null || count > 4 || count === registers ? 0 : 0.4);
        for (const byteOrder of ordersOf(registers)) {
          const number = readerOf(type, byteOrder)(raw);
          if (number === null || number.digits === 0n) continue;
          for (const match of scaledMatches(face, number, type)) {
            const full = { ...place, type, byteOrder, raw: hexWords(raw), ...match };
            const sum = doubt + (typeDoubts[type] ?? 1) + orderDoubt(byteOrder, registers) + match.doubt;
            const key = `${table} ${place.address} ${registers} ${match.scale} ${match.value}`;
            const other = best.get(key);
            if (other === undefined || sum < other.doubt)
              best.set(key, { ...full, doubt: Math.round(sum * 100) / 100 });
          }
        }
      }
    }
  }
  return [...best.values()].toSorted((a, b) => a.doubt - b.doubt || a.address - b.address);
}

const powers = [0, -1, -2, -3, 1, 2, 3, -4, -5, -6, 4, 5, 6];
const scales = [
  ...powers.map((power) => ({ decimal: { digits: 1n, exponent: power }, power })),
  ...['2', '5', '0.5', '0.2', '0.25', '0.125', '0.05', '0.025', '0.02', '3.6', '60', '3600'].map((text) => ({
    decimal: decimalOf(text),
    power: null,
  })),
].map((scale) => ({ ...scale, number: Number(`${scale.decimal.digits}e${scale.decimal.exponent}`) }));

function scaledMatches(
  face: Face,
  raw: Decimal,
  type: NumberType,
): { scale: number; value: string; fit: Match['fit']; doubt: number }[] {
  const rough = Number(`${raw.digits}e${raw.exponent}`);
  return scales.flatMap(({ decimal, power, number: scale }) => {
    const value = times(raw, decimal);
    const step = isFloat(type) || power === null ? null : scale;
    const fit = fitOf(face, value, rough * scale, step);
    // A factor that is no power of ten must prove itself by every digit.
    if (fit === null || (power === null && fit.fit !== 'exact')) return [];
    return [{ scale, value: textOf(value), fit: fit.fit, doubt: fit.doubt + scaleDoubt(power, face, isFloat(type)) }];
  });
}

/** A register that holds fewer digits fits by chance. */
const leastCoarseSteps = 100;

/** `step`: of an integer register; null: not known. */
function fitOf(
  face: Face,
  value: Decimal,
  rough: number,
  step: number | null,
): { fit: Match['fit']; doubt: number } | null {
  const offBy = Math.abs(rough - face.number);
  const off = offBy / Math.abs(face.number);
  if (off < mostMoved || offBy < 10 ** -face.decimals * 1.01) {
    if (isShownAs(face, value)) return { fit: 'exact', doubt: 0 };
    if (off >= mostMoved) return null;
    const isCoarse =
      step !== null && step > 10 ** -face.decimals && offBy < step && step * leastCoarseSteps <= Math.abs(rough);
    return isCoarse ? { fit: 'coarse', doubt: 0.5 } : { fit: 'near', doubt: 1.5 + (1.5 * off) / mostMoved };
  }
  const full = 10 ** face.wholeDigits;
  if (face.digits < leastRolledDigits || rough < full || rough > full * 10_000) return null;
  const left = value.digits / 10n ** BigInt(Math.max(0, face.wholeDigits - value.exponent));
  const rolled = plus(
    value,
    times({ digits: -left, exponent: 0 }, { digits: 1n, exponent: Math.max(face.wholeDigits, value.exponent) }),
  );
  return isShownAs(face, rolled) ? { fit: 'rolled', doubt: 1.8 } : null;
}

/** Whether a face of so many decimals shows this, rounded or cut off. */
function isShownAs(face: Face, value: Decimal): boolean {
  const off = plus(value, times(face.value, { digits: -1n, exponent: 0 }));
  const inLastDigits = Number(`${off.digits}e${off.exponent + face.decimals}`);
  const cut = face.number < 0 ? -inLastDigits : inLastDigits;
  return Math.abs(cut) <= 0.5 || (cut > 0 && cut < 1);
}

function placeDoubt({ table, address }: { table: Table; address: number }, origins: readonly Origin[]): number {
  return Math.min(
    ...origins.map((origin) => {
      const off = address - origin.address;
      const far = off === 0 ? 0 : 0.5 + 0.05 * Math.abs(off);
      return origin.doubt + far + (table === origin.table ? 0 : 1.5);
    }),
  );
}

const typeDoubts: Readonly<Record<string, number>> = {
  uint16: 0,
  uint32: 0,
  float32: 0,
  int16: 0.2,
  int32: 0.2,
  uint64: 0.3,
  int64: 0.4,
  float64: 0.5,
  bcd32: 0.6,
  uint48: 0.7,
  int48: 0.8,
  // A byte fits most short numbers.
  uint8h: 1.5,
  uint8l: 1.5,
  int8h: 1.6,
  int8l: 1.6,
};

const isFloat = (type: NumberType): boolean => type.startsWith('float');

function orderDoubt(order: ByteOrder, registers: number): number {
  if (order === 'ABCD') return 0;
  return order === 'CDAB' ? 0.3 : registers === 1 ? 1.2 : 1;
}

/** `power`: of ten; null: another factor. Integers are mostly counted in the last digit of the face, floats in its unit. */
function scaleDoubt(power: number | null, face: Face, floats: boolean): number {
  if (power === null) return floats ? 2.5 : 1.2;
  const off = Math.abs(power - (floats ? 0 : -face.decimals));
  if (off === 0) return 0;
  return (floats ? 0.8 : 0.3) + 0.1 * off + (power > 0 ? 0.3 : 0);
}
