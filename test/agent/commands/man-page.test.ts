import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { allOf } from '../../../agent/commands/all.ts';
import type { Command } from '../../../agent/commands/command.ts';
import { manPage } from '../../../agent/commands/man-page.ts';
import { commands } from '../../../agent/commands/table.ts';
import { version } from '../../../agent/version.ts';
import { missingTool } from '../../support/tools.ts';

const noGroff = missingTool('groff');

it('docs/sluice.1 is what `npm run generate` makes of the commands', async () => {
  expect(readFileSync('docs/sluice.1', 'utf8')).toBe(manPage(await allOf(commands), version()));
});

function rendered(page: string): { text: string; warnings: string } {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tutf8', '-P-cbou'], {
    input: page,
    encoding: 'utf8',
  });
  return { text: stdout.replaceAll(/\s+/g, ' '), warnings: stderr };
}

describe.skipIf(noGroff !== undefined)('the man page', () => {
  it('renders without a warning and names every command', async () => {
    const { text, warnings } = rendered(readFileSync('docs/sluice.1', 'utf8'));
    expect(warnings).toBe('');
    for (const [name, { load }] of Object.entries(commands)) {
      const found = await load();
      const names = 'commands' in found ? Object.keys(found.commands).map((sub) => `${name} ${sub}`) : [name];
      for (const one of names) expect(text).toContain(`sluice ${one}`);
    }
  });

  it('shows text as it is that roff would obey', () => {
    const about = `.so /etc/passwd
'quoted' \\fBbold\\fR "double" \`run\` --dashed`;
    const odd: Command = {
      name: 'odd',
      about,
      arguments: [],
      options: {},
      examples: [{ line: "sluice odd '.x'", about: '.B not bold' }],
      exits: { 0: 'fine' },
      run: () => Promise.resolve(0),
    };
    const { text, warnings } = rendered(manPage([{ word: 'odd', summary: '', command: odd }], '1'));
    expect(warnings).toBe('');
    expect(text).toContain(`.so /etc/passwd 'quoted' \\fBbold\\fR "double" \`run\` --dashed`);
    expect(text).toContain('.B not bold');
  });
});
