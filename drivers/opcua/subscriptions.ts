import { LinkError, messageOf } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import { lostData, observePushed } from './observe.ts';
import type { OpcUaPoint, Subscribed } from './plan.ts';
import type { Found } from './read-queue.ts';
import { revisedText } from './revised.ts';
import type { Revised } from './revised.ts';
import { missingBefore, numberAfter } from './sequence.ts';
import { isOneTooMany } from './service-fault.ts';
import { builtIn } from './values.ts';
import type { Acknowledged, Published, Seen, Wire } from './wire.ts';

interface Live {
  readonly silentAfterMs: number;
  heardBootMs: number;
  /** Number of the message that comes next; null: none came. */
  expected: number | null;
}

type Wanted = Found & { readonly subscribed: Subscribed };

interface Item extends Wanted {
  readonly subscriptionId: number;
  /** null: the server refused it. */
  itemId: number | null;
  /** What was said of it last. */
  status: string;
  /** At the last look; null: not looked yet, or the server does not say. */
  dataType: string | null;
}

interface Options {
  readonly connection: string;
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
/** Attribute DataType (OPC UA Part 6, A.1): every variable has it, and no device is asked for it. */
const dataType = 14;
/** The node is not there. */
const vanished = /^BadNodeId(?:Unknown|Invalid)$/;

/**
 * The subscribed points of one session: one subscription for each publishing interval. A message is acknowledged only after what it says is
 * committed, and the next one is asked for only then. A subscription of which nothing is heard, not even a sign of life, ends the session: after a restart of
 * a server nothing else would tell.
 */
export class Subscriptions {
  readonly #options: Options;
  /** By the handle that their values come with. */
  readonly #items = new Map<number, Item>();
  readonly #live = new Map<number, Live>();
  readonly #acknowledge: Acknowledged[] = [];
  readonly #stopping = new AbortController();
  #handles = 0;
  #listening = 0;
  /** Messages are taken up one after the other, in the order of their arrival. */
  #taken: Promise<void> = Promise.resolve();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Resolves when all is set up; what the server refuses is pushed as bad. */
  async start(found: readonly Wanted[]): Promise<void> {
    const { connection, wire, host } = this.#options;
    for (const [publishingMs, group] of Map.groupBy(found, ({ subscribed }) => subscribed.publishingMs)) {
      const { subscriptionId, silentAfterMs, publishingMs: givenMs } = await wire.subscribe(publishingMs);
      this.#live.set(subscriptionId, { silentAfterMs, heardBootMs: host.clock.now().bootMs, expected: null });
      const revised = await this.#monitor(
        group.map((one) => ({ ...one, subscriptionId, itemId: null, status: '', dataType: null })),
      );
      const text = revisedText(publishingMs, givenMs, revised);
      if (text !== null) host.log?.(`Connection ${connection}: ${text}`);
    }
    // One more than there are subscriptions: while one message is taken up the others still find a request waiting.
    for (let at = 0; at <= this.#live.size && this.#live.size > 0; at++) void this.#listen();
    if (this.#live.size > 0) void this.#watch();
  }

  stop(): void {
    this.#stopping.abort(null);
  }

  /**
   * Tells which nodes have vanished, once, and asks again for those that are there, or that the server refused. One that changes its type was made anew, between two looks: what
   * watched the old one may watch nothing.
   */
  async recheck(): Promise<void> {
    const { wire, host } = this.#options;
    const items = [...this.#items].flatMap(([handle, item]) => (item.target === null ? [] : [{ handle, item }]));
    const again: { handle: number; item: Item }[] = [];
    const gone: Observation[] = [];
    for (let from = 0; from < items.length; from += wire.mostReads) {
      const some = items.slice(from, from + wire.mostReads);
      const asked = some.map(({ item }) => ({ nodeId: item.target?.nodeId ?? '', attributeId: dataType }));
      const seen = await wire.read(asked, this.#stopping.signal);
      for (const [at, each] of some.entries()) {
        const { item } = each;
        const status = seen[at]?.status.name ?? 'BadUnexpectedError';
        if (!vanished.test(status)) {
          const type = typeOf(seen[at]);
          const before = item.dataType;
          const isOther = before !== null && type !== null && type !== before;
          if (isOther) host.log?.(`${nameOf(item)}: the node is a ${typeName(type)} now, it was a ${typeName(before)}`);
          item.dataType = type;
          if (item.itemId === null || isOther || vanished.test(item.status)) again.push(each);
        } else if (!vanished.test(item.status)) {
          item.status = status;
          gone.push(unanswered(item.point.info, status, host.clock.now()));
        }
      }
    }
    if (gone.length > 0) await host.push(gone, this.#stopping.signal);
    await this.#renew(again);
  }

  /** A node that was made anew is another one: what watched the old one watches nothing. */
  async #renew(again: readonly { readonly handle: number; readonly item: Item }[]): Promise<void> {
    const { wire } = this.#options;
    for (const [subscriptionId, group] of Map.groupBy(again, ({ item }) => item.subscriptionId)) {
      for (const { handle } of group) this.#items.delete(handle);
      const old = group.flatMap(({ item }) => item.itemId ?? []);
      if (old.length > 0) await wire.unmonitor(subscriptionId, old);
      await this.#monitor(group.map(({ item }) => ({ ...item, itemId: null })));
    }
  }

  /** Asks for all of them; pushes what is refused, unless that was said last. Resolves with what the server makes of the others. */
  async #monitor(items: readonly Item[]): Promise<Revised[]> {
    const { wire, host } = this.#options;
    const refused: Observation[] = [];
    const refuse = (item: Item, status: string): void => {
      if (item.status !== status) refused.push(unanswered(item.point.info, status, host.clock.now()));
      item.status = status;
    };
    const revised: Revised[] = [];
    const known = items.map((item) => ({ item, clientHandle: ++this.#handles }));
    for (const { item, clientHandle } of known) {
      this.#items.set(clientHandle, item);
      if (item.target === null) refuse(item, 'BadNodeIdUnknown');
    }
    const askable = known.flatMap(({ item, clientHandle }) =>
      item.target === null ? [] : [{ item, target: { ...item.target, ...item.subscribed, clientHandle } }],
    );
    for (let from = 0; from < askable.length; from += wire.mostItems) {
      const some = askable.slice(from, from + wire.mostItems);
      const created = await wire.monitor(
        some[0]?.item.subscriptionId ?? 0,
        some.map(({ target }) => target),
      );
      for (const [at, { item }] of some.entries()) {
        const given = created[at];
        const { code = 0x80000000, name = 'BadUnexpectedError' } = given?.status ?? {};
        if (given === undefined || code >>> 30 === 2) {
          refuse(item, name);
          continue;
        }
        item.itemId = given.itemId;
        revised.push({ device: item.point.info.device, point: item.point.info.point, asked: item.subscribed, given });
      }
    }
    if (refused.length > 0) await host.push(refused, this.#stopping.signal);
    return revised;
  }

  async #listen(): Promise<void> {
    const { wire, heard, failed } = this.#options;
    this.#listening++;
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
      this.#listening--;
      // The others go on.
      if (isOneTooMany(error) && this.#listening > 0) return;
      if (!this.#stopping.signal.aborted)
        failed(
          error instanceof LinkError ? error : new LinkError(`subscription: ${messageOf(error)}`, { cause: error }),
        );
    }
  }

  async #take(message: Published): Promise<void> {
    const { host } = this.#options;
    const { subscriptionId, sequenceNumber, ended } = message;
    const live = this.#live.get(subscriptionId);
    if (live !== undefined) live.heardBootMs = host.clock.now().bootMs;
    if (live !== undefined && sequenceNumber !== null) {
      const missing = missingBefore(sequenceNumber, live.expected);
      if (missing === null) {
        // It was late, and has been sent once more already.
        this.#acknowledge.push({ subscriptionId, sequenceNumber });
        return;
      }
      await this.#fetch(subscriptionId, missing);
      live.expected = numberAfter(sequenceNumber);
    }
    await this.#keep(message);
    if (ended !== null) throw new LinkError(`the server ended the subscription (${ended})`);
  }

  /** Messages that did not arrive, once more. What cannot be had is told: a value of which nobody knows whether it was the last is asked for anew. */
  async #fetch(subscriptionId: number, missing: readonly number[] | 'all'): Promise<void> {
    const { wire, host } = this.#options;
    for (const sequenceNumber of missing === 'all' ? [null] : missing) {
      const message = sequenceNumber === null ? null : await wire.republish(subscriptionId, sequenceNumber);
      if (message !== null) {
        await this.#keep({ ...message, sequenceNumber });
        continue;
      }
      const at = host.clock.now();
      const items = [...this.#items.values()].filter((item) => item.subscriptionId === subscriptionId);
      const lost = items.filter(({ itemId }) => itemId !== null).map(({ point }) => lostData(point, at));
      await host.push(lost, this.#stopping.signal);
      throw new LinkError('messages of a subscription were lost, and the server has them no more');
    }
  }

  async #keep({ subscriptionId, sequenceNumber, changes }: Published): Promise<void> {
    const { host } = this.#options;
    const at = host.clock.now();
    const seen = changes.flatMap(({ clientHandle, seen: one }) => this.#observe(clientHandle, one, at));
    if (seen.length > 0) await host.push(seen, this.#stopping.signal);
    if (sequenceNumber !== null) this.#acknowledge.push({ subscriptionId, sequenceNumber });
  }

  #observe(handle: number, seen: Seen, at: ReturnType<DriverHost['clock']['now']>): readonly Observation[] {
    const item = this.#items.get(handle);
    // Whoever saw first that it vanished has told it.
    if (item === undefined || (vanished.test(item.status) && vanished.test(seen.status.name))) return [];
    item.status = seen.status.name;
    return observePushed(this.#options.complete(item.point), seen, at);
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

/** As the library writes a NodeId: `ns=0;i=11`. */
function typeOf(seen: Seen | undefined): string | null {
  const value: unknown = seen?.wire?.value;
  return value instanceof Object ? (value as { toString(): string }).toString() : null;
}

const nameOf = ({ point: { info } }: Item): string => `${info.device} ${info.point}`;

function typeName(nodeId: string): string {
  const [, number] = /^(?:ns=0;)?i=(\d+)$/.exec(nodeId) ?? [];
  return Object.entries(builtIn).find(([, one]) => String(one) === number)?.[0] ?? nodeId;
}
