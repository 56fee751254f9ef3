import { expect, it } from 'vitest';
import { endBefore, seqsAhead } from '../../buffer/segments/segment-files.ts';

const own = { first: 100, epoch: '1-aaaaaaaa', starts: 1 };

it('a segment ends before the next one begins, less what a start on a read-only disk left out', () => {
  expect(endBefore({ first: 300, epoch: own.epoch, starts: 1 }, own)).toBe(299);
  expect(endBefore({ first: 300, epoch: '2-bbbbbbbb', starts: 2 }, own)).toBe(299);
  expect(endBefore({ first: 300 + seqsAhead, epoch: '2-bbbbbbbb', starts: 2 }, own)).toBe(299);
});
