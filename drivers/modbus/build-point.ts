import type { PointInfo } from '../../agent/reading.ts';
import type { Settings } from '../driver.ts';
import { defaults } from './defaults.ts';
import { buildSum } from './build-sum.ts';
import type { PartSettings } from './build-sum.ts';
import { whyNeverMet } from './invalid.ts';
import type { InvalidMark } from './invalid.ts';
import type { ModbusPoint } from './plan.ts';
import { placeOf, tableOf } from './build-place.ts';
import type { Place, PlaceSettings, Tell } from './build-place.ts';
import { holdsBits, lastAddress } from './protocol.ts';
import { orderFits, registersOf } from './types.ts';
import type { ByteOrder, RegisterType } from './types.ts';

/** Settings of a point as the schema let them pass, without defaults. */
export interface PointSettings extends PlaceSettings {
  readonly type?: RegisterType;
  readonly bit?: number;
  readonly length?: number;
  readonly sum?: readonly PartSettings[];
  readonly byteOrder?: ByteOrder;
  readonly invalid?: InvalidMark | readonly InvalidMark[];
  readonly enum?: Readonly<Record<string, string>>;
  readonly scale?: number;
  readonly offset?: number;
  readonly scaleFrom?: string;
  readonly factorFrom?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  readonly raw?: boolean;
  readonly timeout?: number;
  readonly retries?: number;
  readonly pause?: number;
  readonly maxRegisters?: number;
  readonly maxGap?: number;
  /** The agent's own key, in ms. */
  readonly every?: number;
}

/** `inherited`: what the point's device hands down. undefined: it stands nowhere, which was told. */
export function buildPoint(
  info: PointInfo,
  set: PointSettings,
  inherited: Settings,
  tell: Tell,
): ModbusPoint | undefined {
  const type = typeOf(set);
  const byteOrder = set.byteOrder ?? defaults.byteOrder;
  const maxRegisters = set.maxRegisters ?? defaults.maxRegisters;
  for (const { key, message } of clashesOf({ ...set })) tell('error', key, message);
  tellTypeAndTable(set, type, inherited, tell);
  tellKind(info, type, set, tell);
  const { place, registers, sum } = buildPlace(set, type, tell);
  if (place === undefined) return undefined;
  const takes = type === 'sum' ? `sum reaches over ${registers}` : `${type} takes ${registers}`;
  if (place.address + registers - 1 > lastAddress) {
    const key = set.sum === undefined ? (set.reference === undefined ? 'address' : 'reference') : 'sum';
    const stated = key === 'sum' ? '' : `${key} is ${JSON.stringify(set[key])}; `;
    tell('error', key, `${stated}${takes} registers and would run past ${lastAddress}`);
  }
  if (registers > maxRegisters) {
    const key = type === 'string' ? 'length' : type === 'sum' ? 'sum' : 'maxRegisters';
    tell('error', key, `maxRegisters is ${maxRegisters}; ${takes} and is never split over two requests`);
  }
  if (type !== 'string' && type !== 'bit' && type !== 'sum') tellByteOrder(byteOrder, type, tell);
  const invalid = invalidOf(set);
  for (const mark of invalid) tellInvalid(mark, type, registers, place, tell);
  if (info.kind === 'counter' && set.scale !== undefined && set.scale < 0) {
    tell('warning', 'scale', `scale is ${set.scale}; a counter that counts down is seldom meant`);
  }
  return {
    info,
    ...place,
    registers,
    type,
    byteOrder: holdsBits(place.table) ? defaults.byteOrder : byteOrder,
    bit: type === 'bit' && !holdsBits(place.table) ? (set.bit ?? 0) : null,
    sum,
    invalid,
    enum: set.enum ?? null,
    scale: set.scale ?? defaults.scale,
    offset: set.offset ?? defaults.offset,
    scaleFrom: set.scaleFrom ?? null,
    factorFrom: set.factorFrom ?? [],
    min: set.min ?? null,
    max: set.max ?? null,
    raw: set.raw ?? info.kind === 'counter',
    timeoutMs: set.timeout ?? defaults.timeoutMs,
    retries: set.retries ?? defaults.retries,
    pauseMs: set.pause ?? defaults.pauseMs,
    maxRegisters,
    maxGap: set.maxGap ?? defaults.maxGap,
  };
}

/** Of a point that states none: coils, discrete inputs and points that name a bit are bits. */
export function typeOf(set: PointSettings): ModbusPoint['type'] {
  if (set.sum !== undefined) return 'sum';
  return set.type ?? (set.bit !== undefined || holdsBits(tableOf(set)) ? 'bit' : defaults.type);
}

/** What the keys of one point say against each other, whatever the others are. */
export function clashesOf(point: Settings): { key: string; message: string }[] {
  const set = point as PointSettings;
  const clashes: { key: string; message: string }[] = [];
  const refuse = (keys: readonly (keyof PointSettings)[], message: (key: string) => string): void => {
    for (const key of keys) if (set[key] !== undefined) clashes.push({ key, message: message(key) });
  };
  const { min, max, type, bit, length } = set;
  if (set.sum !== undefined) {
    refuse(
      ['address', 'reference', 'type', 'bit', 'length', 'invalid', 'enum'],
      (key) =>
        `sum and ${key} exclude each other; ${key in partKeys ? `state ${key} in each part of the sum` : 'keep one of them'}`,
    );
  } else if (set.address !== undefined && set.reference !== undefined) {
    clashes.push({ key: 'reference', message: 'address and reference exclude each other; keep one of them' });
  }
  if (bit !== undefined && type !== undefined && type !== 'bit')
    clashes.push({
      key: 'bit',
      message: `bit is ${bit} and type is "${type}"; a bit has the type "bit": leave out type`,
    });
  if (length !== undefined && type !== undefined && type !== 'string')
    clashes.push({ key: 'length', message: `length is ${length} and type is "${type}"; only a string has a length` });
  if (type === 'string')
    refuse(
      ['enum', 'scale', 'offset', 'scaleFrom', 'factorFrom', 'min', 'max'],
      (key) => `type is "string", which is no number; leave out ${key}`,
    );
  else if (set.enum !== undefined) {
    refuse(
      ['scale', 'offset', 'scaleFrom', 'factorFrom'],
      (key) => `enum names numbers as the device gives them; leave out ${key}`,
    );
    if (type?.startsWith('float') === true)
      clashes.push({ key: 'enum', message: `type is "${type}"; enum names whole numbers` });
  }
  if (min !== undefined && max !== undefined && min > max)
    clashes.push({ key: 'min', message: `min is ${min} and max is ${max}; allowed: min up to max` });
  return clashes;
}

/** Keys that a part of a sum has too. */
const partKeys = { address: true, reference: true, type: true, invalid: true };

function buildPlace(
  set: PointSettings,
  type: ModbusPoint['type'],
  tell: Tell,
): { place: Place | undefined; registers: number; sum: ModbusPoint['sum'] } {
  if (set.sum !== undefined) {
    const built = buildSum(set.sum, set, tell);
    return { place: built?.place, registers: built?.registers ?? 1, sum: built?.sum ?? [] };
  }
  const registers = type === 'string' ? (set.length ?? 1) : type === 'bit' || type === 'sum' ? 1 : registersOf(type);
  return { place: placeOf(set, tell), registers, sum: [] };
}

function tellTypeAndTable(set: PointSettings, type: ModbusPoint['type'], inherited: Settings, tell: Tell): void {
  if (type === 'sum') return;
  const table = tableOf(set);
  if (type === 'string' && set.length === undefined)
    tell('error', 'type', 'type is "string"; its length is missing: how many registers it takes, two characters each');
  if (set.length !== undefined && set.type === undefined)
    tell('error', 'length', `length is ${set.length}; only a string has a length: state "type": "string" too`);
  if (!holdsBits(table)) {
    if (type === 'bit' && set.bit === undefined)
      tell('error', 'type', 'type is "bit"; its bit is missing: 0…15, 0 the least significant');
    return;
  }
  const one = table === 'coil' ? 'a coil' : 'a discrete input';
  if (type !== 'bit') tell('error', 'type', `type is "${type}"; ${one} is one bit: leave out type`);
  else if (set.bit !== undefined) tell('error', 'bit', `bit is ${set.bit}; ${one} is one bit already: leave out bit`);
  // A device may hand one down that its registers need.
  if (set.byteOrder !== undefined && set.byteOrder !== inherited['byteOrder'])
    tell('error', 'byteOrder', `byteOrder is "${set.byteOrder}"; ${one} is one bit: leave out byteOrder`);
}

function tellKind({ kind }: PointInfo, type: ModbusPoint['type'], set: PointSettings, tell: Tell): void {
  if (type === 'string') {
    if (kind !== 'text') tell('error', 'kind', `kind is "${kind}"; a string is of kind "text": leave out kind`);
  } else if (kind === 'text') {
    const allowed = type === 'bit' || set.enum !== undefined ? 'state, gauge' : 'counter, gauge, state';
    tell('error', 'kind', `kind is "text"; ${type === 'sum' ? 'a sum' : type} is a number; allowed: ${allowed}`);
  } else if (kind === 'counter' && (type === 'bit' || set.enum !== undefined)) {
    const what = type === 'bit' ? 'a bit' : 'an enum';
    tell('error', 'kind', `kind is "counter"; ${what} is no total; allowed: state, gauge`);
  }
}

const letters: Readonly<Record<number, string>> = { 6: 'six letters for 48 bits', 8: 'eight letters for 64 bits' };

function tellByteOrder(byteOrder: ByteOrder, type: RegisterType, tell: Tell): void {
  const registers = type === 'bit' || type === 'string' ? 1 : registersOf(type);
  if (orderFits(byteOrder, registers)) return;
  tell(
    'error',
    'byteOrder',
    `byteOrder is "${byteOrder}", ${letters[byteOrder.length]}; allowed for ${type}: ABCD, CDAB, BADC, DCBA`,
  );
}

function invalidOf({ invalid = [] }: Pick<PointSettings, 'invalid'>): readonly InvalidMark[] {
  return typeof invalid === 'object' ? invalid : [invalid];
}

function tellInvalid(mark: InvalidMark, type: ModbusPoint['type'], registers: number, place: Place, tell: Tell): void {
  if (type === 'sum') return;
  const why = holdsBits(place.table)
    ? 'coils and discrete inputs are 0 or 1; leave out invalid'
    : whyNeverMet(mark, type, registers);
  if (why !== undefined) tell('error', 'invalid', `invalid is ${JSON.stringify(mark)}; ${why}`);
}
