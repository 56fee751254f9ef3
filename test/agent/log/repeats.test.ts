import { beforeEach, describe, expect, it } from 'vitest';
import { Repeats } from '../../../agent/log/repeats.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let lines: string[];
let repeats: Repeats;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  repeats = new Repeats(clock, ({ message, facts }) =>
    lines.push(facts['repeated'] === undefined ? message : `${message} [${facts['repeated']}]`),
  );
});

const tell = (message: string, key = message): void => repeats.tell(key, { severity: 'warning', message, facts: {} });

describe('a line that repeats', () => {
  it('is printed once, counted, and summed up when its window ends', async () => {
    for (let at = 0; at < 13; at++) tell('The link was lost.');
    expect(lines).toEqual(['The link was lost.']);
    await clock.advance(600_000);
    expect(lines.slice(1)).toEqual(['The link was lost. (12 more times in the last 10 min) [12]']);
  });

  it('is summed up once a window while it goes on, and is new again after a quiet one', async () => {
    for (let minute = 0; minute < 25; minute++) {
      tell('The link was lost.');
      await clock.advance(60_000);
    }
    expect(lines).toEqual([
      'The link was lost.',
      'The link was lost. (9 more times in the last 10 min) [9]',
      'The link was lost. (10 more times in the last 10 min) [10]',
    ]);
    await clock.advance(1_200_000);
    expect(lines).toHaveLength(4);
    tell('The link was lost.');
    expect(lines.at(-1)).toBe('The link was lost.');
  });

  it('keeps nobody else from being heard', async () => {
    tell('Device A does not answer.');
    tell('Device B does not answer.');
    await clock.advance(600_000);
    expect(lines).toEqual(['Device A does not answer.', 'Device B does not answer.']);
  });

  it('may differ in its words: its key counts, its newest words are told', async () => {
    for (const awayS of [12, 30, 41]) tell(`Device A answers again after ${awayS} s.`, 'found A');
    await clock.advance(600_000);
    expect(lines).toEqual([
      'Device A answers again after 12 s.',
      'Device A answers again after 41 s. (2 more times in the last 10 min) [2]',
    ]);
  });

  it('is summed up at the end of the daemon', async () => {
    tell('a');
    tell('a');
    tell('b');
    await clock.advance(30_000);
    repeats.close();
    expect(lines).toEqual(['a', 'b', 'a (once more in the last 30 s) [1]']);
    await clock.advance(3_600_000);
    expect(lines).toHaveLength(3);
  });

  it('takes bounded memory: of very many different ones the oldest is told and forgotten', () => {
    tell('first');
    tell('first');
    for (let at = 0; at < 1000; at++) tell(`other ${at}`);
    expect(lines).toHaveLength(1002);
    expect(lines).toContain('first (once more in the last 0 s) [1]');
  });
});
