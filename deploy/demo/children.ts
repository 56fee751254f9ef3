import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { extname, join } from 'node:path';

export interface Child {
  readonly name: string;
  /** File of what it prints. */
  readonly log: string;
  readonly process: ChildProcess;
  /** Exit code, or null when a signal ended it. Never rejects. */
  readonly ended: Promise<number | null>;
  /** SIGTERM, and SIGKILL when that takes too long. */
  stop(withinMs: number): Promise<number | null>;
}

const setpriv = '/usr/bin/setpriv';
/** `.ts` from the sources, `.js` from `dist/`; the tree is the same. */
const root = join(import.meta.dirname, '../..');
const extension = extname(import.meta.filename);

/** The programs of the demo, each a process of its own that does not outlive it. */
export class Children {
  readonly #dir: string;
  readonly #all = new Set<Child>();

  /** `dir`: for the logs. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** `program`: its place in the tree, without extension. Its standard input is a pipe: a program that reads it is told what to do by it. */
  start(name: string, program: string, args: readonly string[]): Child {
    const log = join(this.#dir, `${name}.log`);
    const command = [
      process.execPath,
      '--disable-warning=TimeoutNegativeWarning',
      join(root, program + extension),
      ...args,
    ];
    // The kernel ends it with us, also when we are killed and can clean up nothing.
    if (existsSync(setpriv)) command.unshift(setpriv, '--pdeathsig', 'TERM');
    const [file = '', ...rest] = command;
    const output = openSync(log, 'a');
    // In a session of its own: Ctrl-C is for the demo, which ends the others in order.
    const started = spawn(file, rest, { stdio: ['pipe', output, output], detached: true });
    closeSync(output);
    started.stdin?.on('error', () => undefined);
    const ended = new Promise<number | null>((resolve) => {
      started.once('error', () => resolve(null));
      started.once('exit', (code) => resolve(code));
    });
    const stop = async (withinMs: number): Promise<number | null> => {
      started.kill('SIGTERM');
      const late = setTimeout(() => started.kill('SIGKILL'), withinMs);
      const code = await ended;
      clearTimeout(late);
      return code;
    };
    const child: Child = { name, log, process: started, ended, stop };
    this.#all.add(child);
    void ended.then(() => this.#all.delete(child));
    return child;
  }

  async killAll(): Promise<void> {
    const all = [...this.#all];
    for (const child of all) child.process.kill('SIGKILL');
    await Promise.all(all.map(({ ended }) => ended));
  }
}
