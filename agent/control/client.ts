import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { BorrowedLine, LineOwner } from '../../drivers/driver.ts';
import { loadConfig } from '../config/load.ts';
import { ConfigError, LinkError } from '../errors.ts';
import { JsonLines } from './lines.ts';

/** Longer than the daemon gives a question its turn. */
const answerMs = 40_000;
const mostBytes = 16_384;

export const socketIn = (stateDir: string): string => join(stateDir, 'control.sock');

/** Where the daemon of this configuration listens. `isNamed`: somebody said that it is this one. Throws ConfigError. */
export function socketOf(file: string, isNamed: boolean, env: Readonly<Record<string, string | undefined>>): string {
  const { config } = loadConfig(file, { env, noSecrets: true });
  if (config !== null) return socketIn(config.stateDir);
  if (isNamed) throw new ConfigError(`${file} has problems; look at them with: sluice check ${file}`);
  return socketIn('/var/lib/sluice');
}

/** The daemon as the owner of lines; where none listens, nobody has any. */
export function daemonAt(path: string): LineOwner {
  return {
    async borrow(line, signal) {
      const socket = await connected(path, signal);
      if (socket === null) return null;
      const talk = new Talk(socket, path);
      const giveUp = (): void => talk.close();
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        const said = await talk.say({ line });
        if (said['ok'] === true) return talk;
        talk.close();
        if (said['none'] === true) return null;
        throw new LinkError(`the daemon has this line: ${whyNot(said) ?? 'it does not say more'}`);
      } catch (error) {
        talk.close();
        throw error;
      } finally {
        signal.removeEventListener('abort', giveUp);
      }
    },
  };
}

/** null: nobody listens. Rejects with LinkError where one does that must not be asked. */
function connected(path: string, signal: AbortSignal): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new LinkError('the attempt was given up', { cause: signal.reason }));
      return;
    }
    const socket = connect(path);
    // Not by an option of `connect`: that would end the talk, too, whenever the signal fires.
    const giveUp = (): void => void socket.destroy(new Error('given up'));
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('connect', () => {
      signal.removeEventListener('abort', giveUp);
      resolve(socket);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      signal.removeEventListener('abort', giveUp);
      if (error.code === 'EACCES' || error.code === 'EPERM')
        reject(
          new LinkError(
            `the daemon may have this line, and only its user and group may ask it by ${path}; run this as one of them, e.g. sudo -u sluice sluice …`,
          ),
        );
      else if (signal.aborted) reject(new LinkError('the attempt was given up', { cause: signal.reason }));
      else resolve(null);
    });
  });
}

/** Foreign text. */
function whyNot({ error }: Readonly<Record<string, unknown>>): string | null {
  return typeof error === 'string' ? error.replaceAll(/\p{Cc}/gu, ' ') : null;
}

class Talk implements BorrowedLine {
  readonly #socket: Socket;
  readonly #path: string;
  #settle: { resolve: (said: Readonly<Record<string, unknown>>) => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    const received = new JsonLines(mostBytes);
    socket.on('data', (bytes: Buffer) => {
      try {
        for (const value of received.take(bytes)) this.#settle?.resolve((value ?? {}) as Record<string, unknown>);
      } catch {
        socket.destroy();
      }
    });
    socket.once('close', () => this.#settle?.reject(new LinkError(`${this.#path}: the daemon hung up`)));
    socket.setTimeout(answerMs, () => socket.destroy());
  }

  async ask(question: unknown): Promise<unknown> {
    const said = await this.say({ ask: question });
    if ('answer' in said) return said['answer'];
    throw new LinkError(`the daemon: ${whyNot(said) ?? 'it has this line no more'}`);
  }

  say(value: unknown): Promise<Readonly<Record<string, unknown>>> {
    const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    this.#settle = { resolve, reject };
    if (this.#socket.destroyed) reject(new LinkError(`${this.#path}: the daemon hung up`));
    else this.#socket.write(`${JSON.stringify(value)}\n`);
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }
}
