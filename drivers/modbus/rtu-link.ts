import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import type { BytePort } from './byte-port.ts';
import { answerTo } from './codec.ts';
import type { Request, UnitPdu } from './codec.ts';
import { Doubts } from './doubts.ts';
import { answeredWithin } from './link.ts';
import type { Link, Outcome } from './link.ts';
import { meansSilence } from './protocol.ts';
import { encodeRtu, nextRtuFrame } from './rtu-codec.ts';
import type { WireTimes } from './wire-times.ts';

type Renew = (signal: AbortSignal) => Promise<BytePort>;

export interface RtuLinkOptions {
  readonly clock: Clock;
  readonly wire: WireTimes;
  /** Of the line: what is in doubt outlives a link that is closed and opened. */
  readonly doubts?: Doubts;
  /** Takes a fresh port after a request stayed unanswered: nothing late can come through it. Absent: the line is the same for ever. */
  readonly renew?: Renew | undefined;
}

interface Waiting {
  readonly request: Request;
  readonly sent: Buffer;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** Before one request; each leaves less in doubt. */
const mostQuestions = 4;

/** Of the 2 s that closing a session may take. */
const releaseMs = 1_500;
/** Adapters hand on what they heard in pieces: a pause shorter than this may still be inside of an answer. */
const leastPieceMs = 30;

/**
 * Modbus RTU on one line. RTU has no transaction ids, so:
 * - only a frame with the right CRC, unit, function code and byte count is an answer;
 * - after a timeout the unit is in doubt: an answer that may belong to the unanswered request is never taken for another's (`doubts.ts`);
 * - the echo of the own request is recognised and skipped, and a byte or two that the line makes when its owner changes;
 * - anything else is thrown away until the line is quiet, and the request is `damaged`.
 */
export class RtuLink implements Link {
  readonly ended: Promise<Error | undefined>;
  readonly canBeHalfOpen = false;
  readonly #clock: Clock;
  readonly #wire: WireTimes;
  readonly #renew: Renew | undefined;
  readonly #ending = new AbortController();
  readonly #doubts: Doubts;
  readonly #end: (error: Error | undefined) => void;
  #port: BytePort;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  #lost: LinkError | undefined;
  #bytesHeard = 0;
  /** Monotonic ms, with fractions: a character takes less than one. */
  #busyUntilMs = 0;
  #isStale = false;

  constructor(port: BytePort, { clock, wire, renew, doubts = new Doubts() }: RtuLinkOptions) {
    this.#doubts = doubts;
    this.#port = port;
    this.#clock = clock;
    this.#wire = wire;
    this.#renew = renew;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.ended = promise;
    this.#end = resolve;
    this.#adopt(port);
  }

  get bytesHeard(): number {
    return this.#bytesHeard;
  }

  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  async request(request: Request, timeoutMs: number): Promise<Outcome> {
    for (let questions = 0; questions < mostQuestions; questions++) {
      const other = this.#doubts.questionBefore(request, performance.now());
      if (other === undefined) return this.#exchange(request, timeoutMs);
      const outcome = await this.#exchange(other, timeoutMs);
      // A refusal is an answer as good as another, but not to what is to be read.
      const isAnswer = outcome.kind === 'data' || (outcome.kind === 'exception' && !meansSilence(outcome.code));
      if (!isAnswer) return outcome;
    }
    return { kind: 'silence', at: this.#clock.now() };
  }

  lose(reason: string, cause?: unknown): void {
    this.#finish(new LinkError(`${this.#port.name}: ${reason}`, { cause }), true);
  }

  close(): void {
    this.#finish(new LinkError(`${this.#port.name}: closed`), false);
  }

  #finish(error: LinkError, told: boolean): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#ending.abort(error);
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    void this.#release(told ? error : undefined);
  }

  async #release(reason: Error | undefined): Promise<void> {
    // A driver of the kernel that does not let go must not hold the session's end.
    const enough = new AbortController();
    const late = this.#clock.sleep(releaseMs, enough.signal).catch(() => undefined);
    await Promise.race([this.#port.close(), late]);
    enough.abort();
    this.#end(reason);
  }

  #adopt(port: BytePort): void {
    this.#port = port;
    this.#received = Buffer.alloc(0);
    port.listen((bytes) => {
      if (port === this.#port) this.#take(bytes);
    });
    void this.#watch(port);
  }

  async #watch(port: BytePort): Promise<void> {
    const cause = await port.ended;
    if (port === this.#port) this.lose('the line is gone', cause);
  }

  async #exchange(request: Request, timeoutMs: number): Promise<Outcome> {
    if (this.#waiting !== undefined) throw new Error('a request is under way: one at a time');
    if (this.#isStale) await this.#freshen();
    const isQuiet = await this.#quiet(timeoutMs);
    if (this.#lost !== undefined) throw this.#lost;
    if (!isQuiet) return { kind: 'damaged', reason: 'the line is never quiet', at: this.#clock.now() };
    const sent = encodeRtu(request);
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const waiting: Waiting = { request, sent, resolve, reject };
    this.#waiting = waiting;
    this.#received = Buffer.alloc(0);
    this.#port.write(sent);
    const sendMs = sent.length * this.#wire.characterMs;
    this.#busyUntilMs = performance.now() + sendMs + this.#wire.gapMs;
    return answeredWithin(this.#clock, Math.ceil(sendMs + timeoutMs), promise, () => this.#giveUp(waiting));
  }

  /** What is in doubt stays so: a gateway may hand what its line still says to whoever is connected then. */
  async #freshen(): Promise<void> {
    this.#isStale = false;
    if (this.#renew === undefined) return;
    const old = this.#port;
    try {
      // Closed first: some gateways allow one client.
      this.#port = noPort;
      await old.close();
      const fresh = await this.#renew(this.#ending.signal);
      if (this.#lost === undefined) this.#adopt(fresh);
      else await fresh.close();
    } catch (error) {
      this.lose('it could not be opened anew after a request stayed unanswered', error);
    }
  }

  /** Until the line has been silent for the gap between frames; false when it does not come to that. A timer is late by up to a ms, so the last two go by turns of the loop. */
  async #quiet(mostMs: number): Promise<boolean> {
    const endMs = performance.now() + mostMs + this.#wire.gapMs;
    for (;;) {
      const nowMs = performance.now();
      const leftMs = this.#busyUntilMs - nowMs;
      if (leftMs <= 0 || this.#lost !== undefined) return true;
      if (nowMs > endMs) return false;
      if (leftMs > 2) await sleep(Math.floor(leftMs) - 1);
      else await setImmediate();
    }
  }

  #take(bytes: Buffer): void {
    this.#bytesHeard += bytes.length;
    this.#busyUntilMs = performance.now() + this.#wire.gapMs;
    // What nobody waits for is noise, or the end of what was given up.
    if (this.#waiting === undefined) return;
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#waiting !== undefined && this.#received.length > 0) {
      const next = nextRtuFrame(this.#received, this.#waiting.sent);
      if (typeof next === 'string') {
        this.#damage(this.#waiting, next);
        return;
      }
      this.#received = next.rest;
      if (next.frame === undefined) return;
      this.#judge(this.#waiting, next.frame);
    }
  }

  #judge(waiting: Waiting, frame: UnitPdu): void {
    const { request } = waiting;
    const answer = answerTo(request, frame);
    if (typeof answer === 'string') {
      if (!this.#doubts.mayBeLate(frame)) this.#damage(waiting, answer);
      return;
    }
    if (answer.kind === 'data') this.#doubts.answered(request, performance.now());
    else this.#doubts.excepted(request, performance.now());
    this.#settle({ ...answer, at: this.#clock.now() });
  }

  async #giveUp(waiting: Waiting): Promise<void> {
    // A busy process may be late itself: what has arrived already is looked at first.
    await setImmediate();
    const pieceMs = Math.max(leastPieceMs, Math.ceil(4 * this.#wire.characterMs));
    for (let heard = -1; this.#waiting === waiting && this.#received.length > 0 && heard !== this.#bytesHeard;) {
      heard = this.#bytesHeard;
      await this.#clock.sleep(pieceMs, this.#ending.signal).catch(() => {});
    }
    if (this.#waiting !== waiting) return;
    this.#isStale = true;
    if (this.#received.length > 0) {
      this.#damage(waiting, 'the answer broke off');
      return;
    }
    this.#doubts.unanswered(waiting.request, performance.now());
    this.#settle({ kind: 'silence', at: this.#clock.now() });
    if (this.#port.isGone?.() === true) this.lose('the line is not there any more');
  }

  /** Its own answer may be still to come. */
  #damage({ request }: Waiting, reason: string): void {
    this.#doubts.unanswered(request, performance.now());
    this.#isStale = true;
    this.#settle({ kind: 'damaged', reason, at: this.#clock.now() });
  }

  #settle(outcome: Outcome): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(outcome);
  }
}

/** Between two ports. */
const noPort: BytePort = {
  name: 'no port',
  write: () => {},
  listen: () => {},
  ended: new Promise(() => {}),
  close: () => Promise.resolve(),
};
