/** A decimal number without rounding: digits × 10^exponent. Scaling in binary would turn 12345 × 0.01 into 123.45000000000002. */
export interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

/** Reads what `String(number)` writes, and plain decimal text. */
export function decimalOf(text: string): Decimal {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

/** Exact. */
export function times(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, exponent: a.exponent + b.exponent };
}

/** Exact. */
export function plus(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  return { digits: digitsAt(a, exponent) + digitsAt(b, exponent), exponent };
}

/** By value: 1.50 equals 1.5. */
export function equal(a: Decimal, b: Decimal): boolean {
  const exponent = Math.min(a.exponent, b.exponent);
  return digitsAt(a, exponent) === digitsAt(b, exponent);
}

/** The nearest double; beyond its range ±Infinity. */
export function numberOf(decimal: Decimal): number {
  return Number(`${decimal.digits}e${decimal.exponent}`);
}

/** All digits in plain notation, no needless zeros: `18446744073709551.615`. */
export function textOf({ digits, exponent }: Decimal): string {
  if (exponent >= 0) return String(digits * 10n ** BigInt(exponent));
  const sign = digits < 0n ? '-' : '';
  const all = String(digits < 0n ? -digits : digits).padStart(1 - exponent, '0');
  const fraction = all.slice(exponent).replace(/0+$/, '');
  return sign + all.slice(0, exponent) + (fraction === '' ? '' : `.${fraction}`);
}

function digitsAt(decimal: Decimal, exponent: number): bigint {
  return decimal.digits * 10n ** BigInt(decimal.exponent - exponent);
}

/** The number whose shortest text is also the shortest decimal that `round` brings back to `value`. `sure`: digits that survive the type for certain (FLT_DIG), so that a shorter decimal shows as trailing zeros; subnormals have fewer. */
export function shortestDecimal(value: number, sure: number, round: (value: number) => number): number {
  for (let precision = Math.abs(value) < 1e-4 ? 1 : sure; precision < 9; precision++) {
    const candidate = Number(value.toPrecision(precision));
    if (round(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
