import type { ModbusPoint } from './plan.ts';
import { integerRange } from './numbers.ts';
import type { NumberType } from './types.ts';

/** Engineering value at a wall time, in Unix ms. */
export type Lively = (wallMs: number) => number;

/** Middle and usual swing of what a pumping station measures, by UCUM code. */
const gauges: Readonly<Record<string, readonly [middle: number, swing: number]>> = {
  V: [231, 3],
  A: [14, 4],
  Hz: [50, 0.04],
  W: [8200, 2600],
  kW: [8.2, 2.6],
  'kV.A': [9, 2.7],
  VA: [9000, 2700],
  var: [2500, 600],
  '1': [0.92, 0.04],
  Cel: [16.5, 1.5],
  bar: [4.2, 0.4],
  kPa: [420, 40],
  mbar: [1013, 8],
  'm3/h': [38, 12],
  'L/s': [10.5, 3.4],
  'L/min': [630, 200],
  m: [2.6, 0.7],
  cm: [260, 70],
  mm: [2600, 700],
  '%': [62, 14],
  rpm: [1460, 25],
  '[pH]': [7.3, 0.2],
  'mg/L': [0.6, 0.1],
  'uS/cm': [540, 30],
};

/** Usual growth of a total in an hour, by UCUM code. */
const growth: Readonly<Record<string, number>> = { 'kW.h': 8.2, 'W.h': 8200, 'MW.h': 0.0082, m3: 38, L: 38_000, h: 1 };

const hourMs = 3_600_000;
/** Totals have grown since then, so that a simulator that was restarted goes on where it was. */
const bornMs = Date.UTC(2026, 0, 1);
/** So long they grow before their register would roll over. */
const lifeHours = 3 * 365 * 24;

/**
 * A value that a person would believe: totals grow with the load of the hour and never fall, gauges drift about a usual middle and keep
 * within `min` and `max` and the register's range. Same seed, point and time: same value.
 */
export function livelyValue(point: ModbusPoint, seed: number): Lively {
  const random = randomOf(`${seed}/${point.info.device}/${point.info.point}`);
  if (point.enum !== null) return oneOf(Object.keys(point.enum).map(Number), random);
  if (point.info.kind === 'counter') return total(point, random);
  if (point.info.kind === 'state' || point.type === 'bit') return state(random);
  return gauge(point, random);
}

function total(point: ModbusPoint, random: () => number): Lively {
  const room = Math.max(Math.abs(rangeOf(point)[0]), Math.abs(rangeOf(point)[1]));
  const usual = (growth[point.info.unit ?? ''] ?? 10) * (0.6 + 0.8 * random());
  const perHour = Math.min(usual, (room * 0.8) / lifeHours);
  const first = perHour * 500 * random();
  const periodHours = 0.2 + 0.3 * random();
  const phase = random() * 2 * Math.PI;
  return (wallMs) => {
    const hours = Math.max(0, wallMs - bornMs) / hourMs;
    // The integral of a load that swings by 60 % about its mean: it never falls.
    const turn = (2 * Math.PI) / periodHours;
    return first + perHour * (hours - (0.6 / turn) * (Math.cos(turn * hours + phase) - Math.cos(phase)));
  };
}

function state(random: () => number): Lively {
  const periodMs = 60_000 * (2 + 6 * random());
  return (wallMs) => (wallMs % periodMs < periodMs * 0.7 ? 1 : 0);
}

/** Each for some minutes. */
function oneOf(states: readonly number[], random: () => number): Lively {
  const eachMs = 60_000 * (2 + 6 * random());
  return (wallMs) => states[Math.floor(wallMs / eachMs) % states.length] ?? 0;
}

function gauge(point: ModbusPoint, random: () => number): Lively {
  const [low, high] = rangeOf(point);
  let [middle, swing] = gauges[point.info.unit ?? ''] ?? [50, 15];
  if (middle + swing > high || middle - swing < low) {
    [middle, swing] = [(low + high) / 2, (high - low) / 5];
  }
  const slowMs = 60_000 * (5 + 10 * random());
  const quickMs = 1000 * (15 + 30 * random());
  const phase = random() * 2 * Math.PI;
  middle += swing * 0.5 * (random() - 0.5);
  const wave = (wallMs: number, periodMs: number): number =>
    Math.sin(((wallMs % periodMs) / periodMs) * 2 * Math.PI + phase);
  return (wallMs) => middle + swing * (0.5 * wave(wallMs, slowMs) + 0.2 * wave(wallMs, quickMs));
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

/** Numbers in [0, 1) that follow from a text alone (FNV-1a, then mulberry32). */
export function randomOf(text: string): () => number {
  let state_ = 0x811c9dc5;
  for (const byte of Buffer.from(text)) state_ = Math.imul(state_ ^ byte, 0x01000193);
  return () => {
    state_ = (state_ + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state_ ^ (state_ >>> 15), state_ | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
