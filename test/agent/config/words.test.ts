import { describe, expect, it } from 'vitest';
import { nearest } from '../../../agent/config/nearest.ts';
import { placesOf } from '../../../agent/config/json/places.ts';
import { pathText } from '../../../agent/config/source.ts';
import { ucum } from '../../../agent/config/ucum.ts';

describe('units', () => {
  it.each([
    ['kWh', 'kW.h'],
    ['kvarh', 'kvar.h'],
    ['kVA', 'kV.A'],
    ['m³', 'm3'],
    ['m^3', 'm3'],
    ['m³/h', 'm3/h'],
    ['l/s', 'L/s'],
    ['l/min', 'L/min'],
    ['°C', 'Cel'],
    ['µS/cm', 'uS/cm'],
    ['mg/l', 'mg/L'],
    ['W/m²', 'W/m2'],
    ['rpm', '{rotation}/min'],
    ['pH', '[pH]'],
    ['%', '%'],
    ['1', '1'],
    ['1/s', '1/s'],
    ['s-1', 's-1'],
    ['kW.h', 'kW.h'],
    ['{pulse}', '{pulse}'],
    ['m3{normal}', 'm3{normal}'],
  ])('%s is %s', (stated, code) => expect(ucum(stated)).toEqual({ code, known: true }));

  it.each(['furlong', 'kWhh', 'C', 'KG', 'm//s', '', 'constructor', '/'])('passes "%s" on as unknown', (stated) =>
    expect(ucum(stated)).toEqual({ code: stated, known: false }),
  );

  it.each(['kW.h', 'm3', 'Cel', 'L/s', 'uS/cm', '[pH]', 'm[H2O]', 'V.A'])('leaves the UCUM code %s as it is', (code) =>
    expect(ucum(code).code).toBe(code),
  );
});

describe('the likely meaning of a word', () => {
  const keys = ['address', 'unitId', 'every', 'enabled', 'host', 'port', 'type', 'scale'];
  it.each([
    ['adress', 'address'],
    ['adresss', 'address'],
    ['unit_id', 'unitId'],
    ['UNITID', 'unitId'],
    ['evrey', 'every'],
    ['prot', 'port'],
    ['hots', 'host'],
    ['scael', 'scale'],
  ])('%s means %s', (word, meant) => expect(nearest(word, keys)).toBe(meant));

  it.each(['colour', 'x', '', 'registers', 'toString'])('nothing is guessed for "%s"', (word) =>
    expect(nearest(word, keys)).toBeUndefined(),
  );
});

describe('places', () => {
  it.each([
    ['abc', 0, 1, 1],
    ['abc', 2, 1, 3],
    ['a\nbc', 2, 2, 1],
    ['a\r\nbc', 4, 2, 2],
    ['a\rbc', 2, 2, 1],
    ['é💧x', 3, 1, 3],
    ['', 0, 1, 1],
  ])('in %j offset %d is line %d column %d', (text, offset, line, column) =>
    expect(placesOf(text).at(offset)).toEqual({ line, column }),
  );

  it('writes paths as people do', () => {
    expect(pathText(['devices', 0, 'points', 2])).toBe('devices[0].points[2]');
    expect(pathText(['connections', 'a.b', 'host'])).toBe('connections["a.b"].host');
    expect(pathText(['topics', 'meter-readings'])).toBe('topics.meter-readings');
    expect(pathText([])).toBe('');
  });
});
