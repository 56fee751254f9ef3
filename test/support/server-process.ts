import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';

/** A program of its own that serves something: it prints `ready` when it does, and ends when its standard input does. */
export class ServerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  /** All that it has printed. */
  said = '';

  private constructor(program: string, argv: readonly string[]) {
    const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.#ended = once(child, 'exit');
    child.stdin.on('error', () => {});
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.said += text));
  }

  /** Resolves when it serves; rejects with what it said when it ends before. */
  static async start(program: string, argv: readonly string[]): Promise<ServerProcess> {
    const started = new ServerProcess(program, argv);
    const ready = new Promise<void>((resolve) => {
      started.#child.stdout.on('data', () => started.said.includes('ready') && resolve());
    });
    const ended = started.#ended.then(() => Promise.reject(new Error(`${argv[0]} ended:\n${started.said}`)));
    ended.catch(() => {});
    await Promise.race([ready, ended]);
    return started;
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
  }
}
