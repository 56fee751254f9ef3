import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { readConfig } from '../config/load.ts';
import { SluiceError, UsageError } from '../errors.ts';
import { publishedSchema } from '../schemas/published.ts';
import { defaultFile, type Command, type Io } from './command.ts';
import { firstSite, type FirstAnswers } from './first-site.ts';

interface Question {
  readonly key: keyof FirstAnswers;
  /** Gives the answer on the command line. */
  readonly option: string;
  readonly value: string;
  readonly text: string;
  readonly usual: () => string;
}

const questions: readonly Question[] = [
  {
    key: 'gateway',
    option: 'gateway',
    value: 'ID',
    text: 'Id of this gateway, unique in the fleet',
    usual: () =>
      hostname()
        .replaceAll(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 64) || 'gateway-1',
  },
  { key: 'host', option: 'host', value: 'HOST', text: 'Host of the first meter', usual: () => '192.168.1.10' },
  { key: 'unitId', option: 'unit-id', value: 'N', text: 'Its unit id', usual: () => '1' },
  {
    key: 'brokers',
    option: 'brokers',
    value: 'HOST:PORT,...',
    text: 'Kafka brokers, with commas between',
    usual: () => 'kafka.example:9092',
  },
];
const schemaFile = 'sluice.schema.json';

export const init: Command = {
  name: 'init',
  about: `Writes a commented configuration to begin with, and ${schemaFile} beside it for editors.
On a terminal it asks for what the options do not say; elsewhere it asks nothing and takes the usual. Never overwrites a file.`,
  arguments: [{ name: 'FILE', about: `where to; ${defaultFile} unless given; - is standard output` }],
  options: {
    ...Object.fromEntries(
      questions.map(({ option, value, text, usual }) => [
        option,
        {
          value,
          example: usual(),
          about: `${text}${option === 'gateway' ? ' (from the host name)' : ` (${usual()})`}`,
        },
      ]),
    ),
    json: { about: 'one JSON value: {"file","schema"}; "schema" is null if there was one already' },
  },
  examples: [
    { line: 'sluice init', about: 'on site' },
    { line: 'sluice init site.json --gateway ps-12 --host 10.12.0.20', about: 'somewhere else, the answers given' },
    { line: 'sluice init - --gateway ps-12 > site.json', about: 'for a script' },
  ],
  exits: { 0: 'written', 1: 'FILE exists or cannot be written; nothing was changed' },

  async run({ values, positionals }, io) {
    const file = positionals[0] ?? defaultFile;
    if (file !== '-' && existsSync(file)) throw exists(file);
    const given = Object.fromEntries(
      questions.flatMap(({ key, option }) => (typeof values[option] === 'string' ? [[key, values[option]]] : [])),
    ) as Partial<FirstAnswers>;
    if (positionals[0] === undefined && io.stdin.isTTY === true)
      io.stderr.write(`${file} will be written, the configuration of this machine; another place: sluice init FILE\n`);
    const text = firstSite(await answered(given, io));
    if (file === '-') {
      io.stdout.write(text);
      return 0;
    }
    const schema = written(file, text);
    if (values['json'] === true) io.stdout.write(`${JSON.stringify({ file, schema })}\n`);
    else
      io.stdout.write(
        `${file} is written${schema === null ? '' : `, and ${schema} for your editor`}.\nNext: put the points of your meter into it, then\n  sluice check ${file}\n  sluice read ${file}\n`,
      );
    return 0;
  },
};

/** Every answer is right by the grammar of the configuration itself. Throws UsageError for a wrong option. */
async function answered(given: Partial<FirstAnswers>, io: Io): Promise<FirstAnswers> {
  let answers: FirstAnswers = { ...usualAnswers(), ...given };
  for (const { key, option } of questions) {
    const problem = given[key] === undefined ? null : problemOf(answers, key, io);
    if (problem !== null) throw new UsageError(`--${option}: ${problem}`);
  }
  const open = questions.filter(({ key }) => given[key] === undefined);
  if (io.stdin.isTTY !== true || open.length === 0) return answers;
  const lines = createInterface({ input: io.stdin, terminal: false, signal: io.signal });
  const typed = lines[Symbol.asyncIterator]();
  try {
    for (const { key, text } of open) {
      for (;;) {
        io.stderr.write(`${text} [${answers[key]}]: `);
        const { value, done } = (await typed.next()) as { value?: string; done?: boolean };
        if (done === true || io.signal.aborted) throw new SluiceError('GIVEN_UP', 'given up; nothing was written');
        const answer = (value ?? '').trim();
        const next = answer === '' ? answers : { ...answers, [key]: answer };
        const problem = problemOf(next, key, io);
        if (problem === null) {
          answers = next;
          break;
        }
        io.stderr.write(`  ${problem}\n`);
      }
    }
  } finally {
    lines.close();
  }
  return answers;
}

function usualAnswers(): FirstAnswers {
  const [gateway = '', host = '', unitId = '', brokers = ''] = questions.map((question) => question.usual());
  return { gateway, host, unitId, brokers };
}

/** What `check` says when only this answer is not the usual one; null: nothing. */
function problemOf(answers: FirstAnswers, key: keyof FirstAnswers, { env }: Io): string | null {
  const text = firstSite({ ...usualAnswers(), [key]: answers[key] });
  const { problems } = readConfig(schemaFile, Buffer.from(text), { env, noSecrets: true });
  return problems.find(({ severity }) => severity === 'error')?.message ?? null;
}

/** Returns the schema's place if it was written, too. */
function written(file: string, text: string): string | null {
  try {
    // One level: a mistyped path should not become folders.
    if (!existsSync(dirname(file))) mkdirSync(dirname(file));
    writeFileSync(file, text, { flag: 'wx' });
  } catch (cause) {
    if (isCode(cause, 'EEXIST') && existsSync(file)) throw exists(file);
    throw new SluiceError('NOT_WRITTEN', `${file} cannot be written; name another place: sluice init ./sluice.json`, {
      cause,
    });
  }
  const schema = join(dirname(file), schemaFile);
  try {
    writeFileSync(schema, publishedSchema('config'), { flag: 'wx' });
    return schema;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return null;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function exists(file: string): SluiceError {
  return new SluiceError(
    'FILE_EXISTS',
    `${file} exists, and init never overwrites; look at it with: sluice check ${file}, or name another: sluice init FILE`,
  );
}
