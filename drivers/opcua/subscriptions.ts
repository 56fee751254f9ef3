import { LinkError, messageOf } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import { claim } from './claim.ts';
import type { Claimed } from './claim.ts';
import { AnewError, isRepeated } from './handover.ts';
import type { Item, Left, Live, Wanted } from './handover.ts';
import { afterGap, lostData, observePushed } from './observe.ts';
import type { OpcUaPoint } from './plan.ts';
import { revisedText } from './revised.ts';
import type { Revised } from './revised.ts';
import { missingBefore, numberAfter } from './sequence.ts';
import { isOneTooMany } from './service-fault.ts';
import { builtIn } from './values.ts';
import type { Acknowledged, Published, Seen, ServerNow, Wire } from './wire.ts';

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
/** A claimed subscription speaks at its next publishing, and this much later at most. */
const claimSilenceMs = 2_000;
/** A connection that was away for so long has been told as not connected (agent/pushed.ts, with room to spare). */
const toldAwayMs = 3_000;
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
  /** Claimed, and not heard of since. */
  readonly #silent = new Set<number>();
  readonly #unheard = new Set<Item>();
  #mayClaim = true;
  #claimedBootMs = 0;
  /** What came last of points that were watched before, and are watched anew. */
  readonly #doubtful = new Map<OpcUaPoint, Observation>();
  readonly #acknowledge: Acknowledged[] = [];
  readonly #stopping = new AbortController();
  #handles = 0;
  #listening = 0;
  /** Messages are taken up one after the other, in the order of their arrival. */
  #taken: Promise<void> = Promise.resolve();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Resolves when all is set up; what the server refuses is pushed as bad. `left`: by the session before. */
  async start(found: readonly Wanted[], left: Left | null = null): Promise<void> {
    const { connection, wire, host } = this.#options;
    const claimed = left === null ? new Set() : await this.#claim(found, left);
    const others = found.filter(({ point }) => !claimed.has(point));
    if (left !== null) this.#doubt(others, left);
    for (const [publishingMs, group] of Map.groupBy(others, ({ subscribed }) => subscribed.publishingMs)) {
      const { subscriptionId, silentAfterMs, publishingMs: givenMs } = await wire.subscribe(publishingMs);
      const { bootMs } = host.clock.now();
      this.#live.set(subscriptionId, { publishingMs: givenMs, silentAfterMs, heardBootMs: bootMs, expected: null });
      const revised = await this.#monitor(
        group.map((one) => ({ ...one, subscriptionId, itemId: null, status: '', dataType: null, last: null })),
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

  /** What the next session may claim; resolves when nothing is taken up any more. */
  async left(server: ServerNow | null, endedBootMs: number): Promise<Left> {
    await this.#taken;
    const bySubscription = Map.groupBy(this.#items, ([, { subscriptionId }]) => subscriptionId);
    return {
      server,
      endedBootMs,
      handles: this.#handles,
      mayClaim: this.#mayClaim,
      subscriptions: [...this.#live].map(([subscriptionId, live]) => ({
        subscriptionId,
        live,
        items: new Map(bySubscription.get(subscriptionId)),
      })),
      last: new Map([...this.#items.values()].flatMap(({ point, last }) => (last === null ? [] : [[point, last]]))),
    };
  }

  /** Takes up what the session before left behind, with what its lost link did not bring. Resolves with the points of it. */
  async #claim(found: readonly Wanted[], left: Left): Promise<ReadonlySet<OpcUaPoint>> {
    const { wire, host, connection } = this.#options;
    this.#handles = left.handles;
    this.#mayClaim = left.mayClaim;
    const wanted = new Map(found.map((one) => [one.point, one]));
    const { claimed, refused } = await claim(left, wire, wanted);
    if (refused !== null)
      host.log?.(
        `Connection ${connection}: the server does not hand subscriptions on (${refused}): they are made anew, and what changed meanwhile is told as a gap`,
      );
    for (const one of claimed) await this.#takeUp(one);
    this.#claimedBootMs = host.clock.now().bootMs;
    return new Set(claimed.flatMap(({ items }) => [...items.values()].map(({ point }) => point)));
  }

  async #takeUp({ subscriptionId, live, items, missed, hasLost, kept, expected }: Claimed): Promise<void> {
    const { host } = this.#options;
    for (const [handle, item] of items) this.#items.set(handle, item);
    this.#live.set(subscriptionId, { ...live, heardBootMs: host.clock.now().bootMs, expected });
    this.#silent.add(subscriptionId);
    for (const item of items.values()) if (item.itemId !== null) this.#unheard.add(item);
    for (const sequenceNumber of kept) this.#acknowledge.push({ subscriptionId, sequenceNumber });
    if (hasLost) await this.#tellLost(subscriptionId);
    for (const message of missed) await this.#keep(message);
  }

  /** Of these nobody knows what they were meanwhile, unless the first value is the last one once more. */
  #doubt(points: readonly Wanted[], { endedBootMs, last }: Left): void {
    if (this.#options.host.clock.now().bootMs - endedBootMs > toldAwayMs) return;
    for (const { point } of points) {
      const before = last.get(point);
      if (before !== undefined) this.#doubtful.set(point, before);
    }
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
      if (!this.#stopping.signal.aborted) failed(asLinkError(error));
    }
  }

  async #take(message: Published): Promise<void> {
    const { host } = this.#options;
    const { subscriptionId, sequenceNumber, ended } = message;
    const live = this.#live.get(subscriptionId);
    if (live !== undefined) live.heardBootMs = host.clock.now().bootMs;
    this.#silent.delete(subscriptionId);
    if (live !== undefined && sequenceNumber !== null) {
      const missing = missingBefore(sequenceNumber, live.expected);
      if (missing === null) {
        // It was late, and has been sent once more already.
        this.#acknowledge.push({ subscriptionId, sequenceNumber });
        return;
      }
      await this.#fetch(subscriptionId, live, missing);
    }
    await this.#keep(message);
    // Not before: what was not kept is asked for once more.
    if (live !== undefined && sequenceNumber !== null) live.expected = numberAfter(sequenceNumber);
    if (ended !== null) throw new AnewError(`the server ended the subscription (${ended})`);
  }

  /** Messages that did not arrive, once more. What cannot be had is told: a value of which nobody knows whether it was the last is asked for anew. */
  async #fetch(subscriptionId: number, live: Live, missing: readonly number[] | 'all'): Promise<void> {
    const { wire } = this.#options;
    for (const sequenceNumber of missing === 'all' ? [null] : missing) {
      const message = sequenceNumber === null ? null : await wire.republish(subscriptionId, sequenceNumber);
      if (message !== null) {
        await this.#keep({ ...message, sequenceNumber });
        if (sequenceNumber !== null) live.expected = numberAfter(sequenceNumber);
        continue;
      }
      await this.#tellLost(subscriptionId);
      throw new AnewError('messages of a subscription were lost, and the server has them no more');
    }
  }

  /** Which points they spoke of nobody knows. */
  async #tellLost(subscriptionId: number): Promise<void> {
    const { host } = this.#options;
    const at = host.clock.now();
    const items = [...this.#items.values()].filter((item) => item.subscriptionId === subscriptionId);
    const lost = items.filter(({ itemId }) => itemId !== null).map(({ point }) => lostData(point, at));
    await host.push(lost, this.#stopping.signal);
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
    const observation = observePushed(this.#options.complete(item.point), seen, at);
    const before = this.#doubtful.get(item.point);
    this.#doubtful.delete(item.point);
    item.last = observation;
    this.#unheard.delete(item);
    const isGap = seen.overflowed || (before !== undefined && !isRepeated(before, observation));
    return isGap ? [afterGap(observation), observation] : [observation];
  }

  async #watch(): Promise<void> {
    const { host, failed } = this.#options;
    try {
      for (;;) {
        await host.clock.sleep(lookMs, this.#stopping.signal);
        const { bootMs } = host.clock.now();
        await this.#lookAtClaimed(bootMs);
        for (const { heardBootMs, silentAfterMs } of this.#live.values()) {
          if (bootMs - heardBootMs <= silentAfterMs) continue;
          failed(
            new LinkError(`nothing was heard of a subscription for ${Math.round((bootMs - heardBootMs) / 1000)} s`),
          );
          return;
        }
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted) failed(asLinkError(error));
    }
  }
  /** Not every server that hands a subscription on sends what it is to send then. */
  async #lookAtClaimed(bootMs: number): Promise<void> {
    for (const [subscriptionId, { publishingMs, heardBootMs }] of this.#live) {
      if (bootMs - heardBootMs <= publishingMs + claimSilenceMs) continue;
      if (this.#silent.has(subscriptionId)) {
        this.#mayClaim = false;
        throw new AnewError('the server handed a subscription on, and sends nothing of it');
      }
    }
    const isSettled = [...this.#live.values()].every(
      ({ publishingMs }) => bootMs - this.#claimedBootMs > 2 * publishingMs + claimSilenceMs,
    );
    if (this.#unheard.size === 0 || !isSettled) return;
    const again = [...this.#items].flatMap(([handle, item]) => (this.#unheard.has(item) ? [{ handle, item }] : []));
    this.#unheard.clear();
    await this.#renew(again);
  }
}

const asLinkError = (error: unknown): LinkError =>
  error instanceof LinkError ? error : new LinkError(`subscription: ${messageOf(error)}`, { cause: error });

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
