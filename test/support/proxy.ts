import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A link that can go bad: everything to `port` passes through here and is counted. */
export interface Proxy {
  readonly port: number;
  /** Bytes that came from the client, bytes that it was sent, and connections it made. */
  readonly seen: { bytes: number; sentBytes: number; connections: number };
  /** Half-open: nothing passes any more, nobody is told. */
  freeze(): void;
  thaw(): void;
  /** Resets every connection. */
  cut(): void;
  close(): Promise<void>;
}

export async function startProxy(target: () => number): Promise<Proxy> {
  const seen = { bytes: 0, sentBytes: 0, connections: 0 };
  const pairs = new Set<[Socket, Socket]>();
  let frozen = false;
  const server = createServer({ pauseOnConnect: true }, (client) => {
    seen.connections++;
    const broker = connect(target(), '127.0.0.1');
    const pair: [Socket, Socket] = [client, broker];
    pairs.add(pair);
    const end = (): void => {
      client.resetAndDestroy();
      broker.resetAndDestroy();
      pairs.delete(pair);
    };
    for (const socket of pair) {
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (chunk: Buffer) => {
      seen.bytes += chunk.length;
      broker.write(chunk);
    });
    broker.on('data', (chunk: Buffer) => {
      seen.sentBytes += chunk.length;
      client.write(chunk);
    });
    if (frozen) broker.pause();
    else client.resume();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const each = (act: (socket: Socket) => void): void => {
    for (const pair of pairs) for (const socket of pair) act(socket);
  };
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    freeze: () => {
      frozen = true;
      each((socket) => socket.pause());
    },
    thaw: () => {
      frozen = false;
      each((socket) => socket.resume());
    },
    cut: () => each((socket) => socket.resetAndDestroy()),
    close: async () => {
      each((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
