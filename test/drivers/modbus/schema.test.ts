import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import type { Kind } from '../../../agent/reading.ts';
import type { Settings } from '../../../drivers/driver.ts';
import type { ModbusPoint } from '../../../drivers/modbus/plan.ts';
import { modbusSchema } from '../../../drivers/modbus/schema.ts';
import { planOf, pointInfo } from './support.ts';
import type { Told } from './support.ts';

const point = v.strictObject(modbusSchema.point);
const messages = (schema: v.GenericSchema, input: unknown): string[] => {
  const result = v.safeParse(schema, input);
  return result.issues?.map(({ message }) => message) ?? [];
};

/** One point through schema and plan. */
function planned(settings: Settings, common: Settings = {}): { point: ModbusPoint | undefined; told: Told[] } {
  const { kind, ...own } = settings;
  const read = { ...v.parse(point, own), ...(kind === undefined ? {} : { kind: kind as Kind }) };
  const { plan, told } = planOf(502, [{ id: 'M', points: { p: read } }], common);
  return { point: plan.devices[0]?.points[0], told };
}

test('a point that states only its address gets every default', () => {
  expect(planned({ address: 12 })).toEqual({
    told: [],
    point: {
      info: pointInfo('M', 'p'),
      table: 'holding',
      address: 12,
      registers: 1,
      type: 'uint16',
      byteOrder: 'ABCD',
      bit: null,
      sum: [],
      invalid: [],
      enum: null,
      scale: 1,
      offset: 0,
      scaleFrom: null,
      factorFrom: [],
      min: null,
      max: null,
      raw: false,
      timeoutMs: 1000,
      retries: 1,
      pauseMs: 0,
      maxRegisters: 125,
      maxGap: 0,
    },
  });
});

test.each([
  [{ address: 0 }, 'holding', 0],
  [{ address: '0x0BD3' }, 'holding', 3027],
  [{ address: 65535 }, 'holding', 65535],
  [{ address: 1, addressBase: 1 }, 'holding', 0],
  [{ address: 65536, addressBase: 1 }, 'holding', 65535],
  [{ address: 40001, addressBase: 0 }, 'holding', 40001],
  [{ address: 5, table: 'input' }, 'input', 5],
  [{ reference: '40001' }, 'holding', 0],
  [{ reference: '49999' }, 'holding', 9998],
  [{ reference: '30011' }, 'input', 10],
  [{ reference: '400001' }, 'holding', 0],
  [{ reference: '465536' }, 'holding', 65535],
  [{ reference: '40001', table: 'holding' }, 'holding', 0],
  [{ reference: '40011', addressBase: 1 }, 'holding', 10],
  [{ reference: '00001' }, 'coil', 0],
  [{ reference: '165536' }, 'discrete', 65535],
  [{ address: 7, table: 'discrete' }, 'discrete', 7],
])('%o is %s register %d', (settings, table, address) => {
  const { point: found, told } = planned(settings);
  expect(told).toEqual([]);
  expect([found?.table, found?.address]).toEqual([table, address]);
});

describe('what contradicts itself is told at its key', () => {
  test.each<[Settings, string | null, RegExp]>([
    [{}, null, /address is missing \(or reference\)/],
    [{ address: 5, reference: '40006' }, 'reference', /exclude each other/],
    [{ address: 0, addressBase: 1 }, 'address', /address is 0; allowed with addressBase 1: 1…65536/],
    [{ address: 65536 }, 'address', /allowed with addressBase 0: 0…65535; a manual that counts from 1/],
    [{ address: 65535, type: 'float32' }, 'address', /float32 takes 2 registers and would run past 65535/],
    [{ reference: '465534', type: 'uint64' }, 'reference', /would run past 65535/],
    [{ reference: '30001', table: 'holding' }, 'reference', /names an input register, but table is holding/],
    [{ reference: '00000' }, 'reference', /allowed: "00001"…"09999"/],
    [{ reference: '165537' }, 'reference', /allowed: "100001"…"165536"/],
    [
      { address: 1, type: 'uint48', byteOrder: 'GHEFCDAB' },
      'byteOrder',
      /eight letters for 64 bits; allowed for uint48/,
    ],
    [{ address: 1, type: 'uint32', byteOrder: 'EFCDAB' }, 'byteOrder', /six letters for 48 bits; allowed for uint32/],
    [{ address: 1, table: 'coil', type: 'uint16' }, 'type', /a coil is one bit: leave out type/],
    [{ reference: '10001', bit: 0 }, 'bit', /a discrete input is one bit already: leave out bit/],
    [{ address: 1, table: 'coil', byteOrder: 'CDAB' }, 'byteOrder', /a coil is one bit: leave out byteOrder/],
    [{ address: 1, table: 'coil', invalid: 1 }, 'invalid', /are 0 or 1; leave out invalid/],
    [{ address: 1, type: 'bit' }, 'type', /its bit is missing: 0…15, 0 the least significant/],
    [{ address: 1, type: 'uint16', bit: 3 }, 'bit', /bit is 3 and type is "uint16"; a bit has the type "bit"/],
    [{ address: 1, type: 'string' }, 'type', /its length is missing/],
    [{ address: 1, length: 4 }, 'length', /only a string has a length: state "type": "string" too/],
    [{ address: 1, length: 4, type: 'uint32' }, 'length', /only a string has a length/],
    [{ address: 1, length: 9, type: 'string', maxRegisters: 8 }, 'length', /string takes 9 and is never split/],
    [{ address: 1, length: 4, type: 'string', scale: 2 }, 'scale', /which is no number; leave out scale/],
    [{ address: 1, length: 4, type: 'string', kind: 'gauge' }, 'kind', /a string is of kind "text"/],
    [{ address: 1, kind: 'text' }, 'kind', /uint16 is a number; allowed: counter, gauge, state/],
    [{ address: 1, enum: { '0': 'off' }, scale: 2 }, 'scale', /enum names numbers as the device gives them/],
    [{ address: 1, enum: { '0': 'off' }, type: 'float32' }, 'enum', /enum names whole numbers/],
    [{ address: 1, enum: { '0': 'off' }, kind: 'counter' }, 'kind', /an enum is no total; allowed: state, gauge/],
    [{ address: 1, bit: 3, kind: 'counter' }, 'kind', /a bit is no total/],
    [{ address: 1, invalid: 'ffff ffff' }, 'invalid', /uint16 takes 1 of these words/],
    [{ address: 1, invalid: '0x10000' }, 'invalid', /uint16 has 4 hex digits/],
    [{ address: 1, type: 'int8l', invalid: '0x180' }, 'invalid', /int8l has 2 hex digits/],
    [{ address: 1, invalid: -1 }, 'invalid', /uint16 gives whole numbers 0…65535 before scaling/],
    [{ address: 1, type: 'uint32', invalid: ['ffff ffff', 1.5] }, 'invalid', /invalid is 1.5; uint32 gives whole/],
    [{ address: 1, type: 'string', length: 2, invalid: 0 }, 'invalid', /allowed for a string: words/],
    [
      { address: 1, sum: [{ address: 2 }] },
      'address',
      /sum and address exclude each other; state address in each part/,
    ],
    [{ sum: [{ address: 2 }], enum: { '0': 'off' } }, 'enum', /sum and enum exclude each other; keep one of them/],
    [{ sum: [{ address: 2 }, {}] }, 'sum', /sum\[1\]: address is missing/],
    [{ sum: [{ address: 2 }, { reference: '30001' }] }, 'sum', /parts in the tables holding and input/],
    [{ sum: [{ address: 2 }, { address: 127 }] }, 'sum', /sum reaches over 126 and is never split/],
    [{ sum: [{ address: 65_535, type: 'uint32' }] }, 'sum', /would run past 65535/],
    [{ sum: [{ reference: '00001' }] }, 'sum', /single bits; allowed: holding, input/],
    [{ sum: [{ address: 2, type: 'uint32', invalid: 'ffff' }] }, 'sum', /sum\[0\]: invalid is "ffff"; uint32 takes 2/],
    [{ reference: '40000' }, 'reference', /allowed: "40001"…"49999"/],
    [{ reference: '465537' }, 'reference', /allowed: "400001"…"465536"/],
    [{ address: 1, type: 'float32', byteOrder: 'GHEFCDAB' }, 'byteOrder', /eight letters for 64 bits/],
    [{ address: 1, type: 'uint64', maxRegisters: 3 }, 'maxRegisters', /uint64 takes 4 and is never split/],
    [{ address: 1, min: 5, max: 4 }, 'min', /min is 5 and max is 4/],
  ])('%o', (settings, key, message) => {
    const { told } = planned(settings);
    expect(told.map(({ severity, key: at }) => [severity, at])).toEqual([['error', key]]);
    expect(told[0]?.message).toMatch(message);
  });
});

test('an address that looks like a reference is warned about, unless addressBase is stated', () => {
  expect(planned({ address: 40011 }).told).toMatchObject([{ severity: 'warning', key: 'address' }]);
  expect(planned({ address: 40011 }).told[0]?.message).toContain('did you mean "reference": "40011"?');
  expect(planned({ address: 40011, addressBase: 0 }).told).toEqual([]);
  expect(planned({ address: 40000 }).told).toEqual([]);
});

test('values that overlap by half are warned about; the same registers under two names or types are fine', () => {
  const told = (points: Record<string, Settings>): Told[] => planOf(502, [{ id: 'M', points }]).told;
  expect(told({ a: { address: 10, type: 'float32' }, b: { address: 11, type: 'float32' } })).toMatchObject([
    { severity: 'warning', point: 'b', message: '"b" (holding 11…12) overlaps "a" (10…11)' },
  ]);
  expect(told({ a: { address: 10, type: 'float32' }, b: { address: 10, type: 'uint32' } })).toEqual([]);
  expect(told({ a: { address: 10, type: 'float32' }, b: { address: 11 } })).toEqual([]);
  expect(told({ a: { address: 10, type: 'float32' }, b: { address: 11, type: 'float32', table: 'input' } })).toEqual(
    [],
  );
});

test('two devices with one unit id on a connection are warned about', () => {
  const { told } = planOf(502, [
    { id: 'A', unitId: 3, points: { p: { address: 0 } } },
    { id: 'B', unitId: 3, points: { p: { address: 1 } } },
  ]);
  expect(told).toMatchObject([
    { severity: 'warning', device: 'B', key: 'unitId', message: expect.stringContaining('"A"') },
  ]);
});

test('counters keep their raw words, others when told to', () => {
  const { plan } = planOf(502, [
    {
      id: 'M',
      points: {
        total: { address: 0, kind: 'counter' },
        quiet: { address: 1, kind: 'counter', raw: false },
        flow: { address: 2 },
      },
    },
  ]);
  expect(plan.devices[0]?.points.map(({ raw }) => raw)).toEqual([true, false, false]);
});

describe('single keys', () => {
  test.each<[string, unknown, RegExp]>([
    ['address', -1, /0…65535/],
    ['address', '3027', /hex text, e.g. "0x0BD3"/],
    ['address', 1.5, /0…65535/],
    ['address', '0x1FFFF', /0…65535/],
    ['reference', '4001', /5 or 6 digits/],
    ['reference', '50001', /5 or 6 digits/],
    ['type', 'float', /allowed: int8h/],
    ['byteOrder', 'BACD', /allowed: ABCD/],
    ['table', 'coils', /allowed: coil, discrete, holding, input/],
    ['scale', 0, /other than 0/],
    ['maxRegisters', 126, /1…125/],
    ['timeout', '1', /one number and one unit/],
    ['scaleFrom', 'a b', /characters/],
    ['factorFrom', 'ct', /a list of names/],
    ['factorFrom', [], /a list of names/],
    ['invalid', '7ff', /words as `sluice read` shows them/],
    ['invalid', [], /words as `sluice read` shows them/],
    ['invalid', ['8000', true], /words as `sluice read` shows them/],
    ['bit', 16, /0…15/],
    ['enum', { '01': 'off' }, /a whole number, e.g. "0"/],
    ['enum', {}, /an object { "0": "off"/],
    ['sum', [], /a list of parts/],
    ['length', 126, /1…125/],
  ])('%s: %o is refused with what is allowed', (key, value, message) => {
    expect(messages(point, { address: 0, [key]: value }).join()).toMatch(message);
  });

  test.each([248, 254, 256, -1, 1.5, '1'])('unitId %o is refused', (unitId) => {
    expect(messages(v.strictObject(modbusSchema.device), { unitId })).toEqual(['allowed: 1…247 (or 0 and 255 on TCP)']);
  });

  test.each([0, 1, 247, 255])('unitId %d is taken', (unitId) => {
    expect(messages(v.strictObject(modbusSchema.device), { unitId })).toEqual([]);
  });

  test('unitId and host must be stated', () => {
    expect(messages(v.strictObject(modbusSchema.device), {})).toHaveLength(1);
    expect(messages(v.strictObject(modbusSchema.connections['modbus-tcp'] ?? {}), {})).toHaveLength(1);
  });
});

test('a person is told where a point is found, as the protocol and as manuals count', () => {
  const { plan } = planOf(502, [
    { id: 'M', points: { a: { address: 12 }, b: { address: 9999, table: 'input', raw: true } } },
  ]);
  expect(modbusSchema.describe?.(plan, pointInfo('M', 'a'))).toEqual({
    where: 'holding 12 (40013, 400013)',
    keepsRaw: false,
    timeoutMs: 1000,
  });
  expect(modbusSchema.describe?.(plan, pointInfo('M', 'b'))).toMatchObject({
    where: 'input 9999 (310000)',
    keepsRaw: true,
  });
  expect(modbusSchema.requestsPerCycle?.(plan)).toBe(2);
});
