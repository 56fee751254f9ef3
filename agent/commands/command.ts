import type { ParseArgsOptionsConfig } from 'node:util';

/** One command of `sluice`: a file of this folder, exporting it under its name. */
export interface Command {
  readonly name: string;
  /** For `sluice NAME --help`: usage, options, exit codes. */
  readonly usage: string;
  readonly options: ParseArgsOptionsConfig;
  /** How many arguments without a dash it takes at most. */
  readonly maxPositionals: number;
  /** The exit code: 0 fine, 1 it ran and something is bad, 78 configuration. Throws UsageError for 2. */
  run(args: CommandArgs, io: Io): Promise<number>;
}

export interface CommandArgs {
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

/** What a command touches of the process. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at the first SIGINT or SIGTERM: end in order. */
  readonly signal: AbortSignal;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export const defaultFile = '/etc/sluice/sluice.json';
