import { describe, expect, it } from 'vitest';
import { builtIn, elementOf, qualityOf, valueOf } from '../../../drivers/opcua/values.ts';
import type { ValueRules, WireValue } from '../../../drivers/opcua/values.ts';

const plain: ValueRules = { enum: null, scale: 1, offset: 0, min: null, max: null };
const good = { code: 0, name: 'Good' };
const of = (type: keyof typeof builtIn, value: unknown): WireValue => ({
  dataType: builtIn[type],
  isArray: false,
  dimensions: null,
  value,
});

describe('a value of an OPC UA server', () => {
  it.each<[string, WireValue, number | null, string | null]>([
    ['a boolean', of('Boolean', true), 1, 'true'],
    ['a byte', of('Byte', 255), 255, null],
    ['a negative integer', of('Int32', -7), -7, null],
    ['a float as its shortest decimal', of('Float', 230.39999389648438), 230.4, null],
    ['a double', of('Double', 0.1), 0.1, null],
    ['minus zero as zero', of('Double', -0), 0, null],
    ['64 bits that fit a double', of('UInt64', [0, 4_711]), 4_711, null],
    ['64 bits beyond a double, with all digits', of('UInt64', [0x10000000, 1]), 2 ** 60, '1152921504606846977'],
    ['the least of 64 signed bits', of('Int64', [0x80000000, 0]), -(2 ** 63), '-9223372036854775808'],
    ['minus one of 64 bits', of('Int64', [0xffffffff, 0xffffffff]), -1, null],
    ['64 bits as a bigint', of('UInt64', 18_446_744_073_709_551_615n), 2 ** 64, '18446744073709551615'],
    ['a string', of('String', 'Pump 1'), null, 'Pump 1'],
    ['a string that would ring a bell', of('String', 'a\u0007b'), null, 'a\uFFFDb'],
    ['a time', of('DateTime', new Date(0)), null, '1970-01-01T00:00:00.000Z'],
    ['a localized text', of('LocalizedText', { locale: 'de', text: 'offen' }), null, 'offen'],
    ['bytes', of('ByteString', Buffer.from('cafe', 'hex')), null, 'cafe'],
  ])('is %s', (_what, wire, value, text) => {
    const seen = valueOf(wire, good, plain);
    expect(seen).toEqual({ value, text: text === null ? null : text, quality: 'good', status: 'Good' });
    expect(Object.is(seen.value, -0)).toBe(false);
  });

  it('has no number where its status is bad, whatever came with it', () => {
    const seen = valueOf(of('Double', 4.5), { code: 0x808b0000, name: 'BadDeviceFailure' }, plain);
    expect(seen).toEqual({ value: null, text: null, quality: 'bad', status: 'BadDeviceFailure' });
  });

  it('keeps its number and its name where its status is uncertain', () => {
    const seen = valueOf(of('Double', 4.5), { code: 0x40900000, name: 'UncertainLastUsableValue' }, plain);
    expect(seen).toEqual({ value: 4.5, text: null, quality: 'uncertain', status: 'UncertainLastUsableValue' });
  });

  it.each([
    ['NaN', of('Float', Number.NaN), 'BadSensorFailure'],
    ['infinity', of('Double', -Infinity), 'BadSensorFailure'],
    ['nothing', of('Double', null), 'BadNoData'],
    ['an array', { ...of('Double', [1, 2]), isArray: true }, 'BadTypeMismatch'],
    ['a structure', { dataType: 22, isArray: false, dimensions: null, value: {} }, 'BadTypeMismatch'],
    ['a number that is none', of('Int32', '7'), 'BadTypeMismatch'],
  ])('is bad where it is %s', (_what, wire, status) => {
    expect(valueOf(wire, good, plain)).toEqual({ value: null, text: null, quality: 'bad', status });
  });

  it('is scaled in decimals, and doubted outside of its range', () => {
    const rules = { ...plain, scale: 0.01, offset: -1, min: 0, max: 122 };
    expect(valueOf(of('Int32', 12_345), good, rules)).toMatchObject({
      value: 122.45,
      quality: 'uncertain',
      status: 'UncertainEngineeringUnitsExceeded',
    });
    expect(valueOf(of('Int32', 12_300), good, rules)).toMatchObject({ value: 122, quality: 'good' });
  });

  it('has the name of its number, else is doubted', () => {
    const named = { ...plain, enum: { '1': 'on' } };
    expect(valueOf(of('Int32', 1), good, named)).toMatchObject({ value: 1, text: 'on', quality: 'good' });
    expect(valueOf(of('Int32', 2), good, named)).toMatchObject({ value: 2, text: null, status: 'UncertainSubNormal' });
  });
});

describe('an element of an array', () => {
  const row = { ...of('Int32', [10, 20, 30]), isArray: true };
  const matrix = { ...of('Int32', [1, 2, 3, 4, 5, 6]), isArray: true, dimensions: [2, 3] };

  it.each([
    [row, [0], 10],
    [row, [2], 30],
    [{ ...row, value: Int32Array.from([7, 8]) }, [1], 8],
    [matrix, [1, 0], 4],
    [matrix, [1, 2], 6],
  ])('is where its numbers say', (wire, index, value) => {
    expect(elementOf(wire, index)).toMatchObject({ isArray: false, value });
  });

  it.each([
    [row, [3]],
    [row, [0, 0]],
    [matrix, [0, 3]],
    [matrix, [2, 0]],
    [matrix, [1]],
    [{ ...row, value: null }, [0]],
  ])('is missing beyond its bounds', (wire, index) => {
    expect(elementOf(wire, index)).toBeNull();
  });

  it('is missing where the node is no array (any more): its one value is not that of an element', () => {
    expect(elementOf(of('Int32', 7), [3])).toBeNull();
    expect(elementOf(of('Int32', 7), null)).toMatchObject({ value: 7 });
  });
});

it('takes the quality from the severity of a StatusCode', () => {
  expect([0, 0x00a60000, 0x40000000, 0x80000000, 0xc0000000].map(qualityOf)).toEqual([
    'good',
    'good',
    'uncertain',
    'bad',
    'bad',
  ]);
});
