import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../support/command-line.ts';
import { missingTool } from '../../support/tools.ts';

const noBash = missingTool('bash');
const noZsh = missingTool('zsh');
const site = resolve('test/cases/config/fine/sluice.json');

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-completion-'));
  for (const shell of ['bash', 'zsh']) writeFileSync(join(folder, shell), (await run('completion', shell)).stdout);
  // `sluice` as the shell finds it: the sources, by this very Node.
  writeFileSync(join(folder, 'sluice'), `#!/bin/sh\nexec '${process.execPath}' '${resolve('agent/main.ts')}' "$@"\n`);
  chmodSync(join(folder, 'sluice'), 0o755);
  mkdirSync(join(folder, 'place'));
  mkdirSync(join(folder, 'place/a folder'));
  writeFileSync(join(folder, 'place/a site.json'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

const env = (): NodeJS.ProcessEnv => ({ PATH: `${folder}:${process.env['PATH'] ?? ''}`, HOME: folder });

/** What bash offers when TAB is pressed behind these words; the last is the one being typed. */
function offered(...words: string[]): string[] {
  const script = `source '${folder}/bash'; complete -p sluice >/dev/null || exit 1
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _sluice; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const options = { cwd: join(folder, 'place'), env: env(), encoding: 'utf8' } as const;
  const text = execFileSync('bash', ['--norc', '-c', script, 'bash', 'sluice', ...words], options);
  return text.split('\n').filter((line) => line !== '');
}

describe.skipIf(noBash !== undefined)('completion in bash', () => {
  it('offers commands, and subcommands behind a group', () => {
    expect(offered('')).toEqual(expect.arrayContaining(['check', 'read', 'run', 'buffer', 'help', '--version']));
    expect(offered('b')).toEqual(['browse', 'buffer']);
    expect(offered('buffer', '')).toEqual(['stats', 'show', 'verify', 'dead-letters', '--help']);
    expect(offered('buffer', 'd')).toEqual(['dead-letters']);
    expect(offered('help', 'bu')).toEqual(['buffer']);
    expect(offered('help', 'buffer', 'sh')).toEqual(['show']);
  });

  it('offers the options of the very command', () => {
    expect(offered('check', '--')).toEqual(['--json', '--strict', '--no-secrets', '--help']);
    expect(offered('buffer', 'show', '--l')).toEqual(['--lane', '--last', '--limit']);
    expect(offered('buffer', 'verify', '--l')).toEqual([]);
  });

  it('offers the words that an option takes, also behind an equals sign', () => {
    expect(offered('buffer', 'show', '--lane', 's')).toEqual(['sensor-values']);
    expect(offered('buffer', 'show', '--lane', '=', 'me')).toEqual(['meter-readings']);
    expect(offered('buffer', 'show', '--lane', '=')).toHaveLength(4);
    expect(offered('buffer', 'show', '--last', '')).toEqual([]);
    expect(offered('completion', 'b')).toEqual(['bash']);
  });

  it('offers a device and then a fault where both belong', () => {
    expect(offered('simulate', site, '--fault', 'EM')).toEqual(['EM-104=']);
    expect(offered('simulate', site, '--fault', 'EM-104', '=', 'si')).toEqual(['silent']);
    expect(offered('simulate', site, '--fault', 'EM-104', '=')).toContain('garbage');
    expect(offered('simulate', site, '--fault', '=', 'EM')).toEqual(['EM-104=']);
    expect(offered('simulate', site, '--fault', '=', 'EM-104', '=', 'l')).toEqual(['late']);
  });

  it('offers files where a file belongs, folders where a folder does, with spaces in their names', () => {
    expect(offered('check', 'a').toSorted()).toEqual(['a folder', 'a site.json']);
    expect(offered('run', '--tap', 'a s')).toEqual(['a site.json']);
    expect(offered('buffer', 'stats', '--folder', '')).toEqual(['a folder']);
  });

  it('offers the devices of the configuration on the line', () => {
    expect(offered('read', site, '--device', '')).toEqual(['EM-104']);
    expect(offered('read', 'a site.json', '--device', '')).toEqual([]);
    expect(offered('buffer', 'show', site, '--device', 'EM')).toEqual(['EM-104']);
  });
});

describe.skipIf(noZsh !== undefined)('completion in zsh', () => {
  it('is a script that zsh understands, announces itself when sourced and names every command', () => {
    const options = { env: env(), encoding: 'utf8' } as const;
    execFileSync('zsh', ['-n', join(folder, 'zsh')], options);
    const script = `autoload -Uz compinit; compinit -u -D; source '${folder}/zsh'; print -r -- $_comps[sluice]; whence -w _sluice`;
    expect(execFileSync('zsh', ['-fc', script], options)).toBe('_sluice\n_sluice: function\n');
  });
});

it('a device list is of a right configuration only', async () => {
  expect(await run('completion', 'devices', site)).toEqual({ code: 0, stdout: 'EM-104\n', stderr: '' });
  expect(await run('completion', 'devices', '/nowhere')).toMatchObject({ code: 78, stdout: '' });
  expect(await run('completion')).toMatchObject({
    code: 2,
    stderr: 'sluice: completion needs SHELL, one of bash, zsh, devices; see sluice completion --help\n',
  });
  expect(await run('completion', 'fish')).toMatchObject({
    code: 2,
    stderr: 'sluice: SHELL is "fish"; allowed: bash, zsh, devices\n',
  });
});
