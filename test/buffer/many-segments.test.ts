import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { segmentsOpened } from '../support/segments-opened.ts';
import { fastFolder } from '../torture/record.ts';
import { noShim } from '../torture/shim.ts';

const segments = 30;
const program = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url));
const startOf = (folder: string): string[] => [program('support/open-store.ts'), folder];
const statsOf = (folder: string): string[] => [program('../agent/main.ts'), 'buffer', 'stats', '--folder', folder];

// Opening thousands of files is what makes a start slow; how many a start opens does not depend on the machine.
describe.skipIf(noShim !== undefined)('of a backlog in many segments', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(fastFolder, 'sluice-many-'));
    execFileSync(process.execPath, [program('bench/fill-backlog.ts'), folder, String(2 * segments), '1', '1']);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const names = (): string[] =>
    readdirSync(folder)
      .filter((name) => /^\d{12}-[^/]*\.db$/.test(name))
      .toSorted();

  it('a start opens the newest alone', () => {
    expect(names()).toHaveLength(segments);
    expect(segmentsOpened(folder, startOf(folder))).toEqual(names().slice(-1));
  });

  it('`stats` opens the newest, and the oldest that waits for the time of its first entry', () => {
    expect(segmentsOpened(folder, statsOf(folder))).toEqual([...names().slice(-1), ...names().slice(0, 1)]);
  });

  it('a start opens all that the list does not tell of, once', () => {
    rmSync(join(folder, 'sealed.list'));
    expect(segmentsOpened(folder, startOf(folder)).toSorted()).toEqual(names());
    expect(segmentsOpened(folder, startOf(folder))).toEqual(names().slice(-1));
  });
});
