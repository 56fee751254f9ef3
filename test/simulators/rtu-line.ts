import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReadStream, WriteStream } from 'node:tty';

/** Modbus RTU slaves, well-behaved and not. Every frame is built here by hand: nothing of the codec under test is used. */

export interface RtuRequest {
  readonly unitId: number;
  readonly functionCode: number;
  readonly address: number;
  readonly count: number;
  /** As it came. */
  readonly bytes: Buffer;
  /** From 0. */
  readonly number: number;
}

export type RtuBehaviour = (request: RtuRequest, send: (bytes: Buffer) => void) => void | Promise<void>;

export interface RtuLine {
  /** What the master opens: a pty. */
  readonly path: string;
  readonly requests: readonly RtuRequest[];
  behave(next: RtuBehaviour): void;
  /** Bytes out of turn. */
  send(bytes: Buffer): void;
  /** Nothing passes the line, in either direction, until it is let go. */
  block(isBlocked: boolean): void;
  close(): Promise<void>;
}

const socat = '/usr/bin/socat';
export const noSocat: string | undefined = existsSync(socat) ? undefined : 'socat is not installed';
if (noSocat !== undefined && process.env['CI'] === 'true') throw new Error(`CI needs serial pairs: ${noSocat}`);

/** A pair of ptys; on the far end listens whoever `behaviour` plays. */
export async function startRtuLine(
  first: RtuBehaviour,
  folder = mkdtempSync(join(tmpdir(), 'sluice-line-')),
): Promise<RtuLine> {
  mkdirSync(folder, { recursive: true });
  const [path, far] = [join(folder, 'near'), join(folder, 'far')];
  const pair = spawn(socat, [`pty,raw,echo=0,link=${path}`, `pty,raw,echo=0,link=${far}`], { stdio: 'ignore' });
  const ended = new Promise((resolve) => pair.once('exit', resolve));
  for (let tries = 0; !(existsSync(path) && existsSync(far)); tries++) {
    if (tries > 200) throw new Error('socat made no pair');
    await sleep(10);
  }
  // Opened twice: a WriteStream makes what it has blocking, and a read of the same would then hold up the process. Both are closed, so that none writes to a number that is another's by then.
  const [input, output] = [new ReadStream(openSync(far, 'r+')), new WriteStream(openSync(far, 'r+'))];
  input.setRawMode(true);
  input.on('error', () => undefined);
  output.on('error', () => undefined);
  const send = (bytes: Buffer): void => void (output.destroyed || output.write(bytes));
  const slave = listening(first, send);
  input.on('data', (bytes: Buffer) => slave.take(bytes));
  return {
    path,
    requests: slave.requests,
    behave: slave.behave,
    send,
    block: (isBlocked) => void pair.kill(isBlocked ? 'SIGSTOP' : 'SIGCONT'),
    close: async () => {
      input.destroy();
      output.destroy();
      pair.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The same behind a gateway that hands bytes on. */
export async function startRtuGateway(
  first: RtuBehaviour,
): Promise<
  Omit<RtuLine, 'path' | 'block'> & { readonly port: number; readonly connections: () => number; cut(): void }
> {
  let socket: Socket | undefined;
  let connections = 0;
  const send = (bytes: Buffer): void => void socket?.write(bytes);
  const slave = listening(first, send);
  const server = createServer((next) => {
    connections++;
    socket = next;
    // What was meant for the socket before is gone with it.
    slave.behaveFor((bytes) => void (next.destroyed || next.write(bytes)));
    next.on('error', () => undefined);
    next.on('data', (bytes: Buffer) => slave.take(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    requests: slave.requests,
    behave: slave.behave,
    send,
    cut: () => void socket?.resetAndDestroy(),
    close: async () => {
      socket?.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listening(
  first: RtuBehaviour,
  firstSend: (bytes: Buffer) => void,
): {
  requests: RtuRequest[];
  behave: (next: RtuBehaviour) => void;
  behaveFor: (send: (bytes: Buffer) => void) => void;
  take: (bytes: Buffer) => void;
} {
  let behaviour = first;
  let send = firstSend;
  let received = Buffer.alloc(0);
  const requests: RtuRequest[] = [];
  return {
    requests,
    behave: (next) => void (behaviour = next),
    behaveFor: (next) => {
      send = next;
      received = Buffer.alloc(0);
    },
    take: (bytes) => {
      received = Buffer.concat([received, bytes]);
      // Every read request is 8 bytes; who a device is, is asked with fewer.
      for (let length; received.length >= 4 && received.length >= (length = shorter[received.readUInt8(1)] ?? 8);) {
        const frame = received.subarray(0, length);
        received = received.subarray(length);
        if (bitwiseCrc(frame.subarray(0, -2)) !== frame.readUInt16LE(length - 2)) continue;
        const request = {
          unitId: frame.readUInt8(0),
          functionCode: frame.readUInt8(1),
          address: length === 8 ? frame.readUInt16BE(2) : 0,
          count: length === 8 ? frame.readUInt16BE(4) : 0,
          bytes: frame,
          number: requests.length,
        };
        requests.push(request);
        void behaviour(request, send);
      }
    },
  };
}

const shorter: Readonly<Record<number, number>> = { 17: 4, 43: 7 };

export function rtuFrame(...bytes: readonly number[]): Buffer {
  const crc = bitwiseCrc(bytes);
  return Buffer.from([...bytes, crc & 0xff, crc >> 8]);
}

export function rtuAnswer({ unitId, functionCode, count }: RtuRequest, word: (index: number) => number): Buffer {
  const words = Array.from({ length: count }, (_, index) => word(index));
  return rtuFrame(unitId, functionCode, count * 2, ...words.flatMap((each) => [each >> 8, each & 0xff]));
}

/** Words that tell unit and address. */
export const honestRtu = (request: RtuRequest, send: (bytes: Buffer) => void): void =>
  send(rtuAnswer(request, (index) => (request.unitId << 8) | ((request.address + index) & 0xff)));

/** By the definition of the specification, bit by bit. */
function bitwiseCrc(bytes: Iterable<number>): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      const carry = crc & 1;
      crc >>= 1;
      if (carry === 1) crc ^= 0xa001;
    }
  }
  return crc;
}
