#!/usr/bin/env node
/** The command `sluice`: finds the command, runs it, turns errors into exit codes. The only file that may end the process. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Command, Io } from './commands/command.ts';
import { nearest } from './config/nearest.ts';
import { ConfigError, SluiceError, UsageError, messageOf } from './errors.ts';

/** What help says of each command, without loading any. */
const commands = {
  check: 'all problems and warnings of a configuration, and a summary',
  read: 'reads every point once and prints it; sends nothing, keeps nothing',
  run: 'the daemon',
  simulate: 'serves a simulated site from its own configuration',
} as const;
type Name = keyof typeof commands;

/** Loaded when it is named, so that `check` never pays for Kafka. */
const loaders: Readonly<Record<Name, () => Promise<Command>>> = {
  check: async () => (await import('./commands/check.ts')).check,
  read: async () => (await import('./commands/read.ts')).read,
  run: async () => (await import('./commands/run.ts')).run,
  simulate: async () => (await import('./commands/simulate.ts')).simulate,
};

/** Runs one command line and gives the exit code. Throws only what is a fault of the program. */
export async function sluice(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = argv;
  try {
    if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
      (first === undefined ? io.stderr : io.stdout).write(help());
      return first === undefined ? 2 : 0;
    }
    if (first === '--version') {
      io.stdout.write(`sluice ${version()}\n`);
      return 0;
    }
    const command = await loaders[nameOf(first)]();
    if (rest.includes('--help') || rest.includes('-h')) {
      io.stdout.write(command.usage);
      return 0;
    }
    return await command.run(parse(command, rest), io);
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof ConfigError)) throw error;
    io.stderr.write(`sluice: ${error.message}\n`);
    return error instanceof UsageError ? 2 : 78;
  }
}

function nameOf(word: string): Name {
  const names = Object.keys(commands) as Name[];
  const name = names.find((each) => each === word);
  if (name !== undefined) return name;
  const meant = nearest(word, names);
  const hint = meant === undefined ? `the commands are ${names.join(', ')}` : `did you mean \`${meant}\`?`;
  throw new UsageError(`there is no command ${JSON.stringify(word)}; ${hint}`);
}

function parse(command: Command, args: readonly string[]): ReturnType<typeof parseArgs> {
  try {
    const parsed = parseArgs({ args: [...args], options: command.options, allowPositionals: true, strict: true });
    if (parsed.positionals.length <= command.maxPositionals) return parsed;
    const extra = JSON.stringify(parsed.positionals[command.maxPositionals]);
    throw new UsageError(`${command.name} takes no ${extra}; see sluice ${command.name} --help`);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const unknown = /Unknown option '(--?[^\s']+)'/.exec(error.message)?.[1];
    const options = Object.keys(command.options).map((option) => `--${option}`);
    const meant = unknown === undefined ? undefined : nearest(unknown, options);
    const said =
      unknown === undefined ? (error.message.split('\n')[0] ?? '') : `${command.name} has no option ${unknown}`;
    throw new UsageError(
      `${said}; ${meant === undefined ? `see sluice ${command.name} --help` : `did you mean \`${meant}\`?`}`,
    );
  }
}

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`);
  return `sluice COMMAND [FILE] [OPTIONS]

${lines.join('\n')}

  sluice COMMAND --help   what it takes
  sluice --version

Exit codes: 0 fine, 1 it ran and something is bad, 2 usage, 78 configuration.
`;
}

/** From the package; one folder up from the sources, two from `dist/agent`. */
function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string };
      return found.version;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return 'unknown';
}

async function main(): Promise<void> {
  // A reader that has seen enough (`sluice check | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  // Nobody reads the log any more: that is no reason to stop reading meters.
  process.stderr.on('error', () => undefined);
  const ending = new AbortController();
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(code);
      ending.abort(new Error(`${signal} received`));
    });
  }
  const io: Io = { stdout: process.stdout, stderr: process.stderr, env: process.env, signal: ending.signal };
  try {
    await ended(await sluice(process.argv.slice(2), io));
  } catch (error) {
    // What is none of ours is a fault of the program: its place is what a bug report needs.
    const said =
      error instanceof SluiceError || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message);
    process.stderr.write(`sluice: ${said}\n`);
    await ended(1);
  }
}

/** Pipes take their time: what was written must be out before the process ends. */
async function ended(code: number): Promise<never> {
  for (const output of [process.stdout, process.stderr])
    await new Promise<void>((done) => void output.write('', () => done()));
  process.exit(code);
}

if (import.meta.main) await main();
