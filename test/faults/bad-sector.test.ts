import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Lock } from '../../buffer/lock.ts';
import { DamagedSite } from '../support/damaged-site.ts';
import { noShim, Shim } from '../torture/shim.ts';

const start = `
  const { Lock } = await import(${JSON.stringify(new URL('../../buffer/lock.ts', import.meta.url).href)});
  const lock = new Lock(process.argv[1]);
  process.stdout.write(JSON.stringify({ isNew: lock.isNew, before: lock.before }));
`;

describe.skipIf(noShim !== undefined)('a bad sector under the lock file', () => {
  let base: string;
  let folder: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'sluice-sector-'));
    folder = join(base, 'buffer');
    mkdirSync(folder);
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it.each([1, 2])('ends no start (read %i): the file goes aside, and nothing of it is believed', (nth) => {
    const before = new Lock(folder);
    before.begun(7, [1, 2, 3, 4]);
    before.release({ starts: 7, doubtful: [1, 2, 3, 4], floor: 100 });
    const shim = new Shim({ folder, rules: [`read lock.db nth=${nth} EIO`] });
    try {
      const said = execFileSync(process.execPath, ['--input-type=module', '--eval', start, folder], {
        env: { ...process.env, ...shim.env },
        encoding: 'utf8',
      });
      expect(JSON.parse(said)).toMatchObject({ isNew: true, before: { starts: 0, clean: false, floor: 0 } });
    } finally {
      shim.remove();
    }
    expect(existsSync(join(folder, 'lock.db.unreadable'))).toBe(true);
  });
});

const startAll = `
  const { Store } = await import(${JSON.stringify(new URL('../../buffer/store.ts', import.meta.url).href)});
  const store = new Store({ path: process.argv[1], maxBytes: 64_000_000 }, () => undefined);
  const { waiting } = store.opened();
  process.stdout.write(String(waiting[0]));
`;

describe.skipIf(noShim !== undefined)('a bad sector under what a start reads of the newest segment', () => {
  it.each([1, 2, 3, 4, 5, 6, 8, 12, 16])('ends no start (from read %i on)', (nth) => {
    const site = new DamagedSite();
    site.fill(1);
    const newest = site.segments().at(-1) ?? '';
    const shim = new Shim({ folder: site.folder, rules: [`read ${newest} from=${nth} EIO`] });
    try {
      const said = execFileSync(process.execPath, ['--input-type=module', '--eval', startAll, site.folder], {
        timeout: 20_000,
        env: { ...process.env, ...shim.env },
        encoding: 'utf8',
      });
      expect(Number(said)).toBeGreaterThan(0);
    } finally {
      shim.remove();
      site.remove();
    }
  });
});
