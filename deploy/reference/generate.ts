/** Writes everything that is made from the schema: `npm run generate` after every change of it. A test compares. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generated } from './generated.ts';

for (const [file, text] of generated()) writeFileSync(join(import.meta.dirname, '../..', file), text);
