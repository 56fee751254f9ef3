import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { Store } from '../../buffer/store.ts';
import { BufferFolder } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';

const at = new FakeClock().now();
let folder: BufferFolder;
beforeEach(() => {
  folder = new BufferFolder();
});
afterEach(() => folder.remove());

/** Whoever looks at it is told of an error, as of an inode that the disk does not give. */
function unseen(file: string): void {
  rmSync(file, { force: true });
  symlinkSync(file, file);
}

it.each([
  ['the dead letters', () => 'dead-letters.db-wal'],
  ['its own WAL', () => `${folder.segments()[0] ?? ''}-wal`],
])('a commit that is on disk is not made again where the size of %s cannot be seen', (_, name) => {
  const store = new Store({ path: folder.path, maxBytes: 64_000_000 }, () => undefined);
  let seq = store.opened().nextSeq;
  const encoder = new FrameEncoder();
  const commit = (): unknown => {
    const frames = [encoder.encode(at, 'asset-metadata', [{ seq: seq++, entry: { at, key: 'k', json: '{}' } }])];
    const rest = { described: [], slots: null, dating: [], maxBytes: null, drops: [], heard: 0 };
    return store.commit({ frames, ...rest });
  };
  commit();
  unseen(join(folder.path, name()));
  expect(commit()).toMatchObject({ segments: 1 });
  rmSync(join(folder.path, name()));
  store.close([]);
});
