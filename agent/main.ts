#!/usr/bin/env -S node --max-semi-space-size=4
/** The command `sluice`: finds the command, runs it, turns errors into exit codes. The only file that may end the process. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, CommandGroup, Io } from './commands/command.ts';
import { helpOf, listOf } from './commands/help.ts';
import { nameIn, parse } from './commands/parse.ts';
import { commands } from './commands/table.ts';
import { isTaken } from './escapes.ts';
import { ConfigError, SluiceError, UsageError, messageOf } from './errors.ts';
import { version } from './version.ts';

/** From the first signal to the end, whatever happens; a command that stops in order is faster. */
const mostEndMs = 4_900;
/** For whoever reads messages to take the last of them. */
const lastWordsMs = 300;

/** Runs one command line and gives the exit code. Throws only what is a fault of the program. */
export async function sluice(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    io.stderr.write(`sluice: ${messageOf(error)}\n`);
    return error instanceof UsageError ? 2 : error instanceof ConfigError ? 78 : 1;
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined) {
    io.stderr.write(listOf(null, commands));
    return 2;
  }
  if (first === '--version' || first === '-V') {
    io.stdout.write(`sluice ${version()}\n`);
    return 0;
  }
  const asksHelp = isHelp(first) || first === 'help';
  if (asksHelp && rest.length === 0) {
    io.stdout.write(listOf(null, commands));
    return 0;
  }
  // `sluice help buffer stats` is `sluice buffer stats --help`.
  const [word = '', ...args] = asksHelp ? [...rest, '--help'] : argv;
  if (word.startsWith('-'))
    throw new UsageError(`sluice has no option ${word}; the command stands first, see sluice --help`);
  const named = await loaded(word);
  if (!('commands' in named)) return runCommand(named, args, io);
  const [sub, ...subArgs] = args;
  if (sub === undefined || isHelp(sub)) {
    (sub === undefined ? io.stderr : io.stdout).write(listOf(named, named.commands));
    return sub === undefined ? 2 : 0;
  }
  const command = await named.commands[nameIn(named.commands, sub, `${named.name} `)]?.load();
  if (command === undefined || 'commands' in command) throw new TypeError(`${named.name} ${sub} is no command`);
  return runCommand(command, subArgs, io);
}

const isHelp = (word: string): boolean => word === '--help' || word === '-h';

async function loaded(word: string): Promise<Command | CommandGroup> {
  const entry = commands[nameIn(commands, word, '')];
  if (entry === undefined) throw new TypeError(`${word} is no command`);
  return entry.load();
}

async function runCommand(command: Command, args: readonly string[], io: Io): Promise<number> {
  const parsed = parse(command, args);
  if (parsed !== 'help') return command.run(parsed, io);
  io.stdout.write(helpOf(command));
  return 0;
}

async function main(): Promise<void> {
  const { stdout, stderr, stdin, env } = process;
  // Nobody reads the log any more: that is no reason to stop reading meters.
  stderr.on('error', () => undefined);
  const ending = new AbortController();
  // A reader that has seen enough (`sluice buffer show | head`) is no error: the command ends in order, as by a signal.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exit(1);
    ending.abort(error);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) return endBy(signal);
      ending.abort(new Error(`${signal} received`));
      setTimeout(() => {
        stderr.write(`sluice: not at its end ${mostEndMs} ms after ${signal}, which a disk may cause: cut short.\n`);
        endBy(signal);
      }, mostEndMs).unref();
    });
  }
  let hasFailed = false;
  process.on('uncaughtException', (error: unknown) => {
    if (isTaken(error)) return;
    stderr.write(`sluice: ${placeOf(error)}\n`);
    if (hasFailed) return;
    hasFailed = true;
    // In order, as by a signal: what was read is to be kept.
    ending.abort(error);
    setTimeout(() => process.exit(1), mostEndMs).unref();
  });
  const io: Io = { stdout, stderr, stdin, env, signal: ending.signal, onHangup };
  try {
    const code = await sluice(process.argv.slice(2), io);
    await ended(hasFailed ? 1 : code);
  } catch (error) {
    stderr.write(`sluice: ${error instanceof SluiceError ? messageOf(error) : placeOf(error)}\n`);
    await ended(1);
  }
}

/** What is none of ours is a fault of the program: its place is what a bug report needs. */
const placeOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : messageOf(error);

const onHangup = (listener: () => void): void => void process.on('SIGHUP', listener);

/** At once, as the signal ends a process that does not listen: an orderly exit would wait for a thread that the disk holds. */
function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * Pipes take their time: what was written must be out before the process ends. For the reader of messages it waits a moment only: a log that nobody
 * reads must not keep the daemon.
 */
async function ended(code: number): Promise<never> {
  await written(process.stdout);
  await Promise.race([written(process.stderr), sleep(lastWordsMs)]);
  process.exit(code);
}

function written(output: NodeJS.WriteStream): Promise<void> {
  return new Promise((done) => void output.write('', () => done()));
}

if (import.meta.main) await main();
