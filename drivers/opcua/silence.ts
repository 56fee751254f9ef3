import { LinkError } from '../../agent/errors.ts';
import { AnewError } from './handover.ts';
import type { Live } from './handover.ts';
import type { Wire } from './wire.ts';

/** No silence is borne for longer without asking. */
export const patienceMs = 60_000;

/**
 * Sees subscriptions that have died: after a restart of a server nothing else would tell. One that says nothing for longer than the server promised to is dead. Where it promised little, by a long
 * publishing interval or a keep-alive count that it raised, it is asked each minute whether it has the subscription at all: a healthy one is not given up, and one that is gone is not waited for.
 */
export class Silence {
  readonly #wire: Pick<Wire, 'knows'>;
  readonly #askedBootMs = new Map<number, number>();

  constructor(wire: Pick<Wire, 'knows'>) {
    this.#wire = wire;
  }

  /** Rejects with LinkError where a subscription is dead. */
  async look(subscriptions: ReadonlyMap<number, Live>, bootMs: number): Promise<void> {
    for (const [subscriptionId, { heardBootMs, silentAfterMs }] of subscriptions) {
      if (bootMs - heardBootMs > silentAfterMs)
        throw new LinkError(`nothing was heard of a subscription for ${Math.round((bootMs - heardBootMs) / 1000)} s`);
      const askedBootMs = this.#askedBootMs.get(subscriptionId) ?? 0;
      if (bootMs - Math.max(heardBootMs, askedBootMs) <= patienceMs) continue;
      this.#askedBootMs.set(subscriptionId, bootMs);
      if (!(await this.#wire.knows(subscriptionId)))
        throw new AnewError('the server has a subscription no more, and did not say so');
    }
  }
}
