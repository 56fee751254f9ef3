import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import { Ending } from '../../../drivers/opcua/ending.ts';

describe('the end of a link', () => {
  it('comes before work that goes on, and keeps its first reason', async () => {
    const ending = new Ending(new LinkError('closed'));
    const waiting = ending.before(new Promise(() => {}));
    ending.end(new LinkError('cut'));
    ending.end(undefined);
    await expect(waiting).rejects.toThrow('cut');
    await expect(ending.before(Promise.resolve(1))).rejects.toThrow('cut');
    expect(await ending.promise).toMatchObject({ message: 'cut' });
  });

  it('is told to who waits as what it was told to be, when it was wanted', async () => {
    const ending = new Ending(new LinkError('closed'));
    const waiting = ending.before(new Promise(() => {}));
    ending.end(undefined);
    await expect(waiting).rejects.toThrow('closed');
    expect(await ending.promise).toBeUndefined();
  });

  it('keeps nothing of work that is done: a link lives for months', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const ending = new Ending(new LinkError('closed'));
    const answer = (): Promise<number> => Promise.resolve(1);
    await ending.before(answer());
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let count = 0; count < 100_000; count++) await ending.before(answer());
    collect();
    // 40 MB, if something of each were kept.
    const kept = process.memoryUsage().heapUsed - before;
    // It lives until here.
    ending.end(undefined);
    expect(kept).toBeLessThan(10e6);
  });
});
