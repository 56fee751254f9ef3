import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/**
 * Modbus TCP servers on raw sockets, well-behaved and not. Every frame is built here by hand: nothing of the codec under test is used,
 * so that both cannot be wrong in the same way.
 */

export interface RawRequest {
  readonly transactionId: number;
  readonly unitId: number;
  readonly functionCode: number;
  readonly address: number;
  readonly count: number;
  /** All behind the function code; `address` and `count` are its first two words where it has two. */
  readonly data: Buffer;
  /** From 0, over the whole life of the server. */
  readonly number: number;
}

export interface Peer {
  /** From 1, in the order of arrival. */
  readonly connection: number;
  send(bytes: Buffer): void;
  /** RST. */
  reset(): void;
  /** FIN. */
  finish(): void;
}

export type Behaviour = (request: RawRequest, peer: Peer) => void;

export interface RawServer {
  readonly port: number;
  readonly requests: readonly RawRequest[];
  readonly connections: () => number;
  /** Holds from the next request on. */
  behave(next: Behaviour): void;
  /** Resets what is connected; stays open for others. */
  resetAll(): void;
  readonly close: () => Promise<void>;
}

export async function startRawServer(
  first: Behaviour,
  options: { host?: string; port?: number } = {},
): Promise<RawServer> {
  let behaviour = first;
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;

  const server = createServer((socket) => {
    const peer: Peer = {
      connection: ++connections,
      send: (bytes) => {
        if (!socket.destroyed) socket.write(bytes);
      },
      reset: () => socket.resetAndDestroy(),
      finish: () => socket.end(),
    };
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      // A read request is 12 bytes; who a device is, is asked with fewer.
      for (let bytes; received.length >= 6 && received.length >= (bytes = 6 + received.readUInt16BE(4));) {
        const request = {
          transactionId: received.readUInt16BE(0),
          unitId: received.readUInt8(6),
          functionCode: received.readUInt8(7),
          address: bytes === 12 ? received.readUInt16BE(8) : 0,
          count: bytes === 12 ? received.readUInt16BE(10) : 0,
          data: received.subarray(8, bytes),
          number: requests.length,
        };
        received = received.subarray(bytes);
        requests.push(request);
        behaviour(request, peer);
      }
    });
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    requests,
    connections: () => connections,
    behave: (next) => {
      behaviour = next;
    },
    resetAll: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

/** What a frame says; anything may be replaced by a lie. */
export interface Told {
  transactionId?: number;
  protocolId?: number;
  length?: number;
  unitId?: number;
  functionCode?: number;
  byteCount?: number;
}

/** A frame that answers `request` with these words. */
export function answer(request: RawRequest, words: readonly number[], lie: Told = {}): Buffer {
  const byteCount = lie.byteCount ?? words.length * 2;
  return Buffer.from([
    ...pair(lie.transactionId ?? request.transactionId),
    ...pair(lie.protocolId ?? 0),
    ...pair(lie.length ?? 3 + words.length * 2),
    lie.unitId ?? request.unitId,
    lie.functionCode ?? request.functionCode,
    byteCount & 0xff,
    ...words.flatMap(pair),
  ]);
}

/** A frame that answers `request` with these bits, eight in a byte, the first in the lowest place. */
export function answerBits(request: RawRequest, bits: readonly (0 | 1)[]): Buffer {
  const bytes = Array.from({ length: Math.ceil(bits.length / 8) }, (_, at) =>
    bits.slice(at * 8, at * 8 + 8).reduce<number>((byte, bit, place) => byte + bit * 2 ** place, 0),
  );
  return Buffer.from([
    ...pair(request.transactionId),
    0,
    0,
    ...pair(3 + bytes.length),
    request.unitId,
    request.functionCode,
    bytes.length,
    ...bytes,
  ]);
}

/** A meter that has these registers and bits, by function code and address, and refuses every block that holds another. */
export function meterOf(memory: Readonly<Record<number, Readonly<Record<number, number>>>>): Behaviour {
  return (request, peer) => {
    const { functionCode, address, count } = request;
    const found = Array.from({ length: count }, (_, at) => memory[functionCode]?.[address + at]);
    const words = found.filter((word) => word !== undefined);
    if (words.length < count) peer.send(exception(request, 2));
    else if (functionCode <= 2)
      peer.send(
        answerBits(
          request,
          words.map((word) => (word === 0 ? 0 : 1)),
        ),
      );
    else peer.send(answer(request, words));
  };
}

export function exception(request: RawRequest, code: number): Buffer {
  return Buffer.from([...pair(request.transactionId), 0, 0, 0, 3, request.unitId, request.functionCode | 0x80, code]);
}

const pair = (word: number): [number, number] => [(word >> 8) & 0xff, word & 0xff];

/** The word that an honest register of these servers holds: its unit and address can be told from it. */
export function honestWord(unitId: number, address: number): number {
  return ((unitId & 0x1f) << 11) | (address & 0x7ff);
}

export function honestWords(request: RawRequest): number[] {
  return Array.from({ length: request.count }, (_, index) => honestWord(request.unitId, request.address + index));
}

export const honest: Behaviour = (request, peer) => peer.send(answer(request, honestWords(request)));

export interface CountingServer {
  readonly port: number;
  /** How often a unit's registers 0 and 1 were read: the counter of its last answer. */
  polls(unitId: number): number;
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

/**
 * Units whose registers tell which poll they answer, so that gaps and order can be checked at the far end.
 * Holding and input registers alike: words 0 and 1 are the unit's poll counter (uint32, ABCD, 1 at the first), raised by every request
 * that begins at register 0; word r ≥ 2 is `countedWord(unit, poll, r)`. Outside `registers`: exception 02; other units: exception 0B.
 */
export async function startCountingServer(options: {
  units: readonly number[];
  registers: number;
  host?: string;
  port?: number;
}): Promise<CountingServer> {
  const polls = new Map(options.units.map((unitId) => [unitId, 0]));
  const server = await startRawServer((request, peer) => {
    const { unitId, address, count } = request;
    let poll = polls.get(unitId);
    if (poll === undefined) return peer.send(exception(request, 11));
    if (address + count > options.registers) return peer.send(exception(request, 2));
    if (address === 0) polls.set(unitId, ++poll);
    const words = Array.from({ length: count }, (_, index) => countedWord(unitId, poll, address + index));
    return peer.send(answer(request, words));
  }, options);
  return {
    port: server.port,
    polls: (unitId) => polls.get(unitId) ?? 0,
    connections: server.connections,
    close: server.close,
  };
}

/** The word that register `address` of a unit holds at its poll number `poll`. */
export function countedWord(unitId: number, poll: number, address: number): number {
  if (address === 0) return (poll >>> 16) & 0xffff;
  if (address === 1) return poll & 0xffff;
  return (unitId * 7919 + poll * 31 + address) & 0xffff;
}
