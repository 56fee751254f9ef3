import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { generated } from '../../../deploy/reference/generated.ts';

it.each([...generated()])('%s is what the schema gives', (file, text) => {
  const stands = readFileSync(join(import.meta.dirname, '../../..', file), 'utf8');
  expect(stands === text, `${file} is of an older schema; run: npm run generate`).toBe(true);
});
