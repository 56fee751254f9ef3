import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../agent/reading.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { laneOf } from '../../buffer/protocol.ts';
import { Store } from '../../buffer/store.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { values } from '../support/drained.ts';
import { FakeClock } from '../support/fake-clock.ts';

const at = new FakeClock().now();
let folder: BufferFolder;
beforeEach(() => {
  folder = new BufferFolder();
});
afterEach(() => folder.remove());

function opened(path: string): {
  store: Store;
  told: GatewayEvent[];
  commit: (heard: number) => void;
} {
  const told: GatewayEvent[] = [];
  const store = new Store({ path, maxBytes: 1_000_000 }, (event) => told.push(event));
  const encoder = new FrameEncoder();
  let seq = store.opened().nextSeq;
  return {
    store,
    told,
    commit(heard) {
      const frames = [encoder.encode(at, 'gateway-events', [{ seq: seq++, entry: { at, key: 'k', json: '{}' } }])];
      store.commit({
        frames,
        described: encoder.takeDescribed(),
        slots: null,
        dating: [],
        maxBytes: null,
        drops: [],
        heard,
      });
    },
  };
}

describe('a frame that cannot be decoded', () => {
  it('is told by the next start, if a kill came before the event was committed; and only then', () => {
    const { store, told, commit } = opened(folder.path);
    commit(0);
    const segment = '000000000001-none';
    store.tellDamaged({ lane: laneOf('meter-readings'), segment, first: 5, last: 9, why: 'no such version' });
    // It carries the settlement, and no event.
    commit(0);
    const afterKill = opened(folder.crashed());
    expect(afterKill.told).toMatchObject([
      { event: 'loss', facts: { stream: 'meter-readings', firstSeq: 5, lastSeq: 9, count: 5 } },
    ]);
    afterKill.commit(1);
    afterKill.store.close([]);
    expect(told).toEqual([]);
    store.mend();
    expect(told).toHaveLength(1);
    // It was under way when the frame was told.
    commit(0);
    expect(opened(folder.crashed()).told).toHaveLength(1);
    commit(1);
    expect(opened(folder.crashed()).told).toEqual([]);
    store.close([]);
  });

  it('is told with all those that were found before a commit said that they are settled', () => {
    const { store, commit } = opened(folder.path);
    commit(0);
    for (const first of [5, 10, 15])
      store.tellDamaged({ lane: laneOf('meter-readings'), segment: 'none', first, last: first + 4, why: 'no version' });
    commit(0);
    expect(opened(folder.crashed()).told).toMatchObject([{ facts: { firstSeq: 5, lastSeq: 19, count: 15 } }]);
    store.close([]);
  });

  it('is told, too, where its segment cannot be asked how many entries it holds', async () => {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(0, 5));
    await owner.close(soon());
    const [name = ''] = folder.segments();
    const { store, told } = opened(folder.path);
    store.mend();
    const locked = new Database(join(folder.path, name));
    locked.exec('BEGIN EXCLUSIVE');
    const segment = name.slice(0, -'.db'.length);
    store.tellDamaged({ lane: laneOf('meter-readings'), segment, first: 1, last: 5, why: 'no such version' });
    locked.close();
    store.mend();
    expect(told).toMatchObject([{ event: 'loss', facts: { firstSeq: 1, lastSeq: 5, count: 5 } }]);
    store.close([]);
  });

  it('is told by the next start, if it was found as the buffer closed', () => {
    const { store, commit } = opened(folder.path);
    commit(0);
    store.tellDamaged({ lane: laneOf('meter-readings'), segment: 'none', first: 5, last: 9, why: 'no such version' });
    store.close([]);
    expect(opened(folder.path).told).toMatchObject([{ event: 'loss', facts: { firstSeq: 5, lastSeq: 9 } }]);
  });
});
