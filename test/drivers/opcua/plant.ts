import { freePort } from '../../../deploy/kafka/broker.ts';
import { asyncuaPython, noAsyncua } from '../../support/asyncua.ts';
import { miloArguments, noMilo } from '../../support/milo.ts';
import { ServerProcess } from '../../support/server-process.ts';

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
  #process: ServerProcess | null = null;

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
    this.#process = await ServerProcess.start(program, [...argv, String(this.port), ...words]);
  }

  /** See the head of the server's file. */
  tell(line: string): void {
    this.#process?.tell(line);
  }

  freeze(): void {
    this.#process?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#process?.signal('SIGCONT');
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#process?.end(signal);
  }
}
