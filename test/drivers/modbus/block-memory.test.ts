import { expect, test } from 'vitest';
import { BlockMemory } from '../../../drivers/modbus/block-memory.ts';
import { halvesOf, planReads } from '../../../drivers/modbus/plan-reads.ts';
import type { Block, Readable } from '../../../drivers/modbus/plan-reads.ts';

const limits = { timeoutMs: 1000, retries: 1, pauseMs: 0, maxRegisters: 125, maxGap: 20 };
const point = (address: number, registers = 1): Readable => ({ table: 'holding', address, registers, ...limits });
const blockOf = (...points: readonly Readable[]): Block<Readable> => {
  const [block, ...more] = planReads(points);
  if (block === undefined || more.length > 0) throw new Error('one block');
  return block;
};
const places = (blocks: readonly Block<Readable>[]): string[] =>
  blocks.map(({ address, count }) => `${address}+${count}`);
const day = 86_400_000;

test.each([
  ['near the middle', [point(0), point(1), point(2), point(3)], ['0+2', '2+2']],
  ['never through a value', [point(0, 4), point(4, 2)], ['0+4', '4+2']],
  ['without the gap', [point(0), point(10)], ['0+1', '10+1']],
  ['around values that share registers', [point(0, 2), point(1, 2), point(3)], ['0+3', '3+1']],
  ['through them if there is no other way', [point(0, 2), point(1, 2)], ['0+2', '1+2']],
  ['not where there is one value', [point(5, 4)], ['5+4']],
  ['not where all are the same registers', [point(5, 2), point(5, 2)], ['5+2']],
])('a block is parted %s', (_, points, parts) => {
  expect(places(halvesOf(blockOf(...points)))).toEqual(parts);
});

test('a refused block is read in halves at once, and whole in the next cycle', () => {
  const memory = new BlockMemory();
  const block = blockOf(point(0), point(1));
  expect(places(memory.refused(block, 2, 0))).toEqual(['0+1', '1+1']);
  expect(places(memory.readable([block], 0))).toEqual(['0+2']);
});

test('two equal refusals are believed, for a day', () => {
  const memory = new BlockMemory();
  const block = blockOf(point(0), point(1));
  memory.refused(block, 2, 0);
  memory.refused(block, 2, 100);
  expect(places(memory.readable([block], 100))).toEqual(['0+1', '1+1']);
  expect(places(memory.readable([block], 100 + day - 1))).toEqual(['0+1', '1+1']);
  expect(places(memory.readable([block], 100 + day))).toEqual(['0+2']);
});

test('unequal refusals are not, and an answer in between starts the count anew', () => {
  const memory = new BlockMemory();
  const block = blockOf(point(0), point(1));
  memory.refused(block, 2, 0);
  memory.refused(block, 3, 0);
  expect(places(memory.readable([block], 0))).toEqual(['0+2']);
  memory.answered(block, 0);
  memory.refused(block, 3, 0);
  expect(places(memory.readable([block], 0))).toEqual(['0+2']);
});

test('one register that does not exist costs its own value alone', () => {
  const memory = new BlockMemory();
  const whole = blockOf(...Array.from({ length: 16 }, (_, address) => point(address)));
  const isIllegal = ({ address, count }: Block<Readable>): boolean => address <= 11 && 11 < address + count;
  for (let cycle = 0; cycle < 3; cycle++) {
    const left = memory.readable([whole], 0);
    const read: string[] = [];
    for (let block = left.shift(); block !== undefined; block = left.shift()) {
      if (!isIllegal(block)) {
        read.push(...places([block]));
        memory.answered(block, 0);
      } else left.unshift(...memory.refused(block, 2, 0));
    }
    expect(read).toEqual(['0+8', '8+2', '10+1', '12+4']);
  }
  expect(places(memory.readable([whole], 0))).toEqual(['0+8', '8+2', '10+1', '11+1', '12+4']);
});

test('a block that stays silent twice while smaller reads are answered is parted', () => {
  const memory = new BlockMemory();
  const block = blockOf(point(0), point(1), point(2));
  const small = blockOf(point(40));
  memory.answered(small, 0);
  memory.silent(block);
  memory.answered(small, 0);
  expect(places(memory.readable([block], 0))).toEqual(['0+3']);
  memory.silent(block);
  memory.answered(small, 0);
  expect(memory.readable([block], 0)).toHaveLength(2);
});

test('a device that was dead and comes back has its blocks whole', () => {
  const memory = new BlockMemory();
  const block = blockOf(point(0), point(1), point(2));
  for (let cycle = 0; cycle < 3; cycle++) memory.silent(block);
  memory.answered(blockOf(point(0)), 0);
  expect(memory.readable([block], 0)).toHaveLength(1);
});
