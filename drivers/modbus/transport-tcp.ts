import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import { answerTo, encodeTcp, firstFrame, holdsAnswer } from './codec.ts';
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

/** Rejects with LinkError where nobody answers in time; `signal` gives the attempt up. */
export async function openTcpLink(
  address: Address,
  connectTimeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Link> {
  return new TcpLink(
    await openSocket(address, connectTimeoutMs, clock, signal),
    `${address.host}:${address.port}`,
    clock,
  );
}

/**
 * One socket, requests in any number, answered in any order. Properties:
 * - only a frame with the request's own transaction id, unit, function code and byte count is its answer;
 * - a late answer is known by its id and thrown away;
 * - anything else that arrives means that the two ends no longer agree: the socket is destroyed, the link lost. Where it shows whose answer was meant, that request is `damaged` and the others
 *   end with the link; else all are `damaged`;
 * - each request has its own deadline, and its silence says nothing about the others.
 */
class TcpLink implements Link {
  readonly ended: Promise<Error | undefined>;
  readonly canBeHalfOpen = true;
  readonly #target: string;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #abandoned = new Set<number>();
  readonly #end: (error: Error | undefined) => void;
  #received: Buffer = Buffer.alloc(0);
  readonly #waiting = new Map<number, Waiting>();
  /** Given up while a part of another answer was in hand: theirs may be inside of it. */
  #givenUp: Waiting[] = [];
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
    if (this.#received.length > 0 && !this.#isAwaited(this.#received))
      this.lose('half an answer arrived that nobody waits for');
    if (this.#lost !== undefined) throw this.#lost;
    const transactionId = this.#nextId();
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const waiting: Waiting = { transactionId, request, resolve, reject };
    this.#waiting.set(transactionId, waiting);
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
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#end(told ? error : undefined);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 0x10000;
    while (this.#abandoned.has(this.#lastId) || this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  async #giveUp(waiting: Waiting): Promise<void> {
    // A busy process may be late itself: what the socket already holds is looked at first.
    await setImmediate();
    if (!this.#waiting.has(waiting.transactionId)) return;
    if (this.#received.length > 0) {
      if (!this.#isAwaited(this.#received, waiting)) {
        this.#doubt('the answer broke off', [waiting]);
        return;
      }
      this.#givenUp.push(waiting);
    }
    this.#abandoned.add(waiting.transactionId);
    this.#settle(waiting, { kind: 'silence', at: this.#clock.now() });
  }

  /** Whether this may be the beginning of the answer to a request that waits, other than `but`. */
  #isAwaited(part: Buffer, but?: Waiting): boolean {
    const others = [...this.#waiting.keys()].filter((id) => id !== but?.transactionId);
    return part.length < 2 ? others.length > 0 : others.includes(part.readUInt16BE(0));
  }

  #take(chunk: Buffer): void {
    if (this.#lost !== undefined) return;
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    // What came together is believed together: a frame that broke off has taken its end from the next one, whose rest is none.
    const frames: Frame[] = [];
    for (;;) {
      const first = firstFrame(this.#received);
      if (first === undefined) break;
      if (typeof first === 'string') {
        this.#doubt(first);
        return;
      }
      this.#received = this.#received.subarray(first.bytes);
      frames.push(first.frame);
    }
    for (const frame of frames) if (this.isOpen) this.#judge(frame);
    if (this.#received.length === 0) this.#givenUp = [];
  }

  #judge(frame: Frame): void {
    if (this.#abandoned.delete(frame.transactionId)) return;
    const waiting = this.#waiting.get(frame.transactionId);
    if (waiting === undefined) {
      this.#doubt('an answer to a transaction that nobody began');
      return;
    }
    const answer = answerTo(waiting.request, frame);
    const others = [...this.#waiting.values(), ...this.#givenUp].filter((other) => other !== waiting);
    if (typeof answer === 'string') this.#doubt(answer, [waiting]);
    else if (others.some(({ transactionId, request }) => holdsAnswer(frame.pdu, transactionId, request)))
      this.#doubt('an answer broke off and another began inside of it', [waiting]);
    else this.#settle(waiting, { ...answer, at: this.#clock.now() });
  }

  /** `whose`: the requests whose answers are meant, all that wait where that cannot be told. */
  #doubt(reason: string, whose: readonly Waiting[] = [...this.#waiting.values()]): void {
    for (const waiting of whose) this.#settle(waiting, { kind: 'damaged', reason, at: this.#clock.now() });
    this.lose(`${reason}; the connection is dropped`);
  }

  #settle(waiting: Waiting, outcome: Outcome): void {
    this.#waiting.delete(waiting.transactionId);
    waiting.resolve(outcome);
  }
}
