import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { bytesText, counted, LongPrint, tableText } from '../../../agent/commands/printing.ts';

it('waits for a reader that is slow, so that nothing piles up in memory', async () => {
  const pipe = Object.assign(new EventEmitter(), { write: () => false });
  let isPrinted = false;
  const printing = new LongPrint(pipe, new AbortController().signal).line('one').then((goesOn) => {
    isPrinted = true;
    return goesOn;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isPrinted).toBe(false);
  pipe.emit('drain');
  expect(await printing).toBe(true);
});

it('stops waiting when the command is to end', async () => {
  const pipe = Object.assign(new EventEmitter(), { write: () => false });
  const ending = new AbortController();
  const printing = new LongPrint(pipe, ending.signal).line('one');
  ending.abort();
  expect(await printing).toBe(false);
});

it('lets a signal through while it works on something long', async () => {
  const ending = new AbortController();
  setImmediate(() => ending.abort());
  const turns = new LongPrint({ write: () => true }, ending.signal);
  let steps = 0;
  while (await turns.goesOn()) steps += 1;
  expect(steps).toBeLessThan(5000);
});

it('writes sizes, counts and tables as people do', () => {
  expect([0, 999, 1000, 2_000_000, 12_400_000].map(bytesText)).toEqual(['0 B', '999 B', '1 KB', '2 MB', '12.4 MB']);
  expect([counted(1, 'entry', 'entries'), counted(0, 'row')]).toEqual(['1 entry', '0 rows']);
  expect(
    tableText(
      ['a', 'n'],
      [
        ['long', '1'],
        ['b', '22'],
      ],
      [1],
    ),
  ).toBe('a      n\nlong   1\nb     22\n');
});
