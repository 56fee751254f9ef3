import { join } from 'node:path';
import * as v from 'valibot';
import { allowed, doc, duration, durationText, integer, oneOf } from '../../agent/config/grammar.ts';
import type { DriverSchema } from '../driver.ts';
import { buildPlan } from './build-plan.ts';
import { clashesOf, typeOf } from './build-point.ts';
import type { PointSettings } from './build-point.ts';
import { defaults } from './defaults.ts';
import { placeText } from './place.ts';
import { lineOf } from './line-key.ts';
import { loadOf } from './line-load.ts';
import { connections, linkOf } from './schema-connections.ts';
import { planReads } from './plan-reads.ts';
import type { ModbusPlan, ModbusPoint } from './plan.ts';
import { mostRegisters, tables } from './protocol.ts';
import { pointEntries } from './schema-point.ts';
import { byteOrders } from './types.ts';

/** Keys that stand in connection, device and point; the nearest one holds. Defaults are given by the plan, so that none hides a farther one. */
const inherited = {
  table: v.optional(
    doc(
      oneOf(tables),
      'The table that `address` counts in: `holding` registers (function code 03), `input` registers (04), `coil` (01) or `discrete` inputs (02). A `reference` names its table itself.',
      { default: defaults.table },
    ),
  ),
  addressBase: v.optional(
    doc(
      integer(0, 1, '0 (as the protocol counts) or 1 (as most manuals print)'),
      'The number that the manual gives the first register: 0 as the protocol counts, 1 as most manuals print. 1 is taken off every `address`; a `reference` is not touched.',
      { default: defaults.addressBase },
    ),
  ),
  byteOrder: v.optional(
    doc(
      oneOf(byteOrders),
      'The order in which the bytes of a value arrive, A being the most significant: `CDAB` has the words reversed ("word swap"), `BADC` the bytes in each word, `DCBA` both. The same names hold for 48 and 64 bits, whose names of six and eight letters are taken too. For 16 bits, bits and strings only the order inside a register matters: words of a string are never reordered.',
      { default: defaults.byteOrder },
    ),
  ),
  timeout: v.optional(
    doc(duration({ minMs: 10, maxMs: 60_000 }), 'How long the answer to one request is waited for.', {
      default: durationText(defaults.timeoutMs),
      examples: ['500ms', '3s'],
    }),
  ),
  retries: v.optional(
    doc(integer(0, 10), 'How often a request is sent again when no answer came, before the device counts as silent.', {
      default: defaults.retries,
    }),
  ),
  pause: v.optional(
    doc(
      duration({ maxMs: 60_000 }),
      'Quiet time before each request to this device. For meters that fail when they are asked too quickly.',
      { default: durationText(defaults.pauseMs), examples: ['50ms'] },
    ),
  ),
  maxRegisters: v.optional(
    doc(
      integer(1, mostRegisters),
      'The most registers that one request asks for; of coils and discrete inputs sixteen for each. For meters that answer fewer than the protocol allows.',
      { default: defaults.maxRegisters, examples: [32] },
    ),
  ),
  maxGap: v.optional(
    doc(
      integer(0, mostRegisters),
      'How many registers (or coils, or discrete inputs) that nobody asked for may be read over to save a request. Only for meters that answer unused addresses.',
      { default: defaults.maxGap, examples: [8] },
    ),
  ),
};

function unitId() {
  const what = '1…247 (or 0 and 255 on TCP)';
  return v.pipe(
    integer(0, 255, what),
    v.check((value) => value < 248 || value > 254, allowed(what)),
    v.metadata({ not: { minimum: 248, maximum: 254 } }),
  );
}

export const modbusSchema: DriverSchema<ModbusPlan> = {
  family: 'modbus',
  connections: Object.fromEntries(
    Object.entries(connections).map(([driver, own]) => [driver, { ...own, ...inherited }]),
  ),
  device: {
    unitId: doc(
      unitId(),
      'The Modbus address of the device ("slave id"): what is set at the meter. Meters with a network port of their own mostly answer to 1, 0 or 255.',
      { examples: [1] },
    ),
    ...inherited,
  },
  point: {
    ...pointEntries,
    ...inherited,
  },
  inherited: Object.keys(inherited),
  alternatives: [['address', 'reference', 'sum']],
  profileFolder: join(import.meta.dirname, 'profiles'),
  linkOf,
  lineOf: ({ transport }) => lineOf(transport),
  kindOf(point) {
    const set = point as PointSettings;
    const type = typeOf(set);
    if (type === 'string') return 'text';
    return type === 'bit' || set.enum !== undefined ? 'state' : 'gauge';
  },
  plan: buildPlan,
  clashes: clashesOf,
  requestsPerCycle: (plan) => plan.devices.reduce((sum, { points }) => sum + planReads(points).length, 0),
  loadOf,
  describe(plan, { device, point: name }) {
    const points = plan.devices.find(({ id }) => id === device)?.points;
    const point = points?.find(({ info }) => info.point === name);
    if (point === undefined) return { where: '', keepsRaw: true };
    return { where: whereIs(point), keepsRaw: point.raw, timeoutMs: point.timeoutMs };
  },
  registersOf(plan, device) {
    const points = plan.devices.find(({ id }) => id === device)?.points ?? [];
    return Object.fromEntries(points.map((point) => [point.info.point, registersOfPoint(point)]));
  },
};

/** How the words are found and read, without how often and how patiently they are asked for, and without what the point does not state. */
function registersOfPoint(point: ModbusPoint): Record<string, unknown> {
  const {
    info: _info,
    raw: _raw,
    timeoutMs: _t,
    retries: _r,
    pauseMs: _p,
    maxRegisters: _m,
    maxGap: _g,
    ...map
  } = point;
  const { bit, sum, invalid, enum: names, scaleFrom, factorFrom, ...always } = map;
  return {
    ...always,
    ...(bit === null ? {} : { bit }),
    ...(sum.length === 0 ? {} : { sum: sum.map(partOfSum) }),
    ...(invalid.length === 0 ? {} : { invalid }),
    ...(names === null ? {} : { enum: names }),
    ...(scaleFrom === null ? {} : { scaleFrom }),
    ...(factorFrom.length === 0 ? {} : { factorFrom }),
  };
}

function partOfSum({ invalid, ...part }: ModbusPoint['sum'][number]): object {
  return invalid.length === 0 ? part : { ...part, invalid };
}

/** The parts of a sum one after another; the bit beside its register. */
function whereIs({ table, address, bit, sum }: ModbusPoint): string {
  if (sum.length > 0) return sum.map((part) => placeText(table, part.address)).join(' + ');
  return `${placeText(table, address)}${bit === null ? '' : ` bit ${bit}`}`;
}
