import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { asyncuaPython, noAsyncua } from '../../support/asyncua.ts';
import { miloArguments, noMilo } from '../../support/milo.ts';

/** Servers of three makers that hold the same values; each is a process of its own. */
export type Maker = 'asyncua' | 'milo' | 'node-opcua';

/** Each, and why it cannot be had here. */
export const makers: readonly (readonly [Maker, string | undefined])[] = [
  ['asyncua', noAsyncua],
  ['milo', noMilo],
  ['node-opcua', undefined],
];

const commands: Readonly<Record<Maker, readonly [string, ...string[]]>> = {
  asyncua: [asyncuaPython, 'test/simulators/asyncua-plant.py'],
  milo: ['java', ...miloArguments],
  'node-opcua': [process.execPath, 'test/simulators/opcua-plant.ts'],
};

export class Plant {
  readonly port: number;
  readonly maker: Maker;
  #child: ChildProcess | null = null;

  private constructor(maker: Maker, port: number) {
    this.maker = maker;
    this.port = port;
  }

  /** `words`: see the head of the server's file. */
  static async start(maker: Maker, words: readonly string[] = []): Promise<Plant> {
    const plant = new Plant(maker, await freePort());
    await plant.start(words);
    return plant;
  }

  /** Again, on the same port. Resolves when it serves. */
  async start(words: readonly string[] = []): Promise<void> {
    const [program, ...argv] = commands[this.maker];
    const child = spawn(program, [...argv, String(this.port), ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stdin.on('error', () => {});
    const ready = new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        if ((said += text).includes('ready')) resolve();
      });
    });
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${this.maker} ended:\n${said}`)));
    ended.catch(() => {});
    await Promise.race([ready, ended]);
  }

  /** See the head of the server's file. */
  tell(line: string): void {
    this.#child?.stdin?.write(`${line}\n`);
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
