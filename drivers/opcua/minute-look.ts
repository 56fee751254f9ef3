import type { DriverHost } from '../driver.ts';
import { ServiceFault } from './service-fault.ts';
import type { Seen, Target, Wire } from './wire.ts';

interface Options {
  readonly connection: string;
  readonly wire: Pick<Wire, 'read' | 'timeoutMs'>;
  readonly host: Pick<DriverHost, 'clock' | 'log'>;
  readonly signal: AbortSignal;
}

/** Before the library gives the request up, and the link with it (`client.ts`). */
const patienceMs = 5_000;

/**
 * Asks what can as well be asked a minute later: a server that is too slow for it, or refuses it, is none that is lost. Who watches that are `lookout.ts` and `silence.ts`.
 */
export class MinuteLook {
  readonly #options: Options;
  #isTold = false;

  constructor(options: Options) {
    this.#options = options;
  }

  /** null: refused, or not answered in time, which is told once. Rejects when the link is lost. */
  async read(targets: readonly Target[], cached = false): Promise<readonly Seen[] | null> {
    const { wire, host, signal } = this.#options;
    const done = new AbortController();
    const late = new AbortController();
    const mostMs = wire.timeoutMs + patienceMs;
    host.clock.sleep(mostMs, AbortSignal.any([done.signal, signal])).then(
      () => late.abort(null),
      () => {},
    );
    try {
      return await wire.read(targets, late.signal, cached);
    } catch (error) {
      const fault = error instanceof ServiceFault ? error.status : null;
      if (fault === null && !late.signal.aborted) throw error;
      this.#tell(fault ?? `no answer within ${mostMs} ms`);
      return null;
    } finally {
      done.abort(null);
    }
  }

  #tell(why: string): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const { connection, host } = this.#options;
    host.log?.(
      `Connection ${connection}: the server does not say whether all nodes are still there (${why}); those that vanish, return or are made anew in silence may not be noticed; it is asked again each minute`,
    );
  }
}
