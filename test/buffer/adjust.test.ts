import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferFull } from '../../agent/errors.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { pointInfo, reading } from '../support/readings.ts';

let site: BufferFolder;
beforeEach(() => {
  site = new BufferFolder();
});
afterEach(() => site.remove());

const many = (): ReturnType<typeof reading>[] => Array.from({ length: 5000 }, () => reading({ value: Math.random() }));

async function settleAll(buffer: Buffer, last: number): Promise<void> {
  for (let after = 0; after < last;) {
    const batch = await buffer.next('meter-readings', after, 10_000, soon());
    buffer.settle('meter-readings', batch.first, batch.last);
    after = batch.last;
  }
}

describe('a buffer whose limits change while it runs', () => {
  it('takes again at once what a larger quota has room for', async () => {
    const buffer = await site.opened({ maxBytes: 1_000_000 });
    await expect(
      (async () => {
        for (;;) await buffer.append('meter-readings', many());
      })(),
    ).rejects.toBeInstanceOf(BufferFull);
    buffer.adjust({ maxBytes: 64_000_000, commitEveryMs: 20 });
    await buffer.append('meter-readings', many());
    expect(buffer.stats()).toMatchObject({ maxBytes: 64_000_000, full: false });
  });

  it('under a quota smaller than its newest segment it begins a smaller one, lets go of what is delivered, and forgets no slot', async () => {
    const buffer = await site.opened({ maxBytes: 400_000_000 });
    const other = pointInfo({ point: 'other' });
    await buffer.append('meter-readings', [reading({ point: other, slotMs: 1_000_000 })]);
    for (let round = 0; round < 10; round++) await buffer.append('meter-readings', many());
    await settleAll(buffer, 50_001);
    const before = buffer.stats().bytes;
    expect(site.segments()).toHaveLength(1);
    expect(before).toBeGreaterThan(300_000);

    buffer.adjust({ maxBytes: 1_000_000, commitEveryMs: 20 });
    await buffer.append('meter-readings', [reading({ slotMs: 2_000_000 })]);
    expect(buffer.stats().bytes).toBeLessThan(300_000);
    expect(site.segments()).toHaveLength(1);
    const again = await site.opened({ path: site.crashed() });
    expect(again.newestSlotMs('EM-1', 'other')).toBe(1_000_000);
    await expect(
      (async () => {
        for (;;) await buffer.append('meter-readings', many());
      })(),
    ).rejects.toThrow('of 1000000 bytes');
  });

  it('holds the quota that was asked for last, also when it was put back during a commit', async () => {
    const buffer = await site.opened({ maxBytes: 50_000_000 });
    buffer.adjust({ maxBytes: 2_000_000, commitEveryMs: 20 });
    const committing = buffer.append('meter-readings', [reading({})]);
    while (buffer.stats().commits === 0 && buffer.stats().committingForMs === 0) await new Promise(setImmediate);
    buffer.adjust({ maxBytes: 50_000_000, commitEveryMs: 20 });
    await committing;
    await buffer.append('meter-readings', [reading({})]);
    for (let round = 0; round < 60; round++) await buffer.append('meter-readings', many());
    expect(buffer.stats()).toMatchObject({ maxBytes: 50_000_000, full: false });
  });

  it('commits at the new distance', async () => {
    const buffer = await site.opened({ commitEveryMs: 60_000 });
    await buffer.append('meter-readings', [reading({})]);
    buffer.adjust({ maxBytes: 64_000_000, commitEveryMs: 20 });
    await buffer.append('meter-readings', [reading({})]);
    expect(buffer.stats().commits).toBe(2);
  });
});
