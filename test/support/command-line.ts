import { Readable } from 'node:stream';
import type { Io } from '../../agent/commands/command.ts';
import { sluice } from '../../agent/main.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line in this process, its standard input empty. */
export function run(...argv: string[]): Promise<Ended> {
  return runWith({}, ...argv);
}

export async function runWith(some: Partial<Io>, ...argv: string[]): Promise<Ended> {
  const said = { stdout: '', stderr: '' };
  const to = (name: 'stdout' | 'stderr') => ({ write: (text: string) => void (said[name] += text) });
  const io: Io = {
    stdout: to('stdout'),
    stderr: to('stderr'),
    stdin: Readable.from([]),
    env: {},
    signal: new AbortController().signal,
    ...some,
  };
  const code = await sluice(argv, io);
  return { code, ...said };
}
