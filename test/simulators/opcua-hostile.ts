import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { below, randomFrom } from '../torture/random.ts';

/** What a hostile server does to the bytes of an honest one. Each connection draws one of them by its number and the seed. */
type Evil = (bytes: Buffer, random: () => number) => readonly Buffer[];

const extremes = [0xff_ff_ff_ff, 0x7f_ff_ff_ff, 0x80_00_00_00, 0xff_ff_ff_fe, 0x01_00_00_00, 0, 1];
const changed = (bytes: Buffer, change: (copy: Buffer) => void): readonly Buffer[] => {
  const copy = Buffer.from(bytes);
  change(copy);
  return [copy];
};
const place = (bytes: Buffer, width: number, random: () => number): number =>
  below(Math.max(1, bytes.length - width), random);

export const evils: Readonly<Record<string, Evil>> = {
  bits: (bytes, random) =>
    changed(bytes, (copy) => {
      for (let count = 1 + below(8, random); count > 0; count--) {
        const at = below(copy.length, random);
        copy[at] = (copy[at] ?? 0) ^ (1 << below(8, random));
      }
    }),
  'body bits': (bytes, random) =>
    changed(bytes, (copy) => {
      // Behind the headers of transport, channel and sequence: what only the decoder of services sees.
      const from = Math.min(24, copy.length - 1);
      for (let count = 1 + below(4, random); count > 0; count--)
        copy[from + below(copy.length - from, random)] = below(256, random);
    }),
  lengths: (bytes, random) =>
    changed(bytes, (copy) => {
      if (copy.length < 12) return;
      const from = random() < 0.3 ? 4 : 24;
      const at = copy.length < 30 ? 4 : from === 4 ? 4 : from + below(copy.length - from - 4, random);
      copy.writeUInt32LE(extremes[below(extremes.length, random)] ?? 0, at);
    }),
  'message types': (bytes, random) =>
    changed(bytes, (copy) =>
      copy.write(['ERR', 'OPN', 'CLO', 'MSG', 'ACK', 'HEL', 'XXX'][below(7, random)] ?? 'XXX', 0, 'latin1'),
    ),
  'never the last chunk': (bytes) =>
    changed(bytes, (copy) => (copy.toString('latin1', 0, 3) === 'MSG' ? copy.write('C', 3, 'latin1') : 0)),
  'chunks for ever': (bytes) => {
    if (bytes.toString('latin1', 0, 3) !== 'MSG' || bytes.length < 24) return [bytes];
    const chunk = Buffer.concat([bytes.subarray(0, 24), Buffer.alloc(60_000, 0x41)]);
    chunk.write('C', 3, 'latin1');
    chunk.writeUInt32LE(chunk.length, 4);
    return Array.from({ length: 2_000 }, (_, at) => {
      const next = Buffer.from(chunk);
      next.writeUInt32LE(bytes.readUInt32LE(16) + at, 16);
      return next;
    });
  },
  twice: (bytes) => [bytes, bytes],
  'cut short': (bytes, random) => [bytes.subarray(0, below(bytes.length, random))],
  garbage: (_, random) => [Buffer.from(Array.from({ length: 1 + below(2_000, random) }, () => below(256, random)))],
  'garbage behind': (bytes, random) => [bytes, Buffer.alloc(1 + below(5_000, random), below(256, random))],
  reordered: (bytes, random) => {
    const at = place(bytes, 16, random);
    return [bytes.subarray(at), bytes.subarray(0, at)];
  },
};
const names = Object.keys(evils);

export interface HostileServer {
  readonly port: number;
  /** What was done to how many connections. */
  readonly done: Readonly<Record<string, number>>;
  /** How many of them began behind the opening of a secured channel. */
  readonly secured: () => number;
  close(): Promise<void>;
}

/** Stands before an honest server on `port`. `slow`: one byte in 20 ms for one connection in eight. */
export async function startHostile(port: number, seed: number): Promise<HostileServer> {
  const done: Record<string, number> = {};
  const sockets = new Set<Socket>();
  let count = 0;
  let secured = 0;
  const server = createServer((client) => {
    const random = randomFrom(seed + count++ * 7_919);
    const isSlow = random() < 0.05;
    const name = isSlow ? 'slow' : (names[below(names.length, random)] ?? '');
    const evil: Evil = evils[name] ?? ((bytes) => [bytes]);
    // The conversation goes on for some messages before the first that is not honest.
    let honest = below(9, random);
    done[name] = (done[name] ?? 0) + 1;
    let isSecured = false;
    const honestServer = connect(port, '127.0.0.1');
    for (const socket of [client, honestServer]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        honestServer.destroy();
      });
    }
    client.on('data', (bytes) => honestServer.write(bytes));
    honestServer.on('data', (bytes: Buffer) => {
      if (isSlow) void drip(client, bytes);
      else if (honest-- > 0) {
        isSecured ||= bytes.toString('latin1', 0, 3) === 'OPN' && bytes.includes('Policy#Basic256Sha256');
        client.write(bytes);
      } else {
        if (honest === -1 && isSecured) secured++;
        void pour(client, evil(bytes, random));
      }
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    done,
    secured: () => secured,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function pour(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    if (!socket.write(piece))
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), sleep(1_000)]);
  }
}

async function drip(socket: Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed) return;
    socket.write(Buffer.from([byte]));
    await sleep(20);
  }
}
