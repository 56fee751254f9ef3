import { expect, test } from 'vitest';
import { Points } from '../../buffer/frames/points.ts';
import { packDescriptors } from '../../buffer/segments/segment-format.ts';
import { pointInfo } from '../support/readings.ts';

const described = (id: number, unit: string) => ({
  id,
  json: JSON.stringify(pointInfo({ hash: `${id}`, point: `value_${id}`, unit })),
});

test('rows of the same bytes, and descriptors of the same text in other rows, give one object', () => {
  const points = new Points();
  const first = points.of([packDescriptors([described(1, 'V'), described(2, 'V')])]);
  const again = points.of([packDescriptors([described(1, 'V'), described(2, 'V')])]);
  const gatheredOtherwise = points.of([packDescriptors([described(2, 'V')]), packDescriptors([described(1, 'V')])]);
  for (const one of [again, gatheredOtherwise]) {
    expect(one.size).toBe(2);
    for (const id of [1, 2]) expect(one.get(id)).toBe(first.get(id));
  }
});

test('the same number of another epoch is another point', () => {
  const points = new Points();
  expect(points.of([packDescriptors([described(1, 'V')])]).get(1)?.unit).toBe('V');
  expect(points.of([packDescriptors([described(1, 'A')])]).get(1)?.unit).toBe('A');
});

test('where two rows tell one number, the later holds', () => {
  const packed = ['V', 'A'].map((unit) => packDescriptors([described(1, unit)]));
  expect(new Points().of(packed).get(1)?.unit).toBe('A');
});

test('a row that cannot be unpacked gives nothing, and takes nothing from the others', () => {
  const found = new Points().of([Buffer.from('no zstd'), packDescriptors([described(2, 'V')])]);
  expect([...found.keys()]).toEqual([2]);
});

test('what has not been used for long is forgotten, what has is not', () => {
  const points = new Points(3);
  const packed = [1, 2, 3, 4].map((id) => packDescriptors([described(id, 'V')]));
  const first = points.of(packed.slice(0, 1)).get(1);
  points.of(packed.slice(1, 3));
  points.of(packed.slice(0, 1));
  points.of(packed.slice(3));
  expect(points.of(packed.slice(0, 1)).get(1)).toBe(first);
  points.of(packed.slice(1));
  expect(points.of(packed.slice(0, 1)).get(1)).not.toBe(first);
  expect(points.of(packed.slice(0, 1)).get(1)).toEqual(first);
});
