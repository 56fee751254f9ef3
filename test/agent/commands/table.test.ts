import { describe, expect, it } from 'vitest';
import type { Command, CommandGroup, CommandTable } from '../../../agent/commands/command.ts';
import { parse } from '../../../agent/commands/parse.ts';
import { commands } from '../../../agent/commands/table.ts';
import { run } from '../../support/command-line.ts';

interface Named {
  readonly words: readonly string[];
  readonly summary: string;
  readonly found: Command | CommandGroup;
}

async function all(table: CommandTable, before: readonly string[]): Promise<Named[]> {
  const named: Named[] = [];
  for (const [name, { summary, load }] of Object.entries(table)) {
    const found = await load();
    const words = [...before, name];
    named.push({ words, summary, found });
    if ('commands' in found) named.push(...(await all(found.commands, words)));
  }
  return named;
}

const everything = await all(commands, []);
const single = everything.flatMap(({ words, found }) => ('commands' in found ? [] : [{ words, command: found }]));

describe.each(everything.map((one) => ({ ...one, line: one.words.join(' ') })))('sluice $line', (one) => {
  it('is called what it is listed as, and says in half a line what it does', async () => {
    expect(one.found.name).toBe(one.words.join(' '));
    expect(one.summary).toMatch(/^[^.]{5,80}$/);
    const { stdout } = await run(...one.words.slice(0, -1), '--help');
    expect(stdout).toContain(one.summary);
  });

  it('has a help that fits a terminal and says what everything is', async () => {
    const { code, stdout, stderr } = await run(...one.words, '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(one.found.about);
    expect(await run('help', ...one.words)).toMatchObject({ code: 0, stdout });
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(142);
  });
});

describe.each(single.map((one) => ({ ...one, line: one.words.join(' ') })))('sluice $line', ({ words, command }) => {
  it('has examples that work up to the point of being carried out', () => {
    expect(command.examples.length).toBeGreaterThan(0);
    for (const { line } of command.examples) {
      const [first, ...rest] = line.split(' ');
      expect([first, ...rest.slice(0, words.length)]).toEqual(['sluice', ...words]);
      const shell = rest.findIndex((word) => word === '|' || word === '>');
      const args = rest.slice(words.length, shell < 0 ? undefined : shell);
      expect(parse(command, args)).toMatchObject({ positionals: expect.any(Array) });
    }
  });

  it('says what its exit codes mean, and asks back for an option it does not have', async () => {
    expect(Object.keys(command.exits)).toContain('0');
    expect(await run(...words, '--no-such-option-at-all')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(`^sluice: ${command.name} has no option --no-such-option-at-all; see sluice ${command.name} --help`),
      ),
    });
  });
});
