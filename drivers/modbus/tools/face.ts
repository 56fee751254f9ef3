import { UsageError } from '../../../agent/errors.ts';
import { decimalOf } from '../../decimal.ts';
import type { Decimal } from '../../decimal.ts';

/** What a meter's face shows. */
export interface Face {
  readonly value: Decimal;
  readonly number: number;
  /** Digits behind the point: the face is no finer. */
  readonly decimals: number;
  /** Digits before the point, leading zeros counted: a face that is full begins anew. */
  readonly wholeDigits: number;
  /** Digits without leading zeros: how much the face tells. */
  readonly digits: number;
  readonly unit: string | null;
}

const forms = 'a number as the face shows it, e.g. 1234.567, 1234,567, "1 234.5 kWh"';

/** Reads `1234.567`, `1234,567`, `1'234.5`, `1 234,5 kWh`, `-12.3`. One comma or point is the decimal one. Throws UsageError. */
export function faceOf(text: string): Face {
  const match = /^\s*([-+−]?)([\d.,'’_  ]*\d)\s*([^\d\s.,].{0,30})?$/u.exec(text);
  const refuse = (why: string): never => {
    throw new UsageError(`--display is ${JSON.stringify(text)}${why}; allowed: ${forms}`);
  };
  if (match === null) return refuse('');
  const [, sign = '', written = '', unit] = match;
  const digits = decimalText(written.replaceAll(/['’_  ]/g, ''));
  if (digits === undefined) return refuse(', which can be read in two ways');
  const [whole = '', fraction = ''] = digits.split('.');
  if (whole.length + fraction.length > 24) return refuse(', more digits than any meter has');
  const value = decimalOf(`${sign === '' || sign === '+' ? '' : '-'}${whole}${fraction === '' ? '' : `.${fraction}`}`);
  if (value.digits === 0n)
    return refuse(', and empty registers hold that too: wait until it shows something, or take another value');
  return {
    value,
    number: Number(`${value.digits}e${value.exponent}`),
    decimals: fraction.length,
    wholeDigits: whole.length,
    digits: (whole + fraction).replace(/^0+/, '').length,
    unit: unit?.trim() ?? null,
  };
}

/** With a point for the decimals and nothing else; undefined: it is not clear which of its signs that is. */
function decimalText(written: string): string | undefined {
  const signs = written.replaceAll(/\d/g, '');
  if (signs.length <= 1) return written.replace(',', '.').replace(/^\./, '0.');
  const last = signs.slice(-1);
  const before = signs.slice(0, -1);
  if (before !== before.charAt(0).repeat(before.length)) return undefined;
  // 1.234.567: all group thousands. 1.234,5: the last one is the decimal one.
  const groups =
    last === before[0] ? written.split(last) : written.slice(0, written.lastIndexOf(last)).split(before[0] ?? '');
  if (!groups.slice(1).every((group) => group.length === 3)) return undefined;
  const fraction = last === before[0] ? '' : `.${written.slice(written.lastIndexOf(last) + 1)}`;
  return groups.join('') + fraction;
}
