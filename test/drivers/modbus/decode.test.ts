import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decoderOf, hexWords } from '../../../drivers/modbus/decode.ts';
import type { Decoding } from '../../../drivers/modbus/decode.ts';
import { encoderOf, maskOf } from '../../../drivers/modbus/encode.ts';
import {
  byteOrders,
  bytePlaces,
  numberTypes,
  orderFits,
  registersOf,
  reordered,
} from '../../../drivers/modbus/types.ts';
import type { ByteOrder, NumberType } from '../../../drivers/modbus/types.ts';

const plain: Decoding = {
  type: 'uint16',
  byteOrder: 'ABCD',
  bit: null,
  sum: [],
  invalid: [],
  enum: null,
  scale: 1,
  offset: 0,
  min: null,
  max: null,
};
const decode = (words: string, decoding: Partial<Decoding>) =>
  decoderOf({ ...plain, ...decoding })(Buffer.from(words.replaceAll(' ', ''), 'hex'));

/** Orders that fit a type. */
const ordersOf = (type: NumberType): ByteOrder[] => byteOrders.filter((order) => orderFits(order, registersOf(type)));
const types = Object.keys(numberTypes) as NumberType[];

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

/** Words that a meter could send: BCD and mod10k have no others than decimal digits. */
const wordsFor = (type: NumberType): fc.Arbitrary<Buffer> => {
  const bytes = registersOf(type) * 2;
  const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: bytes * 2, maxLength: bytes * 2 });
  if (type.startsWith('bcd')) return digits.map((each) => Buffer.from(each.join(''), 'hex'));
  if (!type.startsWith('mod10k'))
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((each) => Buffer.from(each));
  return fc.array(fc.integer({ min: 0, max: 9999 }), { minLength: bytes / 2, maxLength: bytes / 2 }).map((words) => {
    const buffer = Buffer.alloc(bytes);
    for (const [at, word] of words.entries()) buffer.writeUInt16BE(word, at * 2);
    return buffer;
  });
};

const decodings = fc.constantFrom(...types).chain((type) =>
  fc.record({
    type: fc.constant(type),
    byteOrder: fc.constantFrom(...ordersOf(type)),
    words: wordsFor(type),
  }),
);
/** What of the words is the point's own. */
const ownBits = (decoding: Decoding & { registers: number }, words: Buffer): Buffer => {
  const mask = maskOf(decoding);
  return Buffer.from(words.map((byte, at) => byte & (mask[at] ?? 0)));
};

test('what decodes to a number encodes to the same words', () => {
  fc.assert(
    fc.property(decodings, ({ type, byteOrder, words }) => {
      const decoding = { ...plain, type, byteOrder, registers: registersOf(type) };
      const received = reordered(words, bytePlaces(byteOrder, registersOf(type)));
      const { value, text } = decoderOf(decoding)(received);
      // NaN has no value; −0 comes back as 0.
      fc.pre(value !== null && value !== 0);
      expect(encoderOf(decoding)(text ?? value)).toEqual(ownBits(decoding, received));
    }),
    { numRuns: 5000 },
  );
});

test('what encodes from an engineering value decodes to it, whatever the scale and offset', () => {
  const scales = fc.constantFrom(1, 0.1, 0.01, 0.001, 10, -0.5, 2.5, 1e-6);
  const offsets = fc.constantFrom(0, -40, 0.125, 273.15);
  fc.assert(
    fc.property(decodings, scales, offsets, ({ type, byteOrder, words }, scale, offset) => {
      fc.pre(!type.startsWith('float'));
      const decoding = { ...plain, type, byteOrder, scale, offset, registers: registersOf(type) };
      const received = reordered(words, bytePlaces(byteOrder, registersOf(type)));
      const seen = decoderOf(decoding)(received);
      expect(encoderOf(decoding)(seen.text ?? seen.value ?? NaN)).toEqual(ownBits(decoding, received));
    }),
    { numRuns: 5000 },
  );
});

test('every order is its own inverse', () => {
  fc.assert(
    fc.property(decodings, ({ type, byteOrder, words }) => {
      const places = bytePlaces(byteOrder, registersOf(type));
      expect(reordered(reordered(words, places), places)).toEqual(words);
    }),
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

describe('digits that a type does not have are bad, and told as what they are', () => {
  test.each([
    ['000a', 'bcd16'],
    ['ffff', 'bcd16'],
    ['1234 567a', 'bcd32'],
    ['2710 0000', 'mod10k32'],
    ['0000 2710', 'mod10k32'],
    ['0000 ffff 0000', 'mod10k48'],
    ['0000 0000 0000 2710', 'mod10k64'],
  ] as const)('%s as %s', (words, type) => {
    expect(decode(words, { type })).toEqual({ value: null, text: null, quality: 'bad', status: 'BadDecodingError' });
  });
});

describe('a bit of a register', () => {
  test.each([
    ['0001', 0, 'ABCD', 1],
    ['0001', 15, 'ABCD', 0],
    ['8000', 15, 'ABCD', 1],
    ['0008', 3, 'CDAB', 1],
    ['fff7', 3, 'ABCD', 0],
    ['0100', 0, 'BADC', 1],
    ['0080', 15, 'DCBA', 1],
  ] as const)('%s, bit %d in order %s, is %d', (words, bit, byteOrder, value) => {
    expect(decode(words, { type: 'bit', bit, byteOrder })).toEqual({
      value,
      text: null,
      quality: 'good',
      status: 'Good',
    });
  });

  test('is one when exactly that bit of a number is set', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 15 }), (register, bit) => {
        const words = register.toString(16).padStart(4, '0');
        expect(decode(words, { type: 'bit', bit }).value).toBe(Math.floor(register / 2 ** bit) % 2);
      }),
    );
  });
});

describe('strings', () => {
  test.each([
    ['4142 4344', 'ABCD', 'ABCD'],
    ['4241 4443', 'BADC', 'ABCD'],
    ['4241 4443', 'DCBA', 'ABCD'],
    ['4142 4344', 'CDAB', 'ABCD'],
    ['4142 0043', 'ABCD', 'AB'],
    ['4142 2020', 'ABCD', 'AB'],
    ['2041 2042', 'ABCD', ' A B'],
    ['4120 2000', 'ABCD', 'A'],
    ['0000 4142', 'ABCD', ''],
    ['6dc2 b300', 'ABCD', 'm³'],
    ['6db3 0000', 'ABCD', 'm³'],
    ['411b 5b42', 'ABCD', 'A\uFFFD[B'],
    ['4185 4200', 'ABCD', 'A\uFFFDB'],
    ['4142 0d0a', 'ABCD', 'AB'],
  ] as const)('%s in order %s is the text %o', (words, byteOrder, text) => {
    expect(decode(words, { type: 'string', byteOrder })).toEqual({
      value: null,
      text,
      quality: 'good',
      status: 'Good',
    });
  });

  test('give back any text that was put into them', () => {
    const texts = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !/[\p{Cc}\p{Cs}]|\s$/u.test(text));
    fc.assert(
      fc.property(texts, fc.constantFrom(...byteOrders), (text, byteOrder) => {
        const words = encoderOf({ ...plain, type: 'string', byteOrder, registers: 125 })(text);
        expect(decoderOf({ ...plain, type: 'string', byteOrder })(words).text).toBe(text);
      }),
    );
  });
});

describe('what stands for no value', () => {
  const failed = { value: null, text: null, quality: 'bad', status: 'BadSensorFailure' };
  test.each<[string, Partial<Decoding>]>([
    ['ffff ffff', { type: 'uint32', invalid: ['ffff ffff'] }],
    ['FFFF FFFF'.toLowerCase(), { type: 'uint32', invalid: ['FFFFFFFF'] }],
    ['0000 8000', { type: 'int32', byteOrder: 'CDAB', invalid: ['0x80000000'] }],
    ['0000 8000', { type: 'int32', byteOrder: 'CDAB', invalid: ['0000 8000'] }],
    ['0000 8000', { type: 'int32', byteOrder: 'CDAB', invalid: [-2147483648] }],
    ['8000', { type: 'int16', scale: 0.1, offset: 20, invalid: [-32768] }],
    ['7fff', { type: 'int16', invalid: [-32768, '7fff'] }],
    ['ffff', { type: 'bcd16', invalid: ['ffff'] }],
    ['ffff ffff ffff ffff', { type: 'uint64', invalid: ['0xffffffffffffffff'] }],
    ['8000 0000 0000 0000', { type: 'int64', invalid: [-9223372036854775808] }],
    ['1280', { type: 'int8l', invalid: ['0x80'] }],
    ['8012', { type: 'int8h', invalid: [-128] }],
    ['c61c 3c00', { type: 'float32', invalid: [-9999] }],
    ['7149 f2ca', { type: 'float32', invalid: ['0x7149F2CA'] }],
    ['2020 2020', { type: 'string', invalid: ['2020 2020'] }],
    ['ffff', { type: 'bit', bit: 2, invalid: ['ffff'] }],
  ])('%s for %o is a failed sensor, before any scaling', (words, decoding) => {
    expect(decode(words, decoding)).toEqual(failed);
  });

  test.each<[string, Partial<Decoding>]>([
    ['8000 0000', { type: 'int32', byteOrder: 'CDAB', invalid: ['0000 8000', '0x80000000'] }],
    ['7fff', { type: 'int16', scale: 0.1, invalid: [3276] }],
    ['0080', { type: 'int8h', invalid: ['0x80', -128] }],
    ['fffe', { type: 'bit', bit: 2, invalid: ['ffff'] }],
  ])('%s for %o is a value', (words, decoding) => {
    expect(decode(words, decoding).quality).toBe('good');
  });
});

describe('an enum', () => {
  const names = { type: 'int16', enum: { '0': 'off', '1': 'on', '-1': 'fault' } } as const;
  test.each([
    ['0000', 0, 'off'],
    ['0001', 1, 'on'],
    ['ffff', -1, 'fault'],
  ])('%s is the number %d, named %s', (words, value, text) => {
    expect(decode(words, names)).toEqual({ value, text, quality: 'good', status: 'Good' });
  });
  test('of a number that it does not name keeps the number, uncertain', () => {
    const unknown = { value: 7, text: null, quality: 'uncertain', status: 'UncertainSubNormal' };
    expect(decode('0007', { ...names, min: 0, max: 1 })).toEqual(unknown);
  });
  test('may name the states of a bit', () => {
    expect(decode('0004', { type: 'bit', bit: 2, enum: { '0': 'shut', '1': 'open' } }).text).toBe('open');
  });
});

describe('a sum', () => {
  const part = (type: NumberType, scale = 1, invalid: (string | number)[] = []) => ({
    address: 0,
    type,
    scale,
    invalid,
  });
  test.each<[string, Partial<Decoding>, number, string | null]>([
    ['0000 1267 0019', { sum: [part('uint32'), part('uint16', 0.01)] }, 4711.25, null],
    ['1267 0000 0019', { byteOrder: 'CDAB', sum: [part('uint32'), part('uint16', 0.01)] }, 4711.25, null],
    ['0001 0002 0003', { sum: [part('uint16', 1e6), part('uint16', 1000), part('uint16')] }, 1_002_003, null],
    ['000a 0005', { sum: [part('uint16'), part('uint16', -1)], scale: 0.1, offset: 1 }, 1.5, null],
    ['4366 6666 3dcc cccd', { sum: [part('float32'), part('float32')] }, 230.5, null],
    [
      '0020 0000 0000 0001 0001',
      { sum: [part('uint64'), part('uint16', 0.1)] },
      9007199254740994,
      '9007199254740993.1',
    ],
  ])('of %s is exact', (words, decoding, value, text) => {
    expect(decode(words, { type: 'sum', ...decoding })).toEqual({ value, text, quality: 'good', status: 'Good' });
  });
  test.each<[string, Partial<Decoding>, string]>([
    ['0000 0001 ffff', { sum: [part('uint32'), part('uint16', 1, ['ffff'])] }, 'BadSensorFailure'],
    ['7fc0 0000 0001', { sum: [part('float32'), part('uint16')] }, 'BadSensorFailure'],
    ['0001 000a', { sum: [part('uint16'), part('bcd16')] }, 'BadDecodingError'],
  ])('with a part that has no number (%s) has none', (words, decoding, status) => {
    expect(decode(words, { type: 'sum', ...decoding })).toEqual({ value: null, text: null, quality: 'bad', status });
  });
});

test('factors come before scale and offset, and limits after them', () => {
  const decoding = { ...plain, scale: 0.1, offset: 1, max: 3000 };
  const words = Buffer.from('00fa', 'hex');
  const factor = { digits: 12n, exponent: 1 };
  expect(decoderOf(decoding)(words, factor)).toMatchObject({
    value: 3001,
    status: 'UncertainEngineeringUnitsExceeded',
  });
  expect(decoderOf({ ...plain, type: 'uint64' })(Buffer.from('ffffffffffffffff', 'hex'), factor).text).toBe(
    '2213609288845146193800',
  );
});
