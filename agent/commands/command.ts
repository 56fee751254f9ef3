import type { LogStream } from '../log/output.ts';

/** One command of `sluice`, or a subcommand of one: a file of this folder, exporting it under its name. */
export interface Command {
  /** As it is typed: `check`, `buffer stats`. */
  readonly name: string;
  /** What it does, for help and manual: sentences, one a line. */
  readonly about: string;
  readonly arguments: readonly Argument[];
  /** By their long name, without dashes. */
  readonly options: Readonly<Record<string, Option>>;
  /** What else must be known to use it, as it should be printed. */
  readonly notes?: string;
  /** Command lines that work as they stand, given the files they name. */
  readonly examples: readonly Example[];
  /** What each exit code means. 2 (usage) is added to all. */
  readonly exits: Readonly<Record<number, string>>;
  /** The exit code: 0 fine, 1 it ran and something is bad, 78 configuration. Throws UsageError for 2, any other SluiceError for 1. */
  run(args: CommandArgs, io: Io): Promise<number>;
}

/** Several commands under one word: `sluice buffer stats`. */
export interface CommandGroup {
  readonly name: string;
  readonly about: string;
  readonly commands: CommandTable;
}

/** Name → what help says of it without loading it, and how it is loaded. */
export type CommandTable = Readonly<Record<string, CommandEntry>>;

export interface CommandEntry {
  /** Half a line, without a full stop. */
  readonly summary: string;
  readonly load: () => Promise<Command | CommandGroup>;
}

/** Something without a dash behind the command. */
export interface Argument {
  /** In capitals; `FILE` is completed with files. */
  readonly name: string;
  readonly about: string;
  /** Must be given. */
  readonly required?: boolean;
  /** All that may stand there, where that is known. */
  readonly choices?: readonly string[];
}

export interface Option {
  /** What stands behind it, in capitals; none: it is a switch. `FILE` and `FOLDER` are completed, `DEVICE` too. */
  readonly value?: string;
  /** May stand several times. */
  readonly multiple?: boolean;
  readonly about: string;
  readonly choices?: readonly string[];
  /** A value as somebody would write it, told to whoever forgot it. */
  readonly example?: string;
  /** Of a value `DEVICE=WORD`: the words, for completion. */
  readonly wordsBehind?: readonly string[];
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

export interface CommandArgs {
  /** Switches as true, options with a value as text, those that may stand several times as a list. */
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly positionals: readonly string[];
}

/** What a command touches of the process. */
export interface Io {
  readonly stdout: Output;
  /** The daemon's log too. */
  readonly stderr: LogStream;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at the first SIGINT or SIGTERM: end in order. */
  readonly signal: AbortSignal;
  /** Calls back at every SIGHUP from now on; without a listener SIGHUP ends the process. */
  readonly onHangup?: (listener: () => void) => void;
}

export interface Output {
  /** false: what was written waits in memory for a slow reader. */
  write(text: string): unknown;
  once?(event: 'drain', listener: () => void): unknown;
  readonly isTTY?: boolean;
}

export const defaultFile = '/etc/sluice/sluice.json';

/** The configuration that most commands begin with. */
export const fileArgument: Argument = { name: 'FILE', about: `the configuration; ${defaultFile} unless given` };
