import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A connected socket nobody listens to yet. Rejects with LinkError; `signal` gives the attempt up. */
export async function openSocket(
  address: Address,
  connectTimeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const target = `${address.host}:${address.port}`;
  if (signal.aborted) throw new LinkError(`${target}: the attempt was given up`, { cause: signal.reason });
  const socket = connect({ ...address, noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 });
  const settled = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) => {
        reject(new LinkError(`${target} cannot be reached`, { cause }));
      });
      const given = AbortSignal.any([signal, settled.signal]);
      clock.sleep(connectTimeoutMs, given).then(
        () => reject(new LinkError(`${target} did not accept a connection within ${connectTimeoutMs}ms`)),
        // After the connection stands this changes nothing.
        () => reject(new LinkError(`${target}: the attempt was given up`, { cause: signal.reason })),
      );
    });
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  } finally {
    settled.abort(null);
  }
  socket.removeAllListeners('error');
  return socket;
}
