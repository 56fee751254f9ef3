import { constants, fstatSync, openSync, write } from 'node:fs';
import type { Clock } from '../clock.ts';

/** What waits for a reader of the log; what comes beyond it is counted and dropped. */
const mostWaitingBytes = 256 * 1024;
const pieceBytes = 16 * 1024;
/** A terminal takes 4 KB at a time: it is tried again soon, and less and less often while it takes nothing. */
const soonestAgainMs = 10;
const latestAgainMs = 250;
/** Before what failed is tried again. */
const failedAgainMs = 1_000;

/** Takes some of the bytes and says how many; 0: nothing now, try again. Rejects when they cannot be written. Never blocks. */
export type WriteSome = (bytes: Buffer) => Promise<number>;

/** Where a log goes. `fd`: it is the descriptor of a file, a pipe, a socket or a terminal. */
export interface LogStream {
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean;
  readonly fd?: number;
}

/**
 * How to write to `stream` without ever waiting for its reader. Pipes and sockets do not block in Node on Linux. A terminal does, and somebody
 * pressed Ctrl-S: it is opened once more, without blocking. Files are written by a thread of the pool, and no full disk throws here.
 */
export function writerTo(stream: LogStream): WriteSome {
  const { fd } = stream;
  if (fd === undefined) return (bytes) => (stream.write(bytes.toString()), Promise.resolve(bytes.length));
  if (stream.isTTY === true) return toDescriptor(openAgain(fd));
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket() ? toStream(stream) : toDescriptor(fd);
}

function openAgain(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // Another user's terminal (su): it may block a thread of the pool, not this one.
    return fd;
  }
}

function toDescriptor(fd: number): WriteSome {
  return (bytes) =>
    new Promise((resolve, reject) => {
      write(fd, bytes, (error, written) => {
        if (error === null) resolve(written);
        else if (error.code === 'EAGAIN') resolve(0);
        else reject(error);
      });
    });
}

function toStream(stream: LogStream): WriteSome {
  return (bytes) =>
    new Promise((resolve, reject) => {
      stream.write(bytes, (error) => (error ? reject(error) : resolve(bytes.length)));
    });
}

/**
 * Lines on their way to a reader who may be slow, asleep or gone: one write under way, a bounded queue behind it. What finds no room is
 * dropped, and as soon as the queue is empty again one line says how many were.
 */
export class LogOutput {
  readonly #write: WriteSome;
  readonly #clock: Clock;
  readonly #droppedLine: (count: number) => string;
  readonly #closing = new AbortController();
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #isTorn = false;
  #pumping: Promise<void> | null = null;

  constructor(parts: { write: WriteSome; clock: Clock; droppedLine: (count: number) => string }) {
    this.#write = parts.write;
    this.#clock = parts.clock;
    this.#droppedLine = parts.droppedLine;
  }

  /** `line` ends with a newline and has no other. Never blocks, never throws. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    // Once lines were dropped, those after them wait for the line that says so.
    if (this.#dropped > 0 || this.#waitingBytes + bytes.length > mostWaitingBytes) this.#dropped++;
    else this.#add(bytes);
    this.#pumping ??= this.#pump();
  }

  /** Resolves when all is out, after `limitMs` at the latest; then nothing more is tried. */
  async close(limitMs: number): Promise<void> {
    const limit = this.#clock.sleep(limitMs, this.#closing.signal).catch(() => undefined);
    await Promise.race([this.#pumping ?? Promise.resolve(), limit]);
    this.#closing.abort(new Error('the log is closed'));
  }

  #add(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  async #pump(): Promise<void> {
    let goesOn = true;
    while (goesOn && (this.#waiting.length > 0 || this.#dropped > 0)) {
      if (this.#waiting.length > 0) {
        const { piece, lines } = this.#oldest();
        const isOut = await this.#out(piece);
        this.#waiting = this.#waiting.slice(lines);
        this.#waitingBytes -= piece.length;
        if (!isOut) this.#dropped += lines;
        goesOn = isOut || (await this.#pause(failedAgainMs));
      } else {
        const told = this.#dropped;
        const isOut = await this.#out(Buffer.from(this.#droppedLine(told)));
        if (isOut) this.#dropped -= told;
        goesOn = isOut || (await this.#pause(failedAgainMs));
      }
    }
    this.#pumping = null;
  }

  /** Whole lines for one write. */
  #oldest(): { piece: Buffer; lines: number } {
    let bytes = 0;
    let lines = 0;
    for (const { length } of this.#waiting) {
      if (lines > 0 && bytes + length > pieceBytes) break;
      bytes += length;
      lines++;
    }
    return { piece: Buffer.concat(this.#waiting.slice(0, lines)), lines };
  }

  /** False: it cannot be written, or the log was closed meanwhile. */
  async #out(piece: Buffer): Promise<boolean> {
    // What failed in the middle of a line must not be glued to the next.
    let rest = this.#isTorn ? Buffer.concat([Buffer.from('\n'), piece]) : piece;
    let againMs = soonestAgainMs;
    try {
      while (rest.length > 0) {
        const taken = await this.#write(rest);
        rest = rest.subarray(taken);
        this.#isTorn ||= taken > 0;
        if (taken > 0) againMs = soonestAgainMs;
        else if (await this.#pause(againMs)) againMs = Math.min(againMs * 2, latestAgainMs);
        else return false;
      }
      this.#isTorn = false;
      return true;
    } catch {
      return false;
    }
  }

  /** False: closed meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await this.#clock.sleep(ms, this.#closing.signal);
      return true;
    } catch {
      return false;
    }
  }
}
