/** Writes everything that is made from the schema and the table of commands: `npm run generate` after every change of them. Tests compare. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allOf } from '../../agent/commands/all.ts';
import { manPage } from '../../agent/commands/man-page.ts';
import { commands } from '../../agent/commands/table.ts';
import { version } from '../../agent/version.ts';
import { generated } from './generated.ts';

for (const [file, text] of generated()) writeFileSync(join(import.meta.dirname, '../..', file), text);
writeFileSync(join(import.meta.dirname, '../../docs/sluice.1'), manPage(await allOf(commands), version()));
