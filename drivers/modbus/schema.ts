import { join } from 'node:path';
import * as v from 'valibot';
import {
  allowed,
  doc,
  duration,
  durationText,
  flag,
  integer,
  later,
  number,
  oneOf,
} from '../../agent/config/grammar.ts';
import type { DriverSchema } from '../driver.ts';
import { buildPlan, clashesOf } from './build-plan.ts';
import { defaults } from './defaults.ts';
import { placeText } from './place.ts';
import { connections, linkOf } from './schema-connections.ts';
import { planReads } from './plan-reads.ts';
import type { ModbusPlan, ModbusPoint } from './plan.ts';
import { mostRegisters } from './protocol.ts';
import { byteOrders, registerTypes } from './types.ts';
import type { RegisterType } from './types.ts';

const types = Object.keys(registerTypes) as [RegisterType, ...RegisterType[]];
const typesToCome = 'int8h int8l uint8h uint8l int48 uint48 bcd16 bcd32 mod10k32 mod10k48 mod10k64 bit string'.split(
  ' ',
);
const ordersToCome = ['ABCDEF', 'EFCDAB', 'BADCFE', 'FEDCBA'];

/** Keys that stand in connection, device and point; the nearest one holds. Defaults are given by the plan, so that none hides a farther one. */
const inherited = {
  table: v.optional(
    doc(
      oneOf(['holding', 'input'], ['coil', 'discrete']),
      'The table that `address` counts in: `holding` registers (function code 03) or `input` registers (04). A `reference` names its table itself.',
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
      oneOf(byteOrders, ordersToCome),
      'The order in which the bytes of a value arrive, A being the most significant: `CDAB` has the words reversed ("word swap"), `BADC` the bytes in each word, `DCBA` both. The same names hold for 64 bits, whose eight-letter names are taken too; 16 bits know only the order inside the register.',
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
      'The most registers that one request asks for. For meters that answer fewer than the protocol allows.',
      { default: defaults.maxRegisters, examples: [32] },
    ),
  ),
  maxGap: v.optional(
    doc(
      integer(0, mostRegisters),
      'How many registers that nobody asked for may be read over to save a request. Only for meters that answer unused addresses.',
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

function address() {
  const message = allowed('0…65535 (1…65536 with addressBase 1) as a number, or hex text, e.g. "0x0BD3"');
  const hex = v.pipe(v.string(message), v.regex(/^0x(?:0?[0-9A-Fa-f]{1,4}|10000)$/, message), v.transform(Number));
  return v.union([integer(0, 0x10000, message.replace('allowed: ', '')), hex], message);
}

function reference() {
  const message = allowed('text of 5 or 6 digits whose first names the table, e.g. "40001" or "400001"');
  return v.pipe(v.string(message), v.regex(/^(?:[0134]\d{4}|[0134]\d{5})$/, message));
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
    address: v.optional(
      doc(
        address(),
        'The first register, as the protocol counts from 0, or as the manual prints it with `addressBase` 1. A number, or hex as text. Every point has either `address` or `reference`.',
        { examples: [342, '0x0156'] },
      ),
    ),
    reference: v.optional(
      doc(
        reference(),
        'Instead of `address`: text of 5 or 6 digits as manuals print it, whose first digit names the table (3 input, 4 holding) and whose rest counts from 1.',
        { examples: ['30343', '400343'] },
      ),
    ),
    type: v.optional(
      doc(
        oneOf(types, typesToCome),
        'How the registers hold the value: 16, 32 or 64 bits take 1, 2 or 4 registers. A value of several registers is never split over two requests.',
        { default: defaults.type, examples: ['float32'] },
      ),
    ),
    scale: v.optional(
      doc(
        v.pipe(number('a number other than 0'), v.notValue(0, allowed('a number other than 0'))),
        'What the number in the registers is multiplied with to give the value in `unit`, exactly in decimal: 12345 with 0.01 is 123.45.',
        { default: defaults.scale, examples: [0.001] },
      ),
    ),
    offset: v.optional(
      doc(number(), 'What is added after `scale`, in `unit`.', { default: defaults.offset, examples: [-273.15] }),
    ),
    min: v.optional(
      doc(number(), 'The lowest value that can be right, in `unit`. A lower one is sent as `uncertain`, not dropped.', {
        examples: [0],
      }),
    ),
    max: v.optional(
      doc(
        number(),
        'The highest value that can be right, in `unit`. A higher one is sent as `uncertain`, not dropped.',
        {
          examples: [100],
        },
      ),
    ),
    raw: v.optional(
      doc(
        flag(),
        'Whether records carry the register words as they came, so that a wrong `type` or `byteOrder` can be mended later without loss. On for counters, off for the rest unless stated.',
      ),
    ),
    ...inherited,
    invalid: later(),
    bit: later(),
    enum: later(),
    sum: later(),
    length: later(),
    scaleFrom: later(),
    factorFrom: later(),
  },
  inherited: Object.keys(inherited),
  alternatives: [['address', 'reference']],
  profileFolder: join(import.meta.dirname, 'profiles'),
  linkOf,
  kindOf: () => 'gauge',
  plan: buildPlan,
  clashes: clashesOf,
  requestsPerCycle: (plan) => plan.devices.reduce((sum, { points }) => sum + planReads(points).length, 0),
  describe(plan, { device, point: name }) {
    const points = plan.devices.find(({ id }) => id === device)?.points;
    const point = points?.find(({ info }) => info.point === name);
    if (point === undefined) return { where: '', keepsRaw: true };
    return { where: placeText(point.table, point.address), keepsRaw: point.raw, timeoutMs: point.timeoutMs };
  },
  registersOf(plan, device) {
    const points = plan.devices.find(({ id }) => id === device)?.points ?? [];
    return Object.fromEntries(points.map((point) => [point.info.point, registersOfPoint(point)]));
  },
};

/** How the words are found and read, without how often and how patiently they are asked for. */
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
  return map;
}
