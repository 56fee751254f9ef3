import type { Quality } from '../../agent/reading.ts';
import { decimalOf, equal, numberOf, plus, shortestDecimal, textOf, times } from '../decimal.ts';
import type { Decimal } from '../decimal.ts';
import { foreignText } from '../foreign-text.ts';

/** Built-in types (OPC UA Part 6, table 1). */
export const builtIn = {
  Boolean: 1,
  SByte: 2,
  Byte: 3,
  Int16: 4,
  UInt16: 5,
  Int32: 6,
  UInt32: 7,
  Int64: 8,
  UInt64: 9,
  Float: 10,
  Double: 11,
  String: 12,
  DateTime: 13,
  Guid: 14,
  ByteString: 15,
  XmlElement: 16,
  NodeId: 17,
  ExpandedNodeId: 18,
  StatusCode: 19,
  QualifiedName: 20,
  LocalizedText: 21,
} as const;

/** A value as the library decodes it: 64-bit integers are `[high, low]`, or bigint. */
export interface WireValue {
  /** Of `builtIn`; 0: none. */
  readonly dataType: number;
  readonly isArray: boolean;
  /** Of a matrix; its elements come row by row. */
  readonly dimensions: readonly number[] | null;
  readonly value: unknown;
}

export interface ValueRules {
  /** Names of numbers, of the file or else of the server. */
  readonly enum: Readonly<Record<string, string>> | null;
  readonly scale: number;
  readonly offset: number;
  /** Inclusive, after scaling. */
  readonly min: number | null;
  readonly max: number | null;
}

export interface Valued {
  readonly value: number | null;
  readonly text: string | null;
  readonly quality: Quality;
  readonly status: string;
}

/** The top two bits of a StatusCode (OPC UA Part 4, 7.39): 00 good, 01 uncertain, 10 bad; 11 is reserved and trusted as little as bad. */
export function qualityOf(statusCode: number): Quality {
  const severity = statusCode >>> 30;
  return severity === 0 ? 'good' : severity === 1 ? 'uncertain' : 'bad';
}

/** A bad status never carries a value. */
export function valueOf(
  wire: WireValue | null,
  status: { readonly code: number; readonly name: string },
  rules: ValueRules,
): Valued {
  const quality = qualityOf(status.code);
  if (quality === 'bad') return bad(status.name);
  if (wire === null || wire.dataType === 0 || wire.value === null || wire.value === undefined) return bad('BadNoData');
  if (wire.isArray) return bad('BadTypeMismatch');
  const seen = scalar(wire);
  if (seen === null) return bad('BadTypeMismatch');
  if ('text' in seen) return { value: null, text: seen.text, quality, status: status.name };
  if (typeof seen.number === 'number' && !Number.isFinite(seen.number)) return bad('BadSensorFailure');
  // What is neither wide nor scaled is the number it is.
  if (typeof seen.number === 'number' && rules.scale === 1 && rules.offset === 0)
    return judged(seen.number === 0 ? 0 : seen.number, seen.word, quality, status.name, rules);
  const exact = scaled(decimalOf(String(seen.number)), rules);
  const value = numberOf(exact);
  if (!Number.isFinite(value)) return bad('BadSensorFailure');
  const digits = seen.isWide && !equal(exact, decimalOf(String(value))) ? textOf(exact) : null;
  return judged(value === 0 ? 0 : value, seen.word ?? digits, quality, status.name, rules);
}

function judged(
  value: number,
  text: string | null,
  quality: Quality,
  status: string,
  { enum: names, min, max }: ValueRules,
): Valued {
  const named = names === null ? text : (names[String(value)] ?? null);
  if (quality !== 'good') return { value, text: named, quality, status };
  if (names !== null && named === null)
    return { value, text: null, quality: 'uncertain', status: 'UncertainSubNormal' };
  return value < (min ?? -Infinity) || value > (max ?? Infinity)
    ? { value, text: named, quality: 'uncertain', status: 'UncertainEngineeringUnitsExceeded' }
    : { value, text: named, quality, status };
}

/**
 * The element of an array that is the point's value; null: there is none. It is picked here, not by the server's IndexRange: some servers ignore that and
 * send the whole array, and an array of one would pass for the element that was asked for.
 */
export function elementOf(wire: WireValue | null, index: readonly number[] | null): WireValue | null {
  if (wire === null || index === null) return wire;
  // An array that was never filled has no elements on the wire, not even none.
  if (!wire.isArray || wire.value === null || wire.value === undefined) return null;
  const elements = Array.from(wire.value as ArrayLike<unknown>);
  const sizes = wire.dimensions ?? [elements.length];
  if (sizes.length !== index.length || index.some((at, dimension) => at >= (sizes[dimension] ?? 0))) return null;
  const at = index.reduce((place, each, dimension) => place * (sizes[dimension] ?? 0) + each, 0);
  return { ...wire, isArray: false, dimensions: null, value: elements[at] };
}

const bad = (status: string): Valued => ({ value: null, text: null, quality: 'bad', status });

type Scalar =
  | { readonly text: string }
  | { readonly number: number | bigint; readonly isWide: boolean; readonly word: string | null };

const narrow = (number: number): Scalar => ({ number, isWide: false, word: null });

function scalar({ dataType, value }: WireValue): Scalar | null {
  switch (dataType) {
    case builtIn.Boolean:
      return typeof value === 'boolean' ? { number: value ? 1 : 0, isWide: false, word: String(value) } : null;
    case builtIn.Float:
      return typeof value === 'number' ? narrow(shortestDecimal(value, 6, Math.fround)) : null;
    case builtIn.SByte:
    case builtIn.Byte:
    case builtIn.Int16:
    case builtIn.UInt16:
    case builtIn.Int32:
    case builtIn.UInt32:
    case builtIn.Double:
      return typeof value === 'number' ? narrow(value) : null;
    case builtIn.Int64:
    case builtIn.UInt64:
      return wide(value, dataType === builtIn.Int64);
    default: {
      const text = textOfType(dataType, value);
      return text === null ? null : { text };
    }
  }
}

function wide(value: unknown, isSigned: boolean): Scalar | null {
  if (typeof value === 'bigint') return { number: value, isWide: true, word: null };
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [high, low] = value as [number, number];
  const whole = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return { number: isSigned ? BigInt.asIntN(64, whole) : whole, isWide: true, word: null };
}

function textOfType(dataType: number, value: unknown): string | null {
  switch (dataType) {
    case builtIn.String:
    case builtIn.Guid:
    case builtIn.XmlElement:
      return typeof value === 'string' ? foreignText(value) : null;
    case builtIn.DateTime:
      return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : null;
    case builtIn.ByteString:
      return Buffer.isBuffer(value) ? value.toString('hex') : null;
    case builtIn.LocalizedText: {
      const text = (value as { text?: unknown }).text;
      return typeof text === 'string' ? foreignText(text) : null;
    }
    case builtIn.QualifiedName:
      return foreignText(String(value));
    case builtIn.NodeId:
    case builtIn.ExpandedNodeId:
      return foreignText(String(value).replace(/^ns=0;/, ''));
    case builtIn.StatusCode: {
      const name = (value as { name?: unknown }).name;
      return typeof name === 'string' ? name : null;
    }
    default:
      return null;
  }
}

function scaled(raw: Decimal, { scale, offset }: ValueRules): Decimal {
  const product = scale === 1 ? raw : times(raw, decimalOf(String(scale)));
  return offset === 0 ? product : plus(product, decimalOf(String(offset)));
}
