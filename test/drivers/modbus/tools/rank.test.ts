import { expect, test } from 'vitest';
import { faceOf } from '../../../../drivers/modbus/tools/face.ts';
import { rank } from '../../../../drivers/modbus/tools/rank.ts';
import type { Window } from '../../../../drivers/modbus/tools/rank.ts';

const window = (address: number, hex: string, table: Window['table'] = 'holding'): Window => ({
  table,
  address,
  words: Buffer.from(hex.replaceAll(' ', ''), 'hex'),
});

interface Case {
  readonly meter: string;
  readonly face: string;
  readonly asked: number;
  readonly count?: number;
  readonly windows: readonly Window[];
  readonly best: Record<string, unknown>;
}

/** Words as these meters send them, packed by Python's struct. */
const cases: Case[] = [
  {
    meter: 'an SDM630: float32 in input registers, asked for as holding',
    face: '230.4',
    asked: 0,
    windows: [window(0, '0000 0000 0000 0000'), window(0, '4366 6666 4367 199a 4365 cccd', 'input')],
    best: { table: 'input', address: 0, type: 'float32', byteOrder: 'ABCD', scale: 1, fit: 'exact', value: '230.4' },
  },
  {
    meter: 'an EM24: int32 in tenths, low word first',
    face: '12345.6',
    asked: 0x34,
    windows: [window(0x32, '0000 0000 e240 0001 0383 0000')],
    best: { address: 0x34, type: 'uint32', byteOrder: 'CDAB', scale: 0.1, fit: 'exact' },
  },
  {
    meter: 'a B23: uint64 in hundredths of a kWh',
    face: '4711.25',
    asked: 0x5000,
    windows: [window(0x5000, '0000 0000 0007 3055 0000 0000 0000 0000')],
    best: { address: 0x5000, type: 'uint64', byteOrder: 'ABCD', scale: 0.01, fit: 'exact', raw: '0000 0000 0007 3055' },
  },
  {
    meter: 'an iEM3155: int64 in Wh, the face in kWh with one decimal',
    face: '98765.4',
    asked: 3204,
    windows: [window(3204, '0000 0000 05e3 0a88')],
    best: { address: 3204, type: 'uint64', scale: 0.001, fit: 'exact', value: '98765.448' },
  },
  {
    meter: 'a manual that counts from 1',
    face: '50.02',
    asked: 71,
    count: 2,
    windows: [window(61, `${'0000 '.repeat(9)} 4248 147b 0000 0000 0000`)],
    best: { address: 70, type: 'float32', scale: 1, value: '50.02' },
  },
  {
    meter: 'a little-endian device: bytes swapped in each word',
    face: '-12.5',
    asked: 4,
    windows: [window(4, '83ff 1234')],
    best: { address: 4, type: 'int16', byteOrder: 'BADC', scale: 0.1, value: '-12.5' },
  },
  {
    meter: 'a total that moved on since the face was read',
    face: '1234.5',
    asked: 10,
    windows: [window(10, '0012 d6d2 7777')],
    best: { address: 10, type: 'uint32', scale: 0.001, fit: 'near', value: '1234.642' },
  },
  {
    meter: 'a face of five wheels on a register that counts beyond',
    face: '23456.7',
    asked: 10,
    windows: [window(10, '0012 d687')],
    best: { address: 10, type: 'uint32', scale: 0.1, fit: 'rolled', value: '123456.7' },
  },
  {
    meter: 'a register in whole kWh below a face with decimals',
    face: '4711.25',
    asked: 0,
    windows: [window(0, '0000 1267 1234 5678')],
    best: { address: 0, type: 'uint32', scale: 1, fit: 'coarse', value: '4711' },
  },
  {
    meter: 'a current in steps of 0.02 A',
    face: '4.62',
    asked: 0,
    windows: [window(0, '00e7')],
    best: { address: 0, type: 'uint16', scale: 0.02, fit: 'exact' },
  },
];

test.each(cases)('$meter is recognised', ({ face, asked, count = null, windows, best }) => {
  const origins = [{ table: 'holding', address: asked, doubt: 0 } as const];
  expect(rank(faceOf(face), windows, origins, count)[0]).toMatchObject(best);
});

test('a stated count decides between a register and a pair that hold the same', () => {
  const origins = [{ table: 'holding', address: 10, doubt: 0 } as const];
  const bestOf = (count: number | null): string | undefined =>
    rank(faceOf('4660'), [window(10, '1234 0000')], origins, count)[0]?.type;
  expect(bestOf(1)).toBe('uint16');
  expect(bestOf(2)).toBe('uint32');
});

test('what holds no number or nothing at all is never a match', () => {
  const origins = [{ table: 'holding', address: 0, doubt: 0 } as const];
  expect(rank(faceOf('230.4'), [window(0, '0000 7fc0 0000 ffff ff80')], origins, null)).toEqual([]);
});

test('every match says a value that the face could show, made from its own words', () => {
  const origins = [{ table: 'holding', address: 0, doubt: 0 } as const];
  const found = rank(faceOf('1234.567'), [window(0, '0012 d687 449a 5225')], origins, null);
  expect(found.length).toBeGreaterThan(1);
  for (const { value, fit } of found) {
    if (fit === 'exact') expect(Math.abs(Number(value) - 1234.567)).toBeLessThan(0.001);
    if (fit === 'near') expect(Math.abs(Number(value) / 1234.567 - 1)).toBeLessThan(0.005);
  }
  expect(found.map(({ doubt }) => doubt)).toEqual(found.map(({ doubt }) => doubt).toSorted((a, b) => a - b));
});
