import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, describe } from 'vitest';
import { BufferFolder } from '../support/buffer-folder.ts';
import { drained, valueOf, values } from '../support/drained.ts';
import { LoopDisk, noLoopDisk } from './loop-disk.ts';

describe.skipIf(noLoopDisk !== undefined)('a disk that turns read-only again before what waited is written', () => {
  it('passes over nothing of what came in between', async () => {
    const disk = LoopDisk.make(24);
    const folder = new BufferFolder();
    try {
      const buffer = await folder.opened({ path: join(disk.path, 'buffer'), commitEveryMs: 1_500 });
      const turns = async (isVolatile: boolean): Promise<void> => {
        await expect.poll(() => buffer.stats().isVolatile, { timeout: 10_000, interval: 10 }).toBe(isVolatile);
      };
      const reads = (value: number) =>
        void buffer.append('meter-readings', values(value, value + 1)).catch(() => undefined);
      disk.fill();
      execFileSync('sync', ['-f', disk.path]);
      disk.breakDown();
      reads(0);
      await turns(true);
      // It can be written again, and is full: what waits goes on waiting.
      disk.mend();
      reads(1);
      await turns(false);
      await new Promise((resolve) => setTimeout(resolve, 1_600));
      disk.breakDown();
      await turns(true);
      reads(2);
      expect((await drained(buffer, 'meter-readings', 3)).map(valueOf)).toEqual([0, 1, 2]);
    } finally {
      disk.mend();
      await folder.remove();
      disk.remove();
    }
  }, 60_000);
});
