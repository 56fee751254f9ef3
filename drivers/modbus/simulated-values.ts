import { livelyValue as lively } from '../simulated-values.ts';
import type { Lively } from '../simulated-values.ts';
import type { ModbusPoint } from './plan.ts';
import { integerRange } from './numbers.ts';
import type { NumberType } from './types.ts';

/** What a point's registers show, in engineering units. Same seed, point and time: same value. */
export function livelyValue(point: ModbusPoint, seed: number): Lively {
  return lively({ info: point.info, enum: point.enum, isBit: point.type === 'bit', range: rangeOf(point) }, seed);
}

/** So that gauges look like measurements; an integer's range is what its type can hold, as far as a double counts. */
const floatRanges: Readonly<Record<string, readonly [number, number]>> = {
  float16: [-2000, 2000],
  float32: [-1e7, 1e7],
  float64: [-1e12, 1e12],
};

function rawRange(type: NumberType): readonly [number, number] {
  const [least, greatest] = integerRange(type) ?? floatRanges[type] ?? [0, 0];
  return [Math.max(Number(least), -(2 ** 53)), Math.min(Number(greatest), 2 ** 53)];
}

/** What the registers can hold and the configuration allows, in engineering units. */
function rangeOf({ type, sum, scale, offset, min, max }: ModbusPoint): readonly [number, number] {
  const [least, greatest] =
    type === 'bit' || type === 'string' ? [0, 1] : type === 'sum' ? sumRange(sum) : rawRange(type);
  const ends = [least * scale + offset, greatest * scale + offset];
  return [Math.max(Math.min(...ends), min ?? -Infinity), Math.min(Math.max(...ends), max ?? Infinity)];
}

function sumRange(parts: ModbusPoint['sum']): readonly [number, number] {
  const ends = parts.map(({ type, scale }) => rawRange(type).map((raw) => raw * scale));
  return [
    ends.reduce((sum, each) => sum + Math.min(...each), 0),
    ends.reduce((sum, each) => sum + Math.max(...each), 0),
  ];
}
