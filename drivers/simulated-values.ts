import type { PointInfo } from '../agent/reading.ts';

/** What decides how a simulated value behaves. */
export interface Simulated {
  readonly info: Pick<PointInfo, 'device' | 'point' | 'kind' | 'unit'>;
  readonly enum: Readonly<Record<string, string>> | null;
  /** It is 0 or 1. */
  readonly isBit: boolean;
  /** What it can hold and the configuration allows, in engineering units. */
  readonly range: readonly [low: number, high: number];
}

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
 * within their range. Same seed, point and time: same value.
 */
export function livelyValue(point: Simulated, seed: number): Lively {
  const random = randomOf(`${seed}/${point.info.device}/${point.info.point}`);
  if (point.enum !== null) return oneOf(Object.keys(point.enum).map(Number), random);
  if (point.info.kind === 'counter') return total(point, random);
  if (point.info.kind === 'state' || point.isBit) return state(random);
  return gauge(point, random);
}

function total({ info, range }: Simulated, random: () => number): Lively {
  const room = Math.max(Math.abs(range[0]), Math.abs(range[1]));
  const usual = (growth[info.unit ?? ''] ?? 10) * (0.6 + 0.8 * random());
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

function gauge(point: Simulated, random: () => number): Lively {
  const [usualMiddle, swing] = habitOf(point);
  const slowMs = 60_000 * (5 + 10 * random());
  const quickMs = 1000 * (15 + 30 * random());
  const phase = random() * 2 * Math.PI;
  const middle = usualMiddle + swing * 0.5 * (random() - 0.5);
  const wave = (wallMs: number, periodMs: number): number =>
    Math.sin(((wallMs % periodMs) / periodMs) * 2 * Math.PI + phase);
  return (wallMs) => middle + swing * (0.5 * wave(wallMs, slowMs) + 0.2 * wave(wallMs, quickMs));
}

/** What a gauge never leaves. */
export function livelySpan(point: Simulated): readonly [low: number, high: number] {
  const [middle, swing] = habitOf(point);
  return [middle - swing, middle + swing];
}

function habitOf({ info, range: [low, high] }: Simulated): readonly [middle: number, swing: number] {
  const [middle, swing] = gauges[info.unit ?? ''] ?? [50, 15];
  return middle + swing > high || middle - swing < low ? [(low + high) / 2, (high - low) / 5] : [middle, swing];
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
