import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseJsonc } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import type { CommandTable } from '../agent/commands/command.ts';
import { nameIn, parse } from '../agent/commands/parse.ts';
import { commands } from '../agent/commands/table.ts';
import { readConfig } from '../agent/config/load.ts';
import { problemText } from '../agent/config/problems.ts';
import { messageOf } from '../agent/errors.ts';
import { publishedSchema, publishedSchemas, type PublishedSchema } from '../agent/schemas/published.ts';
import { editor } from './support/editor.ts';

const root = join(import.meta.dirname, '..');

interface Example {
  readonly file: string;
  readonly line: number;
  /** `jsonc` (a configuration), `jsonc points` (a part of one), `json event` (a record), `sh`. */
  readonly language: string;
  readonly part: string;
  readonly text: string;
}

const pages = ['README.md', ...globSync('docs/*.md', { cwd: root }).toSorted()].map((file) => ({
  file,
  text: readFileSync(join(root, file), 'utf8'),
}));
const examples = pages.flatMap(({ file, text }): Example[] =>
  [...text.matchAll(/^```(\w+) ?(\w*)\n([^]*?)^```$/gm)].map(([, language = '', part = '', body = ''], index, all) => ({
    file,
    line: text.slice(0, all[index]?.index).split('\n').length,
    language,
    part,
    text: body,
  })),
);
const of = (language: string): Example[] => examples.filter((each) => each.language === language);

/** A configuration in which a part of one makes sense. */
function wholeOf({ part, text }: Example): string {
  if (part === '') return text;
  const stated: unknown = parseJsonc(text, [], { allowTrailingComma: true });
  const points = part === 'points' ? stated : [{ name: 'power', unit: 'W', address: 52 }];
  const device = { id: 'EM-1', connection: 'panel', unitId: 1, points };
  return JSON.stringify({
    version: 1,
    gateway: 'ps-12',
    site: { id: 'PS12', timezone: 'Europe/Madrid' },
    connections: { panel: { driver: 'modbus-tcp', host: '10.12.0.20' } },
    devices: [device],
    uplink: { file: { path: '/var/lib/sluice/readings.ndjson' } },
    ...(['points', 'device'].includes(part) ? {} : { [part]: stated }),
    ...(part === 'device' ? { devices: [{ ...device, ...(stated as object) }] } : {}),
  });
}

it('the pages have examples of every sort', () => {
  expect(pages.map(({ file }) => file)).toEqual(
    expect.arrayContaining(['README.md', 'docs/configuration.md', 'docs/install.md', 'docs/records.md']),
  );
  expect([...new Set(examples.map(({ language }) => language))].toSorted()).toEqual(['json', 'jsonc', 'sh']);
  const fences = pages.flatMap(({ text }) => [...text.matchAll(/^```/gm)]);
  expect(fences).toHaveLength(2 * examples.length);
});

describe.each(of('jsonc'))('the configuration at $file:$line', (example) => {
  it('passes check, but for what this machine lacks', () => {
    const { problems, config } = readConfig('/etc/sluice/sluice.json', Buffer.from(wholeOf(example)), {
      env: {},
      noSecrets: true,
    });
    const own = problems
      .map(problemText)
      .filter((text) => !/password is missing|the buffer folder|that file does not exist/.test(text));
    expect(own).toEqual([]);
    expect(config).not.toBeNull();
  });

  it('is right to an editor', async () => {
    const vscode = editor(JSON.parse(publishedSchema('config')));
    expect(await vscode.findings(wholeOf(example))).toEqual([]);
  });
});

interface RecordSchema {
  readonly properties?: object;
  readonly definitions?: Readonly<Record<string, RecordSchema>>;
}

describe.each(of('json'))('the record at $file:$line', ({ part, text }) => {
  it('is one that its schema takes, with the keys in their order', async () => {
    const name = part === '' ? 'reading' : part;
    expect(Object.keys(publishedSchemas)).toContain(name);
    const schema = JSON.parse(publishedSchema(name as PublishedSchema)) as RecordSchema;
    expect(await editor(schema).findings(text)).toEqual([]);
    const forms = Object.values(schema.definitions ?? { only: schema }).map(({ properties = {} }) =>
      Object.keys(properties),
    );
    expect(forms).toContainEqual(Object.keys(JSON.parse(text) as object));
  });
});

const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> })
  .scripts;

/** Throws where `sluice` would ask back. */
async function find(words: readonly string[], table: CommandTable = commands, before = ''): Promise<void> {
  const [first = '', ...rest] = words;
  if (before === '' && ['--help', '--version', 'COMMAND'].includes(first)) return;
  const found = await table[nameIn(table, first, before)]?.load();
  if (found !== undefined && 'commands' in found) await find(rest, found.commands, `${found.name} `);
  else if (found !== undefined) parse(found, rest);
}

/** Of the machine that it is installed on. */
const systemTools: ReadonlySet<string> = new Set('cd chmod cp git install ln systemctl useradd'.split(' '));

/** What is wrong with a command of a shell, as far as it is ours. */
async function faultOf(command: string): Promise<string | undefined> {
  const [program = '', ...words] = command
    .replace(/\s[>#].*$/, '')
    .trim()
    .split(/\s+/);
  if (program === 'sudo' && words[0] === '-u') return faultOf(words.slice(2).join(' '));
  if (systemTools.has(program)) return undefined;
  const [verb = '', ...more] = words;
  const [script = '', dashes, ...args] = more.filter((word) => word !== '-s');
  if (program === 'npm' && (verb === 'ci' || verb === 'test')) return undefined;
  if (program === 'npm' && verb === 'run' && scripts[script] !== undefined && script !== 'sluice') return undefined;
  const isOurs = program === 'sluice' || (verb === 'run' && script === 'sluice' && dashes === '--');
  if (!isOurs) return `${command} is not known to this test`;
  return find(program === 'sluice' ? words : args).then(() => undefined, messageOf);
}

const shell = of('sh').flatMap(({ file, text }) =>
  text
    .split('\n')
    .flatMap((line) => line.split(/&&|\|/))
    .filter((command) => command.trim() !== '')
    .map((command) => ({ file, command })),
);
/** `sluice check [FILE]` in a sentence or a table. */
const mentioned = pages.flatMap(({ file, text }) =>
  [...text.matchAll(/`((?:sluice|npm run -s sluice --) [a-z-][^`\n]*)`/g)].map(([, command = '']) => ({
    file,
    command: command.replaceAll(/[[\]]/g, '').split(' | ')[0] ?? '',
  })),
);

it.each([...shell, ...mentioned])('$file: `$command` is what the programs take', async ({ command }) => {
  expect(await faultOf(command)).toBeUndefined();
});

it('the page of records explains every status that a reading can have', () => {
  const sources = globSync('{agent,drivers}/**/*.ts', { cwd: root }).map((file) =>
    readFileSync(join(root, file), 'utf8'),
  );
  const used = new Set(sources.flatMap((text) => text.match(/(?<=')(?:Good|(?:Bad|Uncertain)[A-Z]\w+)(?=')/g) ?? []));
  const rows = [
    ...readFileSync(join(root, 'docs/records.md'), 'utf8').matchAll(/^\| (`[A-Z].*?) \| (\w+) \| (?=\w)/gm),
  ];
  const explained = new Map(
    rows.flatMap(([, names = '', quality = '']) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => [name, quality]),
    ),
  );
  expect(used.size).toBeGreaterThan(10);
  expect([...used].filter((name) => !explained.has(name))).toEqual([]);
  for (const [name, quality] of explained) expect(name.toLowerCase().startsWith(quality)).toBe(true);
});

/** Every event that the sources tell: its name, its severity, and the keys of its facts where they stand beside it. */
function eventsTold(): { name: string; severity: string; facts: string[] }[] {
  const sources = globSync('{agent,buffer,drivers}/**/*.ts', { cwd: root }).map((file) =>
    readFileSync(join(root, file), 'utf8'),
  );
  const told = /event: '([a-z-]+)',\s*severity: '(\w+)'(?:(?!event: ').)*?(?:facts: \{([^{}]*)\}|\n\}|\}\))/gs;
  return sources.flatMap((text) =>
    [...text.matchAll(told)].map(([, name = '', severity = '', facts = '']) => ({
      name,
      severity,
      facts: [...facts.matchAll(/(?:^|,)\s*(\w+)(?=[:,\s]|$)/g)].map(([, key = '']) => key),
    })),
  );
}

it('the page of records explains every event that is told, with its facts', () => {
  const page = readFileSync(join(root, 'docs/records.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (info|warning|error) \| [^|]+ \| ([^|]+) \|$/gm)].map(
    ([, name = '', severity = '', facts = '']) => ({ name, severity, facts }),
  );
  const told = eventsTold();
  expect(new Set(told.map(({ name }) => name)).size).toBeGreaterThan(12);
  expect(told.filter(({ facts }) => facts.length > 0).length).toBeGreaterThan(12);
  const unexplained = told.filter(
    (event) =>
      !rows.some(
        ({ name, severity, facts }) =>
          name === event.name &&
          severity === event.severity &&
          event.facts.every((key) => facts.includes(`\`${key}\``)),
      ),
  );
  expect(unexplained).toEqual([]);
  const names = (JSON.parse(publishedSchema('event')) as { properties: { event: { enum: string[] } } }).properties.event
    .enum;
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
