import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { planReads } from '../../../drivers/modbus/plan-reads.ts';
import type { Readable } from '../../../drivers/modbus/plan-reads.ts';

interface Point extends Readable {
  readonly name: string;
}

const limits = { timeoutMs: 1000, retries: 1, pauseMs: 0, maxRegisters: 125, maxGap: 0 };
let serial = 0;
const point = (address: number, registers = 1, more: Partial<Readable> = {}): Point => ({
  name: `p${serial++}`,
  table: 'holding',
  address,
  registers,
  ...limits,
  ...more,
});
const shown = (points: Point[]): (string | number)[][] =>
  planReads(points).map(({ table, address, count }) => [table, address, count]);

test('neighbours share a request, a gap parts them', () => {
  expect(shown([point(0, 2), point(2), point(3, 4), point(8)])).toEqual([
    ['holding', 0, 7],
    ['holding', 8, 1],
  ]);
});

test('maxGap reads over so many registers and no more', () => {
  expect(shown([point(0, 1, { maxGap: 2 }), point(3, 1, { maxGap: 2 })])).toEqual([['holding', 0, 4]]);
  expect(shown([point(0, 1, { maxGap: 2 }), point(4, 1, { maxGap: 2 })])).toHaveLength(2);
});

test('a value at the limit goes whole into the next request', () => {
  const points = [...Array(124).keys()].map((address) => point(address));
  expect(shown([...points, point(124, 2)])).toEqual([
    ['holding', 0, 124],
    ['holding', 124, 2],
  ]);
});

test('tables are read apart', () => {
  expect(shown([point(0), point(1, 1, { table: 'input' })])).toEqual([
    ['holding', 0, 1],
    ['input', 1, 1],
  ]);
});

test('bits are counted sixteen to a register, and never share a request with registers', () => {
  const bits = (count: number, more: Partial<Readable> = {}): Point[] =>
    [...Array(count).keys()].map((address) => point(address, 1, { table: 'coil', ...more }));
  expect(shown([...bits(2001), point(5)])).toEqual([
    ['coil', 0, 2000],
    ['coil', 2000, 1],
    ['holding', 5, 1],
  ]);
  expect(shown(bits(33, { maxRegisters: 1 }))).toEqual([
    ['coil', 0, 16],
    ['coil', 16, 16],
    ['coil', 32, 1],
  ]);
});

test('the longest string goes into one request', () => {
  expect(shown([point(0), point(1, 125), point(126)])).toEqual([
    ['holding', 0, 1],
    ['holding', 1, 125],
    ['holding', 126, 1],
  ]);
});

test('points with another timeout are read apart', () => {
  expect(shown([point(0), point(1, 1, { timeoutMs: 3000 })])).toHaveLength(2);
});

test('the same registers under two names are read once', () => {
  expect(shown([point(10, 2), point(10, 2), point(11)])).toEqual([['holding', 10, 2]]);
});

const somePoints = fc
  .record({
    maxRegisters: fc.integer({ min: 4, max: 125 }),
    maxGap: fc.integer({ min: 0, max: 8 }),
    places: fc.array(
      fc.record({
        table: fc.constantFrom('holding', 'input'),
        address: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 65_400, max: 65_532 })),
        registers: fc.constantFrom(1, 2, 3, 4),
      }),
      { minLength: 1, maxLength: 80 },
    ),
  })
  .map(({ maxRegisters, maxGap, places }) =>
    places.map(({ table, address, registers }) => point(address, registers, { table, maxRegisters, maxGap })),
  );

test('every point is covered exactly once, whole, and within the limits', () => {
  fc.assert(
    fc.property(somePoints, (points) => {
      const blocks = planReads(points);
      const covered = blocks.flatMap((block) => block.points.map(({ name }) => name));
      expect(covered.toSorted()).toEqual(points.map(({ name }) => name).toSorted());
      for (const block of blocks) {
        expect(block.count).toBeLessThanOrEqual(points[0]?.maxRegisters ?? 0);
        for (const { table, address, registers } of block.points) {
          expect(table).toBe(block.table);
          expect(address).toBeGreaterThanOrEqual(block.address);
          expect(address + registers).toBeLessThanOrEqual(block.address + block.count);
        }
      }
    }),
  );
});

test('no register is read that no point asked for, but for gaps of at most maxGap', () => {
  fc.assert(
    fc.property(somePoints, (points) => {
      const maxGap = points[0]?.maxGap ?? 0;
      for (const block of planReads(points)) {
        const wanted = new Set(
          block.points.flatMap(({ address, registers }) => [...Array(registers).keys()].map((word) => address + word)),
        );
        let gap = 0;
        for (let register = block.address; register < block.address + block.count; register++) {
          gap = wanted.has(register) ? 0 : gap + 1;
          expect(gap).toBeLessThanOrEqual(maxGap);
        }
        expect(gap).toBe(0);
        expect(wanted.has(block.address)).toBe(true);
      }
    }),
  );
});

const places = (points: Point[]): unknown[] =>
  planReads(points).map(({ table, address, count, points: inside }) => ({
    place: [table, address, count],
    names: inside.map(({ name }) => name).toSorted(),
  }));

test('the plan does not depend on the order of the points', () => {
  fc.assert(
    fc.property(somePoints, (points) => {
      expect(places(points.toReversed())).toEqual(places(points));
    }),
  );
});

test('contiguous registers take the fewest requests there can be', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 125 }), (count, maxRegisters) => {
      const points = [...Array(count).keys()].map((address) => point(address, 1, { maxRegisters }));
      expect(planReads(points)).toHaveLength(Math.ceil(count / maxRegisters));
    }),
  );
});

test('no other split of the sorted values needs fewer requests', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ skip: fc.integer({ min: 0, max: 3 }), registers: fc.constantFrom(1, 2, 4) }), {
        minLength: 1,
        maxLength: 9,
      }),
      fc.integer({ min: 4, max: 10 }),
      fc.integer({ min: 0, max: 2 }),
      (parts, maxRegisters, maxGap) => {
        let next = 0;
        const points = parts.map(({ skip, registers }) => {
          const made = point(next + skip, registers, { maxRegisters, maxGap });
          next += skip + registers;
          return made;
        });
        expect(planReads(points)).toHaveLength(fewest(points));
      },
    ),
  );
});

/** By trying every way to cut a sorted list. */
function fewest(points: Point[]): number {
  if (points.length === 0) return 0;
  let best = Infinity;
  for (let taken = 1; taken <= points.length; taken++) {
    if (!oneRequest(points.slice(0, taken))) break;
    best = Math.min(best, 1 + fewest(points.slice(taken)));
  }
  return best;
}

function oneRequest(points: Point[]): boolean {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return false;
  const close = points.every((one, index) => {
    const before = points[index - 1];
    return before === undefined || one.address - (before.address + before.registers) <= one.maxGap;
  });
  return close && last.address + last.registers - first.address <= first.maxRegisters;
}
