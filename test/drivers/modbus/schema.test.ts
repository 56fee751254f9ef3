import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
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
  const { plan, told } = planOf(502, [{ id: 'M', points: { p: v.parse(point, settings) } }], common);
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
      scale: 1,
      offset: 0,
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
    [{ reference: '30001', table: 'holding' }, 'reference', /names the table input, but table is holding/],
    [{ reference: '00001' }, 'reference', /names a coil: not in this version/],
    [{ reference: '100001' }, 'reference', /names a discrete: not in this version/],
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
    ['type', 'bcd16', /not in this version; allowed: int16/],
    ['type', 'float', /allowed: int16/],
    ['byteOrder', 'ABCDEF', /not in this version/],
    ['table', 'coil', /not in this version; allowed: holding, input/],
    ['scale', 0, /other than 0/],
    ['maxRegisters', 126, /1…125/],
    ['timeout', '1', /one number and one unit/],
    ['scaleFrom', 'x', /not in this version/],
    ['factorFrom', ['ct'], /not in this version/],
    ['invalid', '7fff', /not in this version/],
    ['bit', 3, /not in this version/],
    ['enum', { '0': 'off' }, /not in this version/],
    ['sum', [], /not in this version/],
    ['length', 4, /not in this version/],
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
