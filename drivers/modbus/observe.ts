import { observationOf, unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import { decimalOf, times } from '../decimal.ts';
import type { Decimal } from '../decimal.ts';
import { badValue, decoderOf, hexWords } from './decode.ts';
import type { Decode, Decoded } from './decode.ts';
import type { ModbusDevice, ModbusPoint } from './plan.ts';
import { holdsBits, statusOfException } from './protocol.ts';
import type { Outcome } from './link.ts';
import { registersOf } from './types.ts';

export interface ReadyPoint extends ModbusPoint {
  readonly decode: Decode;
  readonly helpers: readonly Helper[];
}

/** Another point of the device that this one's value needs. */
interface Helper {
  readonly name: string;
  /** It holds a power of ten, not a factor. */
  readonly isExponent: boolean;
}

/** Points of one device by name. */
export type ReadyPoints = ReadonlyMap<string, ReadyPoint>;

/** What came of the request for a point. `words`: as received, where the answer had data. */
export interface Seen {
  readonly outcome: Outcome;
  readonly words: Buffer | null;
}

/** SunSpec's scale factors reach from −10 to 10; −32768 says that there is none. */
const mostExponent = 10;

/** `everyRaw`: observations carry their raw words, whatever the plan says. */
export function readyPoints(device: Pick<ModbusDevice, 'points'>, everyRaw: boolean): ReadyPoints {
  return new Map(
    device.points.map((point) => {
      const exponent = point.scaleFrom === null ? [] : [{ name: point.scaleFrom, isExponent: true }];
      const helpers = [...exponent, ...point.factorFrom.map((name) => ({ name, isExponent: false }))];
      return [point.info.point, { ...point, raw: point.raw || everyRaw, decode: decoderOf(point), helpers }];
    }),
  );
}

/** The points, and those that their values need: each once. */
export function withHelpers(points: readonly ReadyPoint[], all: ReadyPoints): ReadyPoint[] {
  const helping = points.flatMap(({ helpers }) => helpers.flatMap(({ name }) => all.get(name) ?? []));
  return [...new Set([...points, ...helping])];
}

/** `start`: where the block of the request begins. */
export function seenOf(point: ModbusPoint, start: number, outcome: Outcome): Seen {
  return { outcome, words: outcome.kind === 'data' ? wordsOf(point, start, outcome.data) : null };
}

/** Undefined: the point, or one that its value needs, was not asked. */
export function observed(
  point: ReadyPoint,
  seen: ReadonlyMap<string, Seen>,
  all: ReadyPoints,
): Observation | undefined {
  const own = seen.get(point.info.point);
  if (own === undefined) return undefined;
  if (own.words === null) return withoutWords(point, own.outcome);
  if (point.helpers.some(({ name }) => !seen.has(name))) return undefined;
  const helping = point.helpers.map(({ name }) => seen.get(name)?.words ?? null);
  const factor = factorOf(point.helpers, helping, all);
  const value = point.decode(own.words, factor === 'unusable' ? null : factor);
  const isUnusable = factor === 'unusable' && value.quality !== 'bad';
  return {
    ...observationOf(point.info, own.outcome.at, isUnusable ? badValue('BadDecodingError') : value),
    raw: point.raw ? rawOf(own.words, helping) : null,
  };
}

/** Its own words, then those of the points that it was multiplied with: all that made the value. */
function rawOf(own: Buffer, helping: readonly (Buffer | null)[]): string {
  const words = helping.filter((each) => each !== null);
  return hexWords(words.length === 0 || words.length < helping.length ? own : Buffer.concat([own, ...words]));
}

/** The product of what the helpers say; null: there are none. */
function factorOf(
  helpers: readonly Helper[],
  words: readonly (Buffer | null)[],
  all: ReadyPoints,
): Decimal | null | 'unusable' {
  let product: Decimal | null = null;
  for (const [at, { name, isExponent }] of helpers.entries()) {
    const told = words[at] ?? null;
    const decoded = told === null ? undefined : all.get(name)?.decode(told);
    const factor = decoded === undefined ? undefined : factorIn(decoded, isExponent);
    if (factor === undefined) return 'unusable';
    product = product === null ? factor : times(product, factor);
  }
  return product;
}

function factorIn({ quality, value, text }: Decoded, isExponent: boolean): Decimal | undefined {
  if (quality !== 'good' || value === null) return undefined;
  if (!isExponent) return value === 0 ? undefined : decimalOf(text ?? String(value));
  return Number.isInteger(value) && Math.abs(value) <= mostExponent ? { digits: 1n, exponent: value } : undefined;
}

function withoutWords({ info }: ModbusPoint, outcome: Outcome): Observation {
  if (outcome.kind === 'exception') {
    const { code, at } = outcome;
    return { ...unanswered(info, statusOfException(code), at), exceptionCode: code };
  }
  return unanswered(info, outcome.kind === 'silence' ? 'BadTimeout' : 'BadCommunicationError', outcome.at);
}

/** A bit of a table of bits as a word; of a sum the words of its parts. */
function wordsOf({ table, type, address, registers, sum }: ModbusPoint, start: number, data: Buffer): Buffer {
  const at = address - start;
  if (holdsBits(table)) return Buffer.from([0, (data.readUInt8(at >> 3) >> (at & 7)) & 1]);
  if (type !== 'sum') return data.subarray(at * 2, (at + registers) * 2);
  const parts = sum.map((part) => {
    const from = (part.address - start) * 2;
    return data.subarray(from, from + registersOf(part.type) * 2);
  });
  return Buffer.concat(parts);
}
