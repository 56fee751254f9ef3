import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import type { BytePort } from './byte-port.ts';
import { answerTo } from './codec.ts';
import type { ReadRequest, UnitPdu } from './codec.ts';
import { Doubts } from './doubts.ts';
import type { Link, Outcome } from './link.ts';
import { encodeRtu, firstRtuFrame } from './rtu-codec.ts';

/** How long things take on the wire; all 0 where there is none that we would know of. */
export interface WireTimes {
  readonly characterMs: number;
  /** Silence between two frames. */
  readonly gapMs: number;
}

/**
 * Of a serial line (Modbus over Serial Line V1.02, section 2.5.1.1): a character has a start bit, 8 data bits, parity and stop bits; 3.5 of them keep
 * frames apart, 1.75 ms above 19200 baud.
 */
export function wireTimes(line: { baudRate: number; parity: 'none' | 'even' | 'odd'; stopBits: number }): WireTimes {
  const bits = 9 + (line.parity === 'none' ? 0 : 1) + line.stopBits;
  const characterMs = (bits * 1000) / line.baudRate;
  return { characterMs, gapMs: line.baudRate > 19_200 ? 1.75 : characterMs * 3.5 };
}

export interface RtuLinkOptions {
  readonly clock: Clock;
  readonly wire: WireTimes;
  /** Takes a fresh port after a request stayed unanswered: nothing late can come through it. Absent: the line is the same for ever. */
  readonly renew?: (() => Promise<BytePort>) | undefined;
}

interface Waiting {
  readonly request: ReadRequest;
  readonly sent: Buffer;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** Adapters hand on what they heard in pieces: a pause shorter than this may still be inside of an answer. */
const pieceMs = 30;

/**
 * Modbus RTU on one line. RTU has no transaction ids, so:
 * - only a frame with the right CRC, unit, function code and byte count is an answer;
 * - after a timeout the unit is in doubt: an answer that may belong to the unanswered request is never taken for another's (`doubts.ts`);
 * - the echo of the own request is recognised and skipped;
 * - anything else is thrown away until the line is quiet, and the request is `damaged`.
 */
export class RtuLink implements Link {
  readonly ended: Promise<Error | undefined>;
  readonly canBeHalfOpen = false;
  readonly #clock: Clock;
  readonly #wire: WireTimes;
  readonly #renew: (() => Promise<BytePort>) | undefined;
  readonly #doubts = new Doubts();
  readonly #end: (error: Error | undefined) => void;
  #port: BytePort;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  #lost: LinkError | undefined;
  #bytesHeard = 0;
  /** Monotonic ms, with fractions: a character takes less than one. */
  #busyUntilMs = 0;
  #isStale = false;

  constructor(port: BytePort, { clock, wire, renew }: RtuLinkOptions) {
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

  async request(request: ReadRequest, timeoutMs: number): Promise<Outcome> {
    const other = this.#doubts.questionBefore(request, performance.now());
    if (other !== undefined) {
      const outcome = await this.#exchange(other, timeoutMs);
      if (outcome.kind !== 'data') return outcome;
    }
    return this.#exchange(request, timeoutMs);
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
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    void this.#port.close().then(() => this.#end(told ? error : undefined));
  }

  #adopt(port: BytePort): void {
    this.#port = port;
    this.#received = Buffer.alloc(0);
    port.listen((bytes) => {
      if (port === this.#port) this.#take(bytes);
    });
    void port.ended.then((cause) => {
      if (port === this.#port) this.lose('the line is gone', cause);
    });
  }

  async #exchange(request: ReadRequest, timeoutMs: number): Promise<Outcome> {
    if (this.#waiting !== undefined) throw new Error('a request is under way: one at a time');
    if (this.#isStale) await this.#freshen();
    await this.#quiet();
    if (this.#lost !== undefined) throw this.#lost;
    const sent = encodeRtu(request);
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const waiting: Waiting = { request, sent, resolve, reject };
    this.#waiting = waiting;
    this.#received = Buffer.alloc(0);
    this.#port.write(sent);
    const sendMs = sent.length * this.#wire.characterMs;
    this.#busyUntilMs = performance.now() + sendMs + this.#wire.gapMs;
    const answered = new AbortController();
    this.#clock.sleep(Math.ceil(sendMs + timeoutMs), answered.signal).then(
      () => this.#giveUp(waiting, timeoutMs),
      () => {},
    );
    try {
      return await promise;
    } finally {
      answered.abort(null);
    }
  }

  async #freshen(): Promise<void> {
    this.#isStale = false;
    if (this.#renew === undefined) return;
    const old = this.#port;
    try {
      // Closed first: some gateways allow one client.
      this.#port = noPort;
      await old.close();
      this.#adopt(await this.#renew());
      this.#doubts.clear();
    } catch (error) {
      this.#port = old;
      this.lose('it could not be opened anew after a request stayed unanswered', error);
    }
  }

  /** Until the line has been silent for the gap between frames. The last fraction of a ms goes by turns of the loop: no timer is that fine. */
  async #quiet(): Promise<void> {
    for (;;) {
      const leftMs = this.#busyUntilMs - performance.now();
      if (leftMs <= 0 || this.#lost !== undefined) return;
      if (leftMs > 1) await new Promise((resolve) => setTimeout(resolve, Math.floor(leftMs)));
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
      const first = firstRtuFrame(this.#received);
      if (typeof first === 'object') {
        this.#received = this.#received.subarray(first.bytes);
        this.#judge(this.#waiting, first.frame);
      } else if (beginsAlike(this.#received, this.#waiting.sent)) {
        if (this.#received.length < this.#waiting.sent.length) return;
        this.#received = this.#received.subarray(this.#waiting.sent.length);
      } else if (first === undefined) {
        return;
      } else {
        this.#settle({ kind: 'damaged', reason: first, at: this.#clock.now() });
      }
    }
  }

  #judge(waiting: Waiting, frame: UnitPdu): void {
    const answer = answerTo(waiting.request, frame);
    if (typeof answer !== 'string') {
      if (answer.kind === 'data') this.#doubts.answered(waiting.request, performance.now());
      this.#settle({ ...answer, at: this.#clock.now() });
    } else if (!this.#doubts.mayBeLate(frame)) {
      this.#settle({ kind: 'damaged', reason: answer, at: this.#clock.now() });
    }
  }

  async #giveUp(waiting: Waiting, timeoutMs: number): Promise<void> {
    // A busy process may be late itself: what has arrived already is looked at first.
    await setImmediate();
    for (let heard = -1; this.#waiting === waiting && this.#received.length > 0 && heard !== this.#bytesHeard;) {
      heard = this.#bytesHeard;
      await this.#clock.sleep(pieceMs, new AbortController().signal);
    }
    if (this.#waiting !== waiting) return;
    this.#doubts.unanswered(waiting.request, performance.now(), timeoutMs);
    this.#isStale = true;
    const at = this.#clock.now();
    this.#settle(
      this.#received.length > 0 ? { kind: 'damaged', reason: 'the answer broke off', at } : { kind: 'silence', at },
    );
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

/** Whether what was received so far may be the echo of what was sent. */
function beginsAlike(received: Buffer, sent: Buffer): boolean {
  const length = Math.min(received.length, sent.length);
  return received.subarray(0, length).equals(sent.subarray(0, length));
}
