import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BufferFolder } from '../support/buffer-folder.ts';
import { pointInfo, reading } from '../support/readings.ts';

const maxBytes = 1_000_000;
const flow = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });

let folder: BufferFolder;
beforeEach(() => {
  folder = new BufferFolder();
});
afterEach(() => folder.remove());

/** A segment that a newer sluice wrote, by its header; returns its file. */
function newerSegment(bytes: number): string {
  const quarantine = join(folder.path, 'quarantine');
  mkdirSync(quarantine);
  const segment = Buffer.alloc(bytes);
  segment.write('SQLite format 3\0');
  segment.writeUInt32BE(3, 60);
  segment.write('SLUI', 68);
  const file = join(quarantine, '000000000001-1-aaaaaaaa.db');
  writeFileSync(file, segment);
  return file;
}

it.each(['stop', 'thin'] as const)(
  'a quota that a newer version’s files fill is told with the folder, its bytes and what to do, and ends when they are moved (%s)',
  async (whenFull) => {
    const file = newerSegment(900_000);
    const lines: string[] = [];
    const buffer = await folder.opened({ maxBytes, whenFull, log: (line) => lines.push(line) });
    expect(buffer.stats()).toMatchObject({ full: true, quarantineBytes: 900_000 });
    const what = new RegExp(`900000 bytes of it are files in ${folder.path}/quarantine .*: move them elsewhere`);
    await expect(buffer.append('meter-readings', [reading({})])).rejects.toThrow(what);
    expect(lines).toContainEqual(expect.stringMatching(what));
    rmSync(file);
    await expect.poll(() => buffer.stats().full, { timeout: 5_000 }).toBe(false);
    await buffer.append('meter-readings', [reading({})]);
  },
);

it('what people move out of it is room, however little of the quota it took', async () => {
  const file = newerSegment(200_000);
  const buffer = await folder.opened({ maxBytes });
  expect(buffer.stats().quarantineBytes).toBe(200_000);
  rmSync(file);
  await expect.poll(() => buffer.stats().quarantineBytes, { timeout: 5_000 }).toBe(0);
});

it('says that it is full as soon as any reading is refused: under `thin` sensor values are the first', async () => {
  newerSegment(770_000);
  const buffer = await folder.opened({ maxBytes, whenFull: 'thin' });
  await expect(buffer.append('sensor-values', [reading({ point: flow })])).rejects.toThrow('quarantine');
  expect(buffer.stats().full).toBe(true);
  await buffer.append('meter-readings', [reading({})]);
});
