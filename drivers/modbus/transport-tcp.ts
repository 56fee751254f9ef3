import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import { answerTo, encodeTcp, firstFrame } from './codec.ts';
import type { Frame, Request } from './codec.ts';
import { answeredWithin } from './link.ts';
import type { Link, Outcome } from './link.ts';
import { openSocket } from './socket.ts';
import type { Address } from './socket.ts';

interface Waiting {
  readonly transactionId: number;
  readonly request: Request;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** So many ids of unanswered requests are remembered; then the link is renewed, before an id could come round again. */
const mostAbandoned = 0x8000;

export async function openTcpLink(
  address: Address,
  connectTimeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<TcpLink> {
  return new TcpLink(
    await openSocket(address, connectTimeoutMs, clock, signal),
    `${address.host}:${address.port}`,
    clock,
  );
}

/**
 * One socket, one request at a time. Properties:
 * - only a frame with the request's own transaction id, unit, function code and byte count is its answer;
 * - a late answer is known by its id and thrown away;
 * - anything else that arrives means that the two ends no longer agree: the socket is destroyed, the link lost.
 */
export class TcpLink implements Link {
  readonly ended: Promise<Error | undefined>;
  readonly canBeHalfOpen = true;
  readonly #target: string;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #abandoned = new Set<number>();
  readonly #end: (error: Error | undefined) => void;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  #lost: LinkError | undefined;
  // Random, so that an answer which a gateway kept for an earlier connection is foreign to this one.
  #lastId = randomInt(0x10000);

  constructor(socket: Socket, target: string, clock: Clock) {
    this.#socket = socket;
    this.#target = target;
    this.#clock = clock;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.ended = promise;
    this.#end = resolve;
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk);
    });
    socket.on('error', (cause) => {
      this.lose('the connection broke', cause);
    });
    // `end` is the FIN: whoever waits hears of it now, not at the timeout.
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.lose('the other end closed the connection');
      });
    }
  }

  get bytesHeard(): number {
    return this.#socket.bytesRead;
  }

  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  async request(request: Request, timeoutMs: number): Promise<Outcome> {
    if (this.#abandoned.size >= mostAbandoned) this.lose(`${mostAbandoned} requests stayed unanswered`);
    if (this.#received.length > 0) this.lose('half an answer arrived that nobody waits for');
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#waiting !== undefined) throw new Error('a request is under way: one at a time');
    const transactionId = this.#nextId();
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const waiting: Waiting = { transactionId, request, resolve, reject };
    this.#waiting = waiting;
    this.#socket.write(encodeTcp(transactionId, request));
    return answeredWithin(this.#clock, timeoutMs, promise, () => this.#giveUp(waiting));
  }

  lose(reason: string, cause?: unknown): void {
    this.#finish(new LinkError(`${this.#target}: ${reason}`, { cause }), true);
  }

  close(): void {
    this.#finish(new LinkError(`${this.#target}: closed`), false);
  }

  #finish(error: LinkError, told: boolean): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#socket.destroy();
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#end(told ? error : undefined);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 0x10000;
    while (this.#abandoned.has(this.#lastId));
    return this.#lastId;
  }

  async #giveUp(waiting: Waiting): Promise<void> {
    // A busy process may be late itself: what the socket already holds is looked at first.
    await setImmediate();
    if (this.#waiting !== waiting) return;
    if (this.#received.length > 0) {
      this.#doubt('the answer broke off');
      return;
    }
    this.#abandoned.add(waiting.transactionId);
    this.#settle({ kind: 'silence', at: this.#clock.now() });
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#lost === undefined) {
      const first = firstFrame(this.#received);
      if (first === undefined) return;
      if (typeof first === 'string') {
        this.#doubt(first);
        return;
      }
      this.#received = this.#received.subarray(first.bytes);
      this.#judge(first.frame);
    }
  }

  #judge(frame: Frame): void {
    if (this.#abandoned.delete(frame.transactionId)) return;
    const waiting = this.#waiting;
    if (waiting?.transactionId !== frame.transactionId) {
      this.#doubt('an answer to a transaction that nobody began');
      return;
    }
    const answer = answerTo(waiting.request, frame);
    if (typeof answer === 'string') this.#doubt(answer);
    else this.#settle({ ...answer, at: this.#clock.now() });
  }

  #doubt(reason: string): void {
    this.#settle({ kind: 'damaged', reason, at: this.#clock.now() });
    this.lose(`${reason}; the connection is dropped`);
  }

  #settle(outcome: Outcome): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(outcome);
  }
}
