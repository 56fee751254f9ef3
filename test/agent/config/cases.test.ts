import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../agent/config/load.ts';
import { problemText } from '../../../agent/config/problems.ts';

const folder = resolve('test/cases/config');

/** One folder per mistake: `sluice.json`, and in `expected.txt` what is told of it. */
describe('what is told of a configuration', () => {
  it.each(readdirSync(folder))('%s', async (name) => {
    const file = join(folder, name, 'sluice.json');
    const { problems, config } = loadConfig(file, {
      env: { SLUICE_CASE_EMPTY: '' },
      profileFolder: join(folder, name, 'profiles'),
    });
    const told = problems
      .map((problem) => `${problemText(problem)}\n`)
      .join('')
      .replaceAll(join(folder, name, '/'), '');
    await expect(told).toMatchFileSnapshot(join(folder, name, 'expected.txt'));
    expect(config === null).toBe(problems.some(({ severity }) => severity === 'error'));
    expect(told).not.toMatch(/hunter2|31337/);
  });
});
