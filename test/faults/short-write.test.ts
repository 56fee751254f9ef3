import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Untold } from '../../buffer/damage/untold.ts';
import { noShim, Shim } from '../torture/shim.ts';

const found = 'x'.repeat(20_000);
const keep = `
  const { Untold } = await import(${JSON.stringify(new URL('../../buffer/damage/untold.ts', import.meta.url).href)});
  new Untold(process.argv[1], 'told.json').keep(new Map([['found', '${found}']]));
`;

describe.skipIf(noShim !== undefined)('a disk that takes a part of a write', () => {
  let base: string;
  let folder: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'sluice-short-'));
    folder = join(base, 'buffer');
    mkdirSync(folder);
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it.each([
    { what: 'and then the rest', rules: ['write told.json* nth=1 short'], kept: found },
    {
      what: 'and then no more',
      rules: ['write told.json* nth=1 short', 'write told.json* from=2 ENOSPC'],
      kept: 'before',
    },
  ])('$what: what is to be told lies there whole, or as it was', ({ rules, kept }) => {
    new Untold(folder, 'told.json').keep(new Map([['found', 'before']]));
    const shim = new Shim({ folder, rules });
    try {
      execFileSync(process.execPath, ['--input-type=module', '--eval', keep, folder], {
        env: { ...process.env, ...shim.env },
      });
    } finally {
      shim.remove();
    }
    expect(new Untold<string>(folder, 'told.json').found().get('found')).toBe(kept);
  });
});
