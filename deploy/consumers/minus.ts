/** a − b of two numbers as they are written: 0.3 − 0.1 is 0.2. Rounded once, at the end, to the nearest double. */
export function minus(a: string, b: string): number {
  const [x, y] = [decimal(a), decimal(b)];
  const digits = Math.max(x.digits, y.digits);
  const whole = x.whole * 10n ** BigInt(digits - x.digits) - y.whole * 10n ** BigInt(digits - y.digits);
  return Number(`${whole}e-${digits}`);
}

/** `12.50` → 1250 with 2 digits; also `1e-7` and `1e+21`, as JavaScript writes them. */
function decimal(text: string): { whole: bigint; digits: number } {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [before = '', after = ''] = mantissa.split('.');
  const digits = after.length - Number(exponent);
  const whole = BigInt(before + after);
  return digits >= 0 ? { whole, digits } : { whole: whole * 10n ** BigInt(-digits), digits: 0 };
}
