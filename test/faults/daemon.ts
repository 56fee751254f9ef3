import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

/** A daemon of the product as a process of its own, in a folder of the test. */
export class Daemon {
  readonly folder: string;
  readonly #config: string;
  readonly tapFile: string;
  #child: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);
  log = '';

  constructor(folder: string, config: Readonly<Record<string, unknown>>) {
    this.folder = folder;
    this.#config = join(folder, 'sluice.json');
    this.tapFile = join(folder, 'tap');
    this.rewrite(config);
    writeFileSync(this.tapFile, '');
  }

  /** The configuration as it is from now on; a text is written as it is. */
  rewrite(config: Readonly<Record<string, unknown>> | string): void {
    const whole = { version: 1, stateDir: join(this.folder, 'state') };
    writeFileSync(this.#config, typeof config === 'string' ? config : JSON.stringify({ ...whole, ...config }));
  }

  hangup(): void {
    this.#child?.kill('SIGHUP');
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** `env`: beside what the test itself has. */
  start(env: Readonly<Record<string, string>> = {}): void {
    const child = spawn(process.execPath, [main, 'run', this.#config, '--tap', this.tapFile], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  }

  /** Resolves with the exit code when it ends by itself; null when a signal ended it. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Resolves with the exit code; null when a signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child?.kill(signal);
    return this.#ended;
  }

  /** Resolves when a line like this stands in the log, whoever wrote it; rejects after half a minute. */
  async logged(line: RegExp): Promise<void> {
    for (const from = performance.now(); !line.test(this.log); await sleep(10))
      if (performance.now() - from > 30_000) throw new Error(`no ${String(line)} in the log:\n${this.log}`);
  }

  /** Resolves when something is written to a WAL of the buffer; after two seconds anyway. */
  async nextCommitBegins(): Promise<void> {
    const buffer = join(this.folder, 'state', 'buffer');
    const late = AbortSignal.timeout(2_000);
    try {
      for await (const { filename } of watch(buffer, { signal: late })) if (filename?.endsWith('-wal') === true) return;
    } catch {
      // Not begun yet, or nothing was written: the kill falls where it falls.
    }
  }

  tap(): string {
    return readFileSync(this.tapFile, 'utf8');
  }
}
