import { describe, expect, it } from 'vitest';
import { LogOutput } from '../../../agent/log/output.ts';
import type { WriteSome } from '../../../agent/log/output.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';

function opened(write: WriteSome): { clock: FakeClock; output: LogOutput } {
  const clock = new FakeClock();
  return { clock, output: new LogOutput({ write, clock, droppedLine: (count) => `${count} missing\n` }) };
}

/** Takes up to `most` bytes at a time while it is awake. */
class Reader {
  text = '';
  writes = 0;
  underWay = 0;
  mostUnderWay = 0;
  state: 'awake' | 'asleep' | 'gone' = 'awake';
  most = Infinity;
  write: WriteSome = async (bytes) => {
    this.writes++;
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    await settled();
    this.underWay--;
    if (this.state === 'gone') throw new Error('EPIPE');
    if (this.state === 'asleep') return 0;
    const taken = bytes.subarray(0, this.most);
    this.text += taken.toString();
    return taken.length;
  };
}

const line = (at: number): string => `${at} ${'x'.repeat(990)}\n`;

describe("the log's way out", () => {
  it('keeps order and wholeness with a reader of small bites, one write at a time', async () => {
    const reader = new Reader();
    reader.most = 700;
    const { clock, output } = opened(reader.write);
    const lines = Array.from({ length: 50 }, (_, at) => line(at));
    for (const one of lines) output.write(one);
    await expect
      .poll(async () => {
        await clock.advance(10);
        return reader.text;
      })
      .toBe(lines.join(''));
    expect(reader.mostUnderWay).toBe(1);
  });

  it('drops what finds no room, and says how many at the place where they are missing', async () => {
    const reader = new Reader();
    reader.state = 'asleep';
    const { clock, output } = opened(reader.write);
    for (let at = 0; at < 1000; at++) output.write(line(at));
    await clock.advance(5_000);
    reader.state = 'awake';
    for (let round = 0; round < 50; round++) await clock.advance(10);
    output.write('after\n');
    await clock.advance(10);
    const got = reader.text.trimEnd().split('\n');
    const kept = got.length - 2;
    // 256 KB of them.
    expect(kept).toBeGreaterThan(250);
    expect(kept).toBeLessThan(270);
    expect(got.slice(0, kept).map((one) => Number(one.split(' ')[0]))).toEqual(
      Array.from({ length: kept }, (_, at) => at),
    );
    expect(got.slice(kept)).toEqual([`${1000 - kept} missing`, 'after']);
  });

  it('lets no later line pass the one that says what is missing', async () => {
    const reader = new Reader();
    reader.state = 'asleep';
    let takes = 0;
    const { clock, output } = opened(async (bytes) => {
      const taken = await reader.write(bytes);
      // There is room again, and much before the line that says what is missing.
      if (taken > 0 && ++takes === 3) output.write('later\n');
      return taken;
    });
    for (let at = 0; at < 300; at++) output.write(line(at));
    await clock.advance(1_000);
    reader.state = 'awake';
    for (let round = 0; round < 80; round++) await clock.advance(10);
    output.write('after\n');
    await clock.advance(10);
    const got = reader.text.trimEnd().split('\n');
    expect(got).not.toContain('later');
    expect(got.slice(-2)).toEqual([`${300 - (got.length - 2) + 1} missing`, 'after']);
  });

  it('tries seldom while nothing is taken', async () => {
    const reader = new Reader();
    reader.state = 'asleep';
    const { clock, output } = opened(reader.write);
    output.write('a\n');
    for (let second = 0; second < 60; second++) await clock.advance(1_000);
    expect(reader.writes).toBeLessThan(60 * 5);
  });

  it('counts what failed as missing, and glues nothing to a torn line', async () => {
    const reader = new Reader();
    const { clock, output } = opened(async (bytes) => {
      if (reader.state === 'awake' && reader.text === '') reader.most = 3;
      const taken = await reader.write(bytes);
      if (reader.text.length === 3) reader.state = 'gone';
      return taken;
    });
    output.write('first\n');
    await clock.advance(500);
    output.write('second\n');
    await clock.advance(10_000);
    reader.most = Infinity;
    reader.state = 'awake';
    reader.text += '|';
    await clock.advance(2_000);
    expect(reader.text).toBe('fir|\n2 missing\n');
  });

  it('ends within its limit when nobody reads', async () => {
    const never = new Promise<number>(() => undefined);
    const { clock, output } = opened(() => never);
    output.write('a\n');
    let isClosed = false;
    void output.close(200).then(() => (isClosed = true));
    await clock.advance(199);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    expect(isClosed).toBe(true);
  });

  it('ends at once when all is out', async () => {
    const reader = new Reader();
    const { output } = opened(reader.write);
    output.write('a\n');
    await output.close(200);
    expect(reader.text).toBe('a\n');
  });
});
