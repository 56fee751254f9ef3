import { contentHash } from '../../agent/config/canonical.ts';
import type { PointInfo } from '../../agent/reading.ts';
import { shortestDecimal } from '../decimal.ts';
import { foreignText } from '../foreign-text.ts';
import { unitOf } from './engineering-unit.ts';
import type { OpcUaPoint } from './plan.ts';

/** What a server says of a variable besides its value. */
export interface ServerSays {
  readonly unit: string | null;
  readonly names: Readonly<Record<string, string>> | null;
  readonly range: { readonly low: number; readonly high: number } | null;
}

/** Names of the properties that say it, as values of their nodes (OPC UA Part 8). */
export type Properties = Readonly<Record<string, unknown>>;
export const propertyNames = ['EngineeringUnits', 'InstrumentRange', 'EURange', 'EnumStrings', 'EnumValues'] as const;

const mostNames = 1_000;
const longestName = 64;

/** `typeNames`: of the enumeration that the variable's type is. */
export function saidBy(properties: Properties, typeNames: ServerSays['names']): ServerSays {
  const units = properties['EngineeringUnits'];
  return {
    unit: isObject(units) ? unitOf(units) : null,
    names: namesOf(properties) ?? typeNames,
    // What the instrument can give, before what is usual in operation.
    range: rangeOf(properties['InstrumentRange']) ?? rangeOf(properties['EURange']),
  };
}

/** `EnumValues`, `EnumStrings`, or the fields of a DataTypeDefinition. */
export function namesOf(said: Properties): ServerSays['names'] {
  const { EnumValues: values, EnumStrings: strings, fields } = said;
  const pairs = Array.isArray(values)
    ? values.map(pairOf)
    : Array.isArray(fields)
      ? fields.map(pairOf)
      : Array.isArray(strings)
        ? strings.map((each, at) => [String(at), textOf(each)] as const)
        : [];
  const named = pairs.slice(0, mostNames).filter(([number, text]) => number !== null && text !== '');
  return named.length === 0 ? null : Object.fromEntries(named);
}

/** A silent point with what the server says in the places that its configuration leaves open. */
export function completed(point: OpcUaPoint, says: ServerSays): OpcUaPoint {
  const { info, rules } = point;
  return {
    ...point,
    info: withUnit(info, says.unit),
    rules: {
      ...rules,
      enum: rules.enum ?? says.names,
      min: rules.min ?? says.range?.low ?? null,
      max: rules.max ?? says.range?.high ?? null,
    },
  };
}

/** A descriptor never changes: with another unit it is another one. */
export function withUnit(info: PointInfo, unit: string | null): PointInfo {
  if (info.unit !== null || unit === null) return info;
  const { hash: _, ...content } = { ...info, unit };
  return Object.freeze({ hash: contentHash(content), ...content });
}

/** What nobody states may be asked for. A point that is scaled here has a unit and limits of its own: those of the server belong to the number before. */
export function isSilent({ info, rules }: OpcUaPoint): boolean {
  if (rules.scale !== 1 || rules.offset !== 0) return false;
  return info.unit === null || rules.enum === null || rules.min === null || rules.max === null;
}

function pairOf(field: unknown): readonly [string | null, string] {
  if (!isObject(field)) return [null, ''];
  const { value, displayName, name } = field;
  return [integerText(value), textOf(displayName) || textOf(name)];
}

/** Of 64 bits as the library has them. */
function integerText(value: unknown): string | null {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value === 'bigint') return String(value);
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [high, low] = value as [number, number];
  return String(BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)));
}

function textOf(said: unknown): string {
  const text = isObject(said) ? said['text'] : said;
  return typeof text === 'string' ? foreignText(text).slice(0, longestName) : '';
}

/** A range of 0 to 0 is one that nobody has set. */
function rangeOf(said: unknown): ServerSays['range'] {
  if (!isObject(said)) return null;
  const { low, high } = said;
  if (typeof low !== 'number' || typeof high !== 'number' || low >= high) return null;
  // Never narrower: a value at its very end is within.
  return { low: Math.min(low, plainNumber(low) ?? low), high: Math.max(high, plainNumber(high) ?? high) };
}

/** Ends of ranges are doubles, and mostly floats that were made doubles: 0.1 stands there as 0.10000000149011612. */
export const plainNumber = (number: number | null): number | null =>
  number === null || Number.isInteger(number) || Math.fround(number) !== number
    ? number
    : shortestDecimal(number, 6, Math.fround);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
