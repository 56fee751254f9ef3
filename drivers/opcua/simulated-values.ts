import { livelySpan, livelyValue, randomOf } from '../simulated-values.ts';
import type { Lively, Simulated } from '../simulated-values.ts';
import type { OpcUaPoint } from './plan.ts';

/** Types that simulated variables have; their names are those of the standard. */
export type SimulatedType = 'Boolean' | 'Int32' | 'UInt32' | 'Float' | 'Double' | 'String';

/** What a variable holds for one point, before the scaling of the configuration. */
export interface SimulatedValue {
  readonly type: SimulatedType;
  readonly at: (wallMs: number) => number | boolean | string;
  /** What the server says of the number besides; null: nothing. */
  readonly unit: string | null;
  /** A range that the value never leaves. */
  readonly range: { readonly low: number; readonly high: number } | null;
  readonly names: Readonly<Record<string, string>> | null;
}

const int32: readonly [number, number] = [-(2 ** 31), 2 ** 31 - 1];
const uint32: readonly [number, number] = [0, 2 ** 32 - 1];
/** So that gauges look like measurements. */
const real: readonly [number, number] = [-1e7, 1e7];
const silent = { unit: null, range: null, names: null };

/**
 * A configuration says nothing of types, so what a PLC would have: texts are strings, states booleans, or integers with names; a scaled number is an integer, an unscaled total a double,
 * any other number a float.
 */
export function simulatedValue(point: OpcUaPoint, seed: number): SimulatedValue {
  const { info, rules } = point;
  const isScaled = rules.scale !== 1 || rules.offset !== 0;
  if (info.kind === 'text') return { ...silent, type: 'String', at: wordsOf(point, seed) };
  const behaves = (range: readonly [number, number]): Simulated => ({
    info,
    enum: rules.enum,
    isBit: false,
    range: within(range, rules),
  });
  if (rules.enum !== null && !isScaled)
    return { ...silent, type: 'Int32', at: livelyValue(behaves(int32), seed), names: rules.enum };
  if (info.kind === 'state' && !isScaled) {
    const lively = livelyValue(behaves([0, 1]), seed);
    return { ...silent, type: 'Boolean', at: (wallMs) => lively(wallMs) === 1 };
  }
  if (info.kind === 'counter') {
    const range = isScaled ? uint32 : ([0, 2 ** 53] as const);
    const lively = livelyValue(behaves(range), seed);
    return isScaled
      ? { ...silent, type: 'UInt32', at: raw(lively, rules, uint32) }
      : { ...silent, type: 'Double', unit: info.unit, at: (wallMs) => Number(lively(wallMs).toFixed(3)) };
  }
  const gauge = behaves(isScaled ? int32 : real);
  const lively = livelyValue(gauge, seed);
  const ends = [rules.min ?? livelySpan(gauge)[0], rules.max ?? livelySpan(gauge)[1]].map((end) =>
    unscaled(end, rules),
  );
  // 3.3 - 1.4 is 1.9000000000000001 in binary.
  const [low, high] = [Math.min(...ends), Math.max(...ends)].map((end) => Number(end.toPrecision(12))) as [
    number,
    number,
  ];
  const range = { low, high };
  return isScaled
    ? { ...silent, type: 'Int32', range, at: raw(lively, rules, int32) }
    : { ...silent, type: 'Float', unit: info.unit, range, at: (wallMs) => float(lively(wallMs)) };
}

type Rules = OpcUaPoint['rules'];

const unscaled = (value: number, { scale, offset }: Rules): number => (scale === 0 ? 0 : (value - offset) / scale);

/** Engineering units. */
function within([least, most]: readonly [number, number], rules: Rules): readonly [number, number] {
  const ends = [least * rules.scale + rules.offset, most * rules.scale + rules.offset];
  return [Math.max(Math.min(...ends), rules.min ?? -Infinity), Math.min(Math.max(...ends), rules.max ?? Infinity)];
}

const raw =
  (lively: Lively, rules: Rules, [least, most]: readonly [number, number]): Lively =>
  (wallMs) =>
    Math.min(most, Math.max(least, Math.round(unscaled(lively(wallMs), rules))));

/** A sensor has no more than five digits. */
const float = (value: number): number => Math.fround(Number(value.toPrecision(5)));

const alarms = ['high level', 'pump 2: thermal overload', 'mains failure', 'low flow'];

/** A nameplate never changes; any other text is an alarm now and then. */
function wordsOf({ info }: OpcUaPoint, seed: number): (wallMs: number) => string {
  const random = randomOf(`${seed}/${info.device}/${info.point}`);
  const digits = Math.floor(random() * 900_000 + 100_000);
  if (/serial|model|version|firmware|name/i.test(info.point)) return () => `SIM${digits}`;
  const eachMs = 60_000 * (0.3 + 0.7 * random());
  return (wallMs) => {
    const turn = Math.floor(wallMs / eachMs) % (2 * alarms.length);
    return turn % 2 === 0 ? 'no alarm' : (alarms[(turn - 1) / 2] ?? '');
  };
}
