import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import type { BorrowedLine, DriverHost } from '../driver.ts';
import type { Request } from './codec.ts';
import { lineOf } from './line-key.ts';
import type { Link, Outcome } from './link.ts';
import type { Transport } from './plan.ts';
import { outcomeOf, questionJson } from './questions.ts';

/** The line by way of the process that has it open; null: nobody has. Rejects with LinkError. */
export async function borrowLink(
  transport: Transport,
  { owner, clock }: Pick<DriverHost, 'owner' | 'clock'>,
  signal: AbortSignal,
): Promise<Link | null> {
  const line = await owner?.borrow(lineOf(transport), signal);
  return line ? new BorrowedLink(line, clock) : null;
}

/** Every request is put to the owner, and made when nobody there waits. */
class BorrowedLink implements Link {
  readonly ended: Promise<Error | undefined>;
  readonly canBeHalfOpen = false;
  readonly #line: BorrowedLine;
  readonly #clock: Clock;
  readonly #end: (error: Error | undefined) => void;
  #lost: LinkError | undefined;
  #reject: ((error: Error) => void) | undefined;

  constructor(line: BorrowedLine, clock: Clock) {
    this.#line = line;
    this.#clock = clock;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.ended = promise;
    this.#end = resolve;
  }

  readonly bytesHeard = 0;

  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  async request(request: Request, timeoutMs: number): Promise<Outcome> {
    if (this.#lost !== undefined) throw this.#lost;
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    this.#reject = reject;
    void this.#put(request, timeoutMs, resolve);
    return promise;
  }

  async #put(request: Request, timeoutMs: number, resolve: (outcome: Outcome) => void): Promise<void> {
    try {
      const json = await this.#line.ask(questionJson(request, timeoutMs));
      const outcome = outcomeOf(request, json, this.#clock.now());
      if (typeof outcome === 'string') this.lose(outcome);
      else resolve(outcome);
    } catch (error) {
      const lost =
        error instanceof LinkError ? error : new LinkError('the daemon could not be asked', { cause: error });
      this.#finish(lost, true);
    }
  }

  lose(reason: string): void {
    this.#finish(new LinkError(reason), true);
  }

  close(): void {
    this.#finish(new LinkError('closed'), false);
  }

  #finish(error: LinkError, told: boolean): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#line.close();
    this.#reject?.(error);
    this.#end(told ? error : undefined);
  }
}
