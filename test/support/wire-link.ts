import { LinkError } from '../../agent/errors.ts';
import type { Request } from '../../drivers/modbus/codec.ts';
import type { Link, Outcome } from '../../drivers/modbus/link.ts';
import type { FakeClock } from './fake-clock.ts';

/** Answered requests of a unit, in the order of the line. */
export interface OnWire {
  readonly unitId: number;
  readonly atMs: number;
  /** How long an answer was waited for. */
  readonly timeoutMs: number;
  readonly answered: boolean;
}

/** A serial line on a clock that the test moves: every request takes the time that its frames take at 9600 baud with 11 bits a character. Its words are all 1. */
export class WireLink implements Link {
  readonly bytesHeard = 0;
  readonly isOpen = true;
  readonly canBeHalfOpen = false;
  readonly ended: Promise<Error | undefined>;
  readonly seen: OnWire[] = [];
  /** How long a meter thinks; Infinity: it is dead. */
  thinkMs: (unitId: number) => number;
  readonly #clock: FakeClock;
  readonly #end: () => void;
  readonly #closing = new AbortController();
  #isBusy = false;

  constructor(clock: FakeClock, thinkMs: (unitId: number) => number) {
    this.#clock = clock;
    this.thinkMs = thinkMs;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.ended = promise;
    this.#end = () => resolve(undefined);
  }

  async request(request: Request, timeoutMs: number): Promise<Outcome> {
    if (!('count' in request)) throw new Error('these meters cannot say who they are');
    if (this.#isBusy) throw new Error('two requests on the line at once');
    this.#isBusy = true;
    const { unitId, count } = request;
    // Silence, the request of 8 characters; silence; unit, function, byte count and CRC beside the words.
    const [askMs, answerMs] = [11.5 * characterMs, (3.5 + 5 + 2 * count) * characterMs];
    const takesMs = this.thinkMs(unitId) + answerMs;
    const answered = takesMs <= timeoutMs;
    const sent = { unitId, atMs: this.#clock.bootMs, timeoutMs, answered };
    await this.#clock.sleep(Math.ceil(askMs + Math.min(takesMs, timeoutMs)), this.#closing.signal);
    this.seen.push(sent);
    this.#isBusy = false;
    const at = this.#clock.now();
    return answered ? { kind: 'data', data: Buffer.alloc(count * 2, '0001', 'hex'), at } : { kind: 'silence', at };
  }

  lose(): void {
    this.close();
  }

  close(): void {
    this.#closing.abort(new LinkError('closed'));
    this.#end();
  }
}

const characterMs = 11_000 / 9600;
