import { LinkError, messageOf } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import { observePushed } from './observe.ts';
import type { OpcUaPoint, Subscribed } from './plan.ts';
import type { Found } from './read-queue.ts';
import type { Acknowledged, MonitoredTarget, Published, Wire } from './wire.ts';

interface Live {
  readonly silentAfterMs: number;
  heardBootMs: number;
}

interface Options {
  readonly wire: Wire;
  readonly host: DriverHost;
  /** With what the server says of it. */
  readonly complete: (point: OpcUaPoint) => OpcUaPoint;
  readonly heard: () => void;
  /** The subscriptions are of no use any more. */
  readonly failed: (error: Error) => void;
}

/** How often the age of the last message is looked at. */
const lookMs = 1_000;

/**
 * The subscribed points of one session: one subscription for each publishing interval. A message is acknowledged only after what it says is
 * committed, and the next one is asked for only then. A subscription of which nothing is heard, not even a sign of life, ends the session: after a restart of
 * a server nothing else would tell.
 */
export class Subscriptions {
  readonly #options: Options;
  readonly #points = new Map<number, OpcUaPoint>();
  readonly #live = new Map<number, Live>();
  readonly #acknowledge: Acknowledged[] = [];
  readonly #stopping = new AbortController();
  #handles = 0;
  /** Messages are taken up one after the other, in the order of their arrival. */
  #taken: Promise<void> = Promise.resolve();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Resolves when all is set up; what the server refuses is pushed as bad. */
  async start(found: readonly (Found & { readonly subscribed: Subscribed })[]): Promise<void> {
    const { wire, host } = this.#options;
    const groups = Map.groupBy(found, ({ subscribed }) => subscribed.publishingMs);
    for (const [publishingMs, group] of groups) {
      const { subscriptionId, silentAfterMs } = await wire.subscribe(publishingMs);
      this.#live.set(subscriptionId, { silentAfterMs, heardBootMs: host.clock.now().bootMs });
      const refused = await this.#monitor(subscriptionId, group);
      if (refused.length > 0) await host.push(refused, this.#stopping.signal);
    }
    // One more than there are subscriptions: while one message is taken up the others still find a request waiting.
    for (let at = 0; at <= this.#live.size && this.#live.size > 0; at++) void this.#listen();
    if (this.#live.size > 0) void this.#watch();
  }

  stop(): void {
    this.#stopping.abort(null);
  }

  async #monitor(
    subscriptionId: number,
    group: readonly (Found & { readonly subscribed: Subscribed })[],
  ): Promise<Observation[]> {
    const { wire, host } = this.#options;
    const refused: Observation[] = [];
    const items: (MonitoredTarget & { readonly point: OpcUaPoint })[] = [];
    for (const { point, target, subscribed } of group)
      if (target === null) refused.push(unanswered(point.info, 'BadNodeIdUnknown', host.clock.now()));
      else items.push({ ...target, ...subscribed, clientHandle: ++this.#handles, point });
    for (let from = 0; from < items.length; from += wire.mostItems) {
      const some = items.slice(from, from + wire.mostItems);
      const created = await wire.monitor(subscriptionId, some);
      for (const [at, { point, clientHandle }] of some.entries()) {
        const { code = 0x80000000, name = 'BadUnexpectedError' } = created[at]?.status ?? {};
        if (code >>> 30 === 2) refused.push(unanswered(point.info, name, host.clock.now()));
        else this.#points.set(clientHandle, point);
      }
    }
    return refused;
  }

  async #listen(): Promise<void> {
    const { wire, heard, failed } = this.#options;
    try {
      while (!this.#stopping.signal.aborted) {
        const message = await wire.publish(this.#acknowledge.splice(0));
        heard();
        const before = this.#taken;
        const mine = before.then(() => this.#take(message));
        this.#taken = mine.catch(() => {});
        await mine;
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted)
        failed(
          error instanceof LinkError ? error : new LinkError(`subscription: ${messageOf(error)}`, { cause: error }),
        );
    }
  }

  async #take({ subscriptionId, sequenceNumber, changes, ended }: Published): Promise<void> {
    const { host, complete } = this.#options;
    const live = this.#live.get(subscriptionId);
    const at = host.clock.now();
    if (live !== undefined) live.heardBootMs = at.bootMs;
    const seen = changes.flatMap(({ clientHandle, seen: one }) => {
      const point = this.#points.get(clientHandle);
      return point === undefined ? [] : [observePushed(complete(point), one, at)];
    });
    if (seen.length > 0) await host.push(seen, this.#stopping.signal);
    if (sequenceNumber !== null) this.#acknowledge.push({ subscriptionId, sequenceNumber });
    if (ended !== null) throw new LinkError(`the server ended the subscription (${ended})`);
  }

  async #watch(): Promise<void> {
    const { host, failed } = this.#options;
    try {
      for (;;) {
        await host.clock.sleep(lookMs, this.#stopping.signal);
        const { bootMs } = host.clock.now();
        for (const { heardBootMs, silentAfterMs } of this.#live.values()) {
          if (bootMs - heardBootMs <= silentAfterMs) continue;
          failed(
            new LinkError(`nothing was heard of a subscription for ${Math.round((bootMs - heardBootMs) / 1000)} s`),
          );
          return;
        }
      }
    } catch {
      // Stopped.
    }
  }
}
