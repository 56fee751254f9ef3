import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../../../agent/config/load.ts';
import { problemText } from '../../../agent/config/problems.ts';
import { publishedSchema } from '../../../agent/schemas/published.ts';
import { run, runWith, type Ended } from '../../support/command-line.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-init-'));
  file = join(folder, 'sluice.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A person who types these lines. */
function typing(lines: readonly string[], ...argv: string[]): Promise<Ended & { asked: string }> {
  let asked = '';
  const stdin = Object.assign(Readable.from(lines.map((line) => `${line}\n`)), { isTTY: true });
  const stderr = { write: (text: string) => void (asked += text) };
  return runWith({ stdin, stderr }, 'init', ...argv).then((ended) => ({ ...ended, asked }));
}

const problemsOf = (text: string): string[] =>
  readConfig(file, Buffer.from(text), { env: {}, noSecrets: true }).problems.map(problemText);

it('asks nothing without a terminal, and what it writes passes check, with the schema beside it', async () => {
  const { code, stdout, stderr } = await run('init', file);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain(`sluice check ${file}`);
  expect(await run('check', '--no-secrets', '--strict', file)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('no problems'),
  });
  expect(readFileSync(join(folder, 'sluice.schema.json'), 'utf8')).toBe(publishedSchema('config'));
  expect(readFileSync(file, 'utf8')).toContain('"$schema": "./sluice.schema.json"');
});

it('what its comments offer is right as well', async () => {
  await run('init', file);
  const uncommented = readFileSync(file, 'utf8').replaceAll(/^( *)\/\/ ([{"].*)$/gm, '$1$2');
  expect(uncommented).not.toBe(readFileSync(file, 'utf8'));
  expect(problemsOf(uncommented).filter((text) => !text.includes('password is missing'))).toEqual([]);
});

it('takes the answers from a terminal, and asks again, in the words of check, until they are right', async () => {
  const { code, asked } = await typing(
    ['bad id', 'ps-7', 'http://x', '10.0.0.5', '300', '', 'kafka', 'k1:9092, k2:9092'],
    file,
  );
  expect(code).toBe(0);
  const said = asked.split('\n').filter((line) => line.includes('allowed'));
  expect(said.map((line) => /(\S+) is (".*?"|\d+);/.exec(line)?.[0])).toEqual([
    'gateway is "bad id";',
    'host is "http://x";',
    'unitId is 300;',
    'brokers[0] is "kafka";',
  ]);
  const { problems, config } = readConfig(file, readFileSync(file), { env: {}, noSecrets: true });
  expect(problems).toEqual([]);
  expect(config).toMatchObject({
    gateway: 'ps-7',
    uplink: { kafka: { brokers: ['k1:9092', 'k2:9092'] } },
    connections: [{ plan: { transport: { host: '10.0.0.5' }, devices: [{ unitId: 1 }] } }],
  });
});

it('does not ask for what was given, and refuses what was given wrong', async () => {
  const given = ['--gateway', 'ps-9', '--host', '10.0.0.9', '--unit-id', '9', '--brokers', 'k:1'];
  expect(await typing([], file, ...given)).toMatchObject({ code: 0, asked: '' });
  expect(await run('init', join(folder, 'other.json'), '--unit-id', '300')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('--unit-id: unitId is 300; allowed: 1…247'),
  });
  expect(readdirSync(folder).toSorted()).toEqual(['sluice.json', 'sluice.schema.json']);
});

it.skipIf(existsSync('/etc/sluice/sluice.json'))(
  'says where it is going to write before it asks, when no place was named',
  async () => {
    const { code, asked } = await typing(['ps-7']);
    expect(code).toBe(1);
    expect(asked).toMatch(/^\/etc\/sluice\/sluice\.json will be written, .*; another place: sluice init FILE\n/);
    expect(existsSync('/etc/sluice/sluice.json')).toBe(false);
  },
);

it('never overwrites anything', async () => {
  writeFileSync(file, 'mine');
  writeFileSync(join(folder, 'sluice.schema.json'), 'mine too');
  expect(await run('init', file)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('exists, and init never overwrites'),
  });
  expect(readFileSync(file, 'utf8')).toBe('mine');
  expect(await run('init', '--json', join(folder, 'b.json'))).toMatchObject({
    code: 0,
    stdout: `${JSON.stringify({ file: join(folder, 'b.json'), schema: null })}\n`,
  });
  expect(readFileSync(join(folder, 'sluice.schema.json'), 'utf8')).toBe('mine too');
});

it('writes nothing when it is left, or when there is no place', async () => {
  expect(await typing(['ps-7'], file)).toMatchObject({
    code: 1,
    asked: expect.stringContaining('given up; nothing was written'),
  });
  expect(await run('init', '/proc/x/y.json')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('cannot be written'),
  });
  expect(await run('init', join(folder, 'mistyped/path/y.json'))).toMatchObject({ code: 1 });
  expect(readdirSync(folder)).toEqual([]);
});

it('prints to standard output when told to, and puts no file anywhere', async () => {
  const { code, stdout } = await run('init', '-', '--gateway', 'ps-12');
  expect(code).toBe(0);
  expect(problemsOf(stdout)).toEqual([]);
  expect(existsSync('-')).toBe(false);
});
