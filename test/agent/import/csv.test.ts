import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { sheetOf, textOf } from '../../../agent/import/csv.ts';

const texts = (text: string): string[][] => sheetOf(text).rows.map((row) => row.map((cell) => cell.text));

test.each([
  ['commas', 'a,b\n1,2\n'],
  ['semicolons', 'a;b\n1;2\n'],
  ['tabs', 'a\tb\n1\t2\n'],
  ['semicolons although a header holds a comma', 'a;"b"\r\n1;2'],
  ["Excel's own sep= line", 'sep=;\r\na;b\r\n1;2'],
  ['old Macintosh line ends', 'a,b\r1,2\r'],
])('%s separate cells', (_, text) => {
  expect(texts(text)).toEqual([
    ['a', 'b'],
    ['1', '2'],
  ]);
});

test('whatever stands in quotes comes out as it was, line breaks and separators too', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', ';', '\n', '\r\n', ' ', 'é', '\t') });
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 6 }),
      fc.constantFrom(',', ';', '\t'),
      fc.constantFrom('\n', '\r\n'),
      (rows, separator, end) => {
        const text = [['x', 'y', 'z'], ...rows].map((row) => row.map(quoted).join(separator)).join(end) + end;
        const filled = rows.filter((row) => row.some((each) => each.trim() !== ''));
        expect(texts(text)).toEqual([['x', 'y', 'z'], ...filled]);
      },
    ),
  );
});

test('a cell knows its line, also behind cells of several lines and empty rows', () => {
  const { rows } = sheetOf('sep=,\na,b\n"one\ntwo",2\n,\n3,4\n');
  expect(rows.map((row) => row.map(({ line, column }) => [line, column]))).toEqual([
    [
      [2, 0],
      [2, 1],
    ],
    [
      [3, 0],
      [4, 1],
    ],
    [
      [6, 0],
      [6, 1],
    ],
  ]);
});

test('a quote that never closes, and what stands behind one, are told', () => {
  expect(sheetOf('a,b\n1,"2\n3,4').faults).toEqual([
    { cell: expect.objectContaining({ line: 2, column: 1 }), message: expect.stringContaining('never closes') },
  ]);
  expect(sheetOf('a,b\n"1"x,2').faults[0]?.message).toContain('"x" stands behind the closing quote');
});

test.each([
  ['UTF-8 with a mark', Buffer.from('\ufeffm³,°C')],
  ['UTF-16, which Excel calls Unicode text', Buffer.from('\ufeffm³,°C', 'utf16le')],
  ['Windows-1252', Buffer.from([0x6d, 0xb3, 0x2c, 0xb0, 0x43])],
])('%s is read', (_, bytes) => {
  expect(textOf(bytes)).toBe('m³,°C');
});
