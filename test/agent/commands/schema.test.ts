import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishedSchemas } from '../../../agent/schemas/published.ts';
import { run } from '../../support/command-line.ts';

const folder = join(import.meta.dirname, '../../../agent/schemas');

describe('sluice schema', () => {
  it('lists what there is when it is not told which', async () => {
    const { code, stderr } = await run('schema');
    expect(code).toBe(2);
    for (const name of Object.keys(publishedSchemas)) expect(stderr).toMatch(new RegExp(`^  schema ${name} `, 'm'));
  });

  it.each(Object.entries(publishedSchemas))('%s prints a JSON Schema of draft-07', async (name, { file }) => {
    const { code, stdout } = await run('schema', name);
    expect(code).toBe(0);
    expect(stdout).toBe(readFileSync(join(folder, file), 'utf8'));
    expect(JSON.parse(stdout)).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#' });
  });

  it('publishes every schema that there is', () => {
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
    expect(
      Object.values(publishedSchemas)
        .map(({ file }) => file)
        .toSorted(),
    ).toEqual(files.toSorted());
  });
});
