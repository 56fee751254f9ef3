import * as v from 'valibot';
import { allowed, duration, flag, host, integer, later, number, oneOf, port } from '../../agent/config/grammar.ts';
import type { DriverSchema } from '../driver.ts';
import { buildPlan } from './build-plan.ts';
import { planReads } from './plan-reads.ts';
import type { ModbusPlan, ModbusPoint } from './plan.ts';
import { defaultPort, mostRegisters } from './protocol.ts';
import { byteOrders, registerTypes } from './types.ts';
import type { RegisterType } from './types.ts';

const types = Object.keys(registerTypes) as [RegisterType, ...RegisterType[]];
const typesToCome = 'int8h int8l uint8h uint8l int48 uint48 bcd16 bcd32 mod10k32 mod10k48 mod10k64 bit string'.split(
  ' ',
);
const ordersToCome = ['ABCDEF', 'EFCDAB', 'BADCFE', 'FEDCBA'];

/** Keys that stand in connection, device and point; the nearest one holds. Defaults are given by the plan, so that none hides a farther one. */
const inherited = {
  table: v.optional(oneOf(['holding', 'input'], ['coil', 'discrete'])),
  addressBase: v.optional(integer(0, 1, '0 (as the protocol counts) or 1 (as most manuals print)')),
  byteOrder: v.optional(oneOf(byteOrders, ordersToCome)),
  timeout: v.optional(duration({ minMs: 10, maxMs: 60_000 })),
  retries: v.optional(integer(0, 10)),
  pause: v.optional(duration({ maxMs: 60_000 })),
  maxRegisters: v.optional(integer(1, mostRegisters)),
  maxGap: v.optional(integer(0, mostRegisters)),
};

function unitId() {
  const what = '1…247 (or 0 and 255 on TCP)';
  return v.pipe(
    integer(0, 255, what),
    v.check((value) => value < 248 || value > 254, allowed(what)),
  );
}

function address() {
  const message = allowed('0…65535 (1…65536 with addressBase 1) as a number, or hex text, e.g. "0x0BD3"');
  const hex = v.pipe(
    v.string(message),
    v.regex(/^0x[0-9A-Fa-f]{1,5}$/, message),
    v.transform(Number),
    v.maxValue(0x10000, message),
  );
  return v.union([integer(0, 0x10000, message.replace('allowed: ', '')), hex], message);
}

function reference() {
  const message = allowed('text of 5 or 6 digits whose first names the table, e.g. "40001" or "400001"');
  return v.pipe(v.string(message), v.regex(/^(?:[0134]\d{4}|[0134]\d{5})$/, message));
}

export const modbusSchema: DriverSchema<ModbusPlan> = {
  names: ['modbus-tcp'],
  connection: {
    host: host(),
    port: v.optional(port()),
    ...inherited,
    maxInFlight: later(),
    pauseAfterConnect: later(),
    closeWhenIdle: later(),
  },
  device: { unitId: unitId(), ...inherited },
  point: {
    address: v.optional(address()),
    reference: v.optional(reference()),
    type: v.optional(oneOf(types, typesToCome)),
    scale: v.optional(
      v.pipe(
        number('a number other than 0'),
        v.check((value) => value !== 0, allowed('a number other than 0')),
      ),
    ),
    offset: v.optional(number()),
    min: v.optional(number()),
    max: v.optional(number()),
    raw: v.optional(flag()),
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
  linkOf: ({ host: where, port: at = defaultPort }) => ({
    name: `${where as string}:${at as number}`,
    shared: 'warning',
  }),
  kindOf: () => 'gauge',
  plan: buildPlan,
  requestsPerCycle: (plan) => plan.devices.reduce((sum, { points }) => sum + planReads(points).length, 0),
  describe(plan, { device, point: name }) {
    const points = plan.devices.find(({ id }) => id === device)?.points;
    const point = points?.find(({ info }) => info.point === name);
    return point === undefined ? { where: '', keepsRaw: true } : { where: whereIs(point), keepsRaw: point.raw };
  },
};

/** `holding 12 (40013, 400013)`: the protocol address and both references of manuals, where there are both. */
function whereIs(point: ModbusPoint): string {
  const counted = point.address + 1;
  const digit = point.table === 'holding' ? '4' : '3';
  const short = counted <= 9999 ? `${digit}${String(counted).padStart(4, '0')}, ` : '';
  return `${point.table} ${point.address} (${short}${digit}${String(counted).padStart(5, '0')})`;
}
