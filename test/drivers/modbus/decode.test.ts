import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decoderOf, hexWords } from '../../../drivers/modbus/decode.ts';
import type { Decoding } from '../../../drivers/modbus/decode.ts';
import { encoderOf } from '../../../drivers/modbus/encode.ts';
import { byteOrders, registersOf, registerTypes } from '../../../drivers/modbus/types.ts';
import type { ByteOrder, RegisterType } from '../../../drivers/modbus/types.ts';

const plain: Decoding = { type: 'uint16', byteOrder: 'ABCD', scale: 1, offset: 0, min: null, max: null };
const decode = (words: string, decoding: Partial<Decoding>) =>
  decoderOf({ ...plain, ...decoding })(Buffer.from(words.replaceAll(' ', ''), 'hex'));

/** Orders that fit a type. */
const ordersOf = (type: RegisterType): ByteOrder[] =>
  byteOrders.filter((order) => registersOf(type) !== 2 || order.length === 4);
const types = Object.keys(registerTypes) as RegisterType[];

describe('the table of cases, made by Python (test/cases/modbus/decode.py)', () => {
  const lines = readFileSync(new URL('../../cases/modbus/decode.csv', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const rows = lines.slice(1).map((line) => line.split(','));

  test.each(types.flatMap((type) => ordersOf(type).map((order) => [type, order] as const)))(
    '%s in order %s decodes exactly at every scale',
    (type, order) => {
      const mine = rows.filter((row) => row[0] === type && row[1] === order);
      expect(mine.length).toBeGreaterThan(0);
      for (const [, , words = '', scale, offset, value, text] of mine) {
        const seen = decode(words, { type, byteOrder: order, scale: Number(scale), offset: Number(offset) });
        const expected = { value: Number(value), text: text === '' ? null : text, quality: 'good', status: 'Good' };
        expect({ words, scale, offset, ...seen }).toEqual({ words, scale, offset, ...expected });
      }
    },
  );
});

test.each([
  ['3039', { type: 'uint16', scale: 0.01 }, 123.45],
  ['3039', { type: 'int16', scale: 0.1, offset: -273.15 }, 961.35],
  ['0047 e352', { type: 'uint32', scale: 0.001 }, 4711.25],
  ['e352 0047', { type: 'uint32', scale: 0.001, byteOrder: 'CDAB' }, 4711.25],
  ['4366 6666', { type: 'float32' }, 230.4],
  ['4366 6666', { type: 'float32', scale: 0.1 }, 23.04],
  ['5640', { type: 'float16' }, 100],
  ['2e66', { type: 'float16' }, 0.1],
  ['4056 e666 6666 6666', { type: 'float64' }, 91.6],
  ['0001', { type: 'uint16', scale: 1e-7 }, 1e-7],
  ['0001', { type: 'uint16', scale: 1e21 }, 1e21],
] as const)('the words %s are worth exactly what the manual says (%o: %d)', (words, decoding, value) => {
  expect(decode(words, decoding)).toEqual({ value, text: null, quality: 'good', status: 'Good' });
});

test('a total beyond a double keeps its digits in text, after scaling', () => {
  const seen = decode('ffff ffff ffff ffff', { type: 'uint64', scale: 0.001 });
  expect([seen.value, seen.text]).toEqual([18446744073709552, '18446744073709551.615']);
  expect(decode('0020 0000 0000 0001', { type: 'uint64' }).text).toBe('9007199254740993');
  expect(decode('0020 0000 0000 0000', { type: 'uint64' }).text).toBeNull();
});

test.each([
  ['7fc0 0000', 'float32'],
  ['7f80 0000', 'float32'],
  ['ff80 0000', 'float32'],
  ['7e00', 'float16'],
  ['7c00', 'float16'],
  ['7ff8 0000 0000 0000', 'float64'],
  ['fff0 0000 0000 0000', 'float64'],
] as const)('%s as %s is no number: bad, the sensor failed', (words, type) => {
  expect(decode(words, { type })).toEqual({ value: null, text: null, quality: 'bad', status: 'BadSensorFailure' });
});

test('a float that scaling carries beyond a double is bad, never infinite', () => {
  expect(decode('7fe0 0000 0000 0000', { type: 'float64', scale: 1e10 }).quality).toBe('bad');
});

test('minus zero is zero', () => {
  expect(Object.is(decode('8000 0000', { type: 'float32' }).value, 0)).toBe(true);
  expect(Object.is(decode('8000 0000 0000 0000', { type: 'float64' }).value, 0)).toBe(true);
  expect(Object.is(decode('0000', { scale: -0.1 }).value, 0)).toBe(true);
});

test('outside min and max the value is kept and uncertain; the bounds themselves are good', () => {
  const limits = { scale: 0.1, min: 10, max: 20 };
  expect(decode('0064', limits).status).toBe('Good');
  expect(decode('00c8', limits).status).toBe('Good');
  const uncertain = { text: null, quality: 'uncertain', status: 'UncertainEngineeringUnitsExceeded' };
  expect(decode('0063', limits)).toEqual({ value: 9.9, ...uncertain });
  expect(decode('00c9', limits)).toEqual({ value: 20.1, ...uncertain });
});

test('raw words are written in hex, one group a register', () => {
  expect(hexWords(Buffer.from('0047e352', 'hex'))).toBe('0047 e352');
});

const decodings = fc.constantFrom(...types).chain((type) =>
  fc.record({
    type: fc.constant(type),
    byteOrder: fc.constantFrom(...ordersOf(type)),
    words: fc.uint8Array({ minLength: registersOf(type) * 2, maxLength: registersOf(type) * 2 }),
  }),
);

test('what decodes to a number encodes to the same words', () => {
  fc.assert(
    fc.property(decodings, ({ type, byteOrder, words }) => {
      const bytes = Buffer.from(words);
      const { value, text } = decoderOf({ ...plain, type, byteOrder })(bytes);
      // NaN has no value; −0 comes back as 0.
      fc.pre(value !== null && value !== 0);
      expect(encoderOf({ ...plain, type, byteOrder })(text ?? value)).toEqual(bytes);
    }),
    { numRuns: 3000 },
  );
});

test('what encodes from an engineering value decodes to it, whatever the scale and offset', () => {
  const scales = fc.constantFrom(1, 0.1, 0.01, 0.001, 10, -0.5, 2.5, 1e-6);
  const offsets = fc.constantFrom(0, -40, 0.125, 273.15);
  fc.assert(
    fc.property(decodings, scales, offsets, ({ type, byteOrder, words }, scale, offset) => {
      fc.pre(!type.startsWith('float'));
      const decoding = { ...plain, type, byteOrder, scale, offset };
      const seen = decoderOf(decoding)(Buffer.from(words));
      expect(encoderOf(decoding)(seen.text ?? seen.value ?? NaN)).toEqual(Buffer.from(words));
    }),
    { numRuns: 3000 },
  );
});

test('a float32 is shown as the shortest decimal that gives the same float32 back', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const words = Buffer.alloc(4);
      words.writeFloatBE(value);
      const shown = decoderOf({ ...plain, type: 'float32' })(words).value ?? NaN;
      expect(Math.fround(shown)).toBe(value === 0 ? 0 : value);
      const digits = digitsOf(shown);
      for (let fewer = 1; fewer < digits; fewer++) {
        expect(Math.fround(Number(value.toPrecision(fewer)))).not.toBe(value);
      }
    }),
    { numRuns: 3000 },
  );
});

const digitsOf = (value: number): number => (value.toExponential().split('e')[0] ?? '').replaceAll(/\D/g, '').length;
