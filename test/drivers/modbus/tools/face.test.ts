import { expect, test } from 'vitest';
import { UsageError } from '../../../../agent/errors.ts';
import { faceOf } from '../../../../drivers/modbus/tools/face.ts';

test.each([
  ['1234.567', 1234.567, 3, 4, null],
  ['1234,567', 1234.567, 3, 4, null],
  ['0012345.6', 12345.6, 1, 7, null],
  ["1'234.5 kWh", 1234.5, 1, 4, 'kWh'],
  ['1 234,50 m³', 1234.5, 2, 4, 'm³'],
  ['1.234.567', 1234567, 0, 7, null],
  ['1.234.567,8', 1234567.8, 1, 7, null],
  ['12,345,678.9kWh', 12345678.9, 1, 8, 'kWh'],
  ['-12.3 °C', -12.3, 1, 2, '°C'],
  ['+.5', 0.5, 1, 1, null],
])('a face of %s is read as a person reads it', (text, number, decimals, wholeDigits, unit) => {
  expect(faceOf(text)).toMatchObject({ number, decimals, wholeDigits, unit });
});

test.each([
  ['kWh', /allowed: a number/],
  ['', /allowed: a number/],
  ['12.34.5', /two ways/],
  ['1,2.3,4', /two ways/],
  ['0.000', /empty registers/],
  ['1234567890123456789012345', /more digits/],
])('a face of %s is refused with what is allowed', (text, said) => {
  expect(() => faceOf(text)).toThrow(UsageError);
  expect(() => faceOf(text)).toThrow(said);
});
