import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { reading } from '../support/readings.ts';

describe('a lock file that is older than the segments beside it', () => {
  let folder: BufferFolder;

  beforeEach(() => {
    folder = new BufferFolder();
  });
  afterEach(() => folder.remove());

  it('is not believed: what a start it does not know of may have sent comes marked as a repeat', async () => {
    const first = await folder.opened();
    await first.append('meter-readings', [reading({ value: 1 })]);
    await first.close(soon());
    const second = await folder.opened();
    await second.append('meter-readings', [reading({ value: 2 })]);
    expect((await second.next('meter-readings', 0, 10, soon())).entries.map(({ repeat }) => repeat)).toEqual([
      false,
      false,
    ]);
    const crashed = folder.crashed();
    // As the first start left it: a disk that never wrote what the second had synced.
    const other = new BufferFolder();
    const clean = await other.opened();
    await clean.append('meter-readings', [reading({ value: 1 })]);
    await clean.close(soon());
    copyFileSync(join(other.path, 'lock.db'), join(crashed, 'lock.db'));
    const third = await folder.opened({ path: crashed });
    expect(third.before).toBe('unclean');
    const { entries } = await third.next('meter-readings', 0, 10, soon());
    expect(entries.map(({ repeat }) => repeat)).toEqual([true, true]);
    await other.remove();
  });
});
