import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../agent/reading.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { Store } from '../../buffer/store.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { values } from '../support/drained.ts';
import { FakeClock } from '../support/fake-clock.ts';

const at = new FakeClock().now();
let folder: BufferFolder;
let open: Store[];
beforeEach(async () => {
  folder = new BufferFolder();
  open = [];
  for (const from of [0, 5]) {
    const owner = await folder.opened();
    await owner.append('meter-readings', values(from, from + 5));
    await owner.close(soon());
  }
});
afterEach(async () => {
  for (const store of open) store.close([]);
  await folder.remove();
});

/** A start, and a copy of its folder as a kill at once would leave it. */
function started(path: string) {
  const told: GatewayEvent[] = [];
  const store = new Store({ path, maxBytes: 64_000_000 }, (event) => told.push(event));
  open.push(store);
  let seq = store.opened().nextSeq;
  // As soon as there is nothing else to do.
  store.mend();
  const commit = (heard: number): void => {
    const frames = [
      new FrameEncoder().encode(at, 'meter-readings', [{ seq: seq++, entry: { at, key: 'k', json: '{}' } }]),
    ];
    store.commit({ frames, described: [], slots: null, dating: [], maxBytes: null, drops: [], heard });
  };
  const mended = (): void => {
    while (store.mend());
  };
  return { told, commit, mended, killed: () => folder.crashed(path) };
}

const losses = (told: readonly GatewayEvent[]): unknown[] =>
  told.filter(({ event }) => event === 'loss').map(({ facts }) => [facts?.['firstSeq'], facts?.['lastSeq']]);

describe('a loss of which no file tells any more', () => {
  const harms: [string, (file: string) => void][] = [
    ['whose segment was foreign, and has gone aside', (file) => writeFileSync(file, 'something else '.repeat(900))],
    ['whose segment was removed by others', (file) => rmSync(file)],
  ];

  it.each(harms)('%s, is told until a commit holds the event, whatever else was committed and killed', (_, harm) => {
    harm(join(folder.path, folder.segments()[0] ?? ''));
    const first = started(folder.path);
    expect(losses(first.told)).toEqual([[1, 5]]);
    const second = started(first.killed());
    expect(losses(second.told)).toEqual([[1, 5]]);
    // Under way when it was told: it says that it is settled.
    second.commit(0);
    const third = started(second.killed());
    expect(losses(third.told)).toEqual([[1, 5]]);
    third.commit(third.told.length);
    expect(losses(started(third.killed()).told)).toEqual([]);
  });

  it('is told again with all others, however many a start has told', () => {
    const names = Array.from({ length: 100 }, (_, index) => `${String(100 + index).padStart(12, '0')}-3-abcdefgh.db`);
    for (const name of names) writeFileSync(join(folder.path, name), 'something else '.repeat(900));
    const { told, commit, mended, killed } = started(folder.path);
    mended();
    expect(losses(told).length).toBeGreaterThanOrEqual(99);
    commit(0);
    expect(losses(started(killed()).told)).toEqual(losses(told));
  });

  it('is told by the next start when the buffer has no room for the event', async () => {
    rmSync(join(folder.path, folder.segments()[0] ?? ''));
    const note = { at, key: 'k', json: '{}' };
    const refused: unknown[] = [];
    /** As the daemon does: what is told before the buffer is open goes to its lane then. */
    const daemon = async (maxBytes: number) => {
      const path = folder.crashed();
      const early: GatewayEvent[] = [];
      const buffer = await folder.opened({ path, maxBytes, event: (event) => early.push(event) });
      for (const each of early) await buffer.append('gateway-events', [note]).catch(() => refused.push(each.facts));
      return { path, buffer, losses: losses(early) };
    };
    const full = await daemon(10_000);
    expect(full.losses).toEqual([[1, 5]]);
    expect(refused).toHaveLength(1);
    // Room comes, and commits with it: none of them holds the event.
    full.buffer.adjust({ maxBytes: 64_000_000, commitEveryMs: 20 });
    for (let commits = 0; commits < 3; commits++) await full.buffer.append('gateway-events', [note]);
    await full.buffer.close(soon());
    expect(losses(started(full.path).told)).toEqual([[1, 5]]);
  });

  it('is told once by starts whose commits come to an end', async () => {
    rmSync(join(folder.path, folder.segments()[0] ?? ''));
    for (let start = 0; start < 2; start++) {
      const buffer = await folder.opened();
      await buffer.append('gateway-events', [{ at, key: 'k', json: '{}' }]);
      await buffer.close(soon());
    }
    expect(losses(folder.events)).toEqual([[1, 5]]);
  });
});
