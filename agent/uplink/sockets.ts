import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const keepAliveMs = 30_000;

/**
 * Makes and owns every socket of one producer. After `destroy` nothing more leaves: sockets are reset, so that not even what the
 * kernel still holds is sent, and the factory throws, because an abandoned kafkajs producer would otherwise connect again and deliver late.
 */
export class Sockets {
  readonly #open = new Map<Socket, Promise<void>>();
  readonly #tls: { context: SecureContext; serverName: string | undefined } | null;
  #closed = false;

  constructor(tls: { context: SecureContext; serverName: string | undefined } | null) {
    this.#tls = tls;
  }

  readonly factory: ISocketFactory = ({ host, port, onConnect }) => {
    if (this.#closed) throw new Error('this producer was closed');
    const tcp = this.#own(connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }));
    if (this.#tls === null) return tcp.once('connect', onConnect);
    // On a TCP socket of our own, since only that can be reset.
    const { context, serverName } = this.#tls;
    const servername = serverName ?? (isIP(host) === 0 ? host : '');
    const secure = connectTls({ socket: tcp, secureContext: context, host, servername }, onConnect);
    tcp.on('error', (error) => secure.destroy(error));
    return this.#own(secure);
  };

  /** Resolves when all are closed. Their owners see an error, so that requests under way end now instead of at their time limit. */
  async destroy(): Promise<void> {
    this.#closed = true;
    const reason = new Error('this producer was closed');
    const closing = [...this.#open.values()];
    for (const socket of this.#open.keys()) {
      if (!('encrypted' in socket)) socket.resetAndDestroy();
      socket.destroy(reason);
    }
    await Promise.all(closing);
  }

  #own<S extends Socket>(socket: S): S {
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => {
        this.#open.delete(socket);
        resolve();
      });
    });
    this.#open.set(socket, closed);
    return socket;
  }
}
