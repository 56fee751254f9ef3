import { LinkError, messageOf } from '../../agent/errors.ts';
import { isRepeated } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import { claim } from './claim.ts';
import type { Claimed } from './claim.ts';
import { DeafItems } from './deaf-items.ts';
import { AnewError } from './handover.ts';
import type { Item, Left, Live, Wanted } from './handover.ts';
import { afterGap, lostData, observePushed } from './observe.ts';
import { MinuteLook } from './minute-look.ts';
import type { OpcUaPoint } from './plan.ts';
import { revisedText } from './revised.ts';
import { Items, isUnwatched, vanished } from './items.ts';
import { missingBefore, numberAfter } from './sequence.ts';
import { ServiceFault, isOneTooMany, takesNoMore } from './service-fault.ts';
import { Silence } from './silence.ts';
import { StandIn } from './stand-in.ts';
import type { StandInRead } from './stand-in.ts';
import { Unkept } from './unkept.ts';
import type { Acknowledged, Published, Seen, ServerNow, Target, Wire } from './wire.ts';

interface Options {
  readonly connection: string;
  readonly wire: Wire;
  readonly host: DriverHost;
  /** With what the server says of it. */
  readonly complete: (point: OpcUaPoint) => OpcUaPoint;
  /** Reads them, for those that the server does not watch. */
  readonly read: StandInRead;
  readonly heard: () => void;
  /** The subscriptions are of no use any more. */
  readonly failed: (error: Error) => void;
}

/** How often the age of the last message is looked at. */
const lookMs = 1_000;
/** A claimed subscription speaks at its next publishing, and this much later at most. */
const claimSilenceMs = 2_000;
/** A connection that was away for so long has been told as not connected (agent/poller/pushed.ts, with room to spare). */
const toldAwayMs = 3_000;

/**
 * The subscribed points of one session: one subscription for each publishing interval. A message is acknowledged only after what it says is
 * committed, and the next one is asked for only then. A subscription of which nothing is heard, not even a sign of life, ends the session: after a restart of
 * a server nothing else would tell.
 */
export class Subscriptions {
  readonly #options: Options;
  readonly #items: Items;
  readonly #standIn: StandIn;
  readonly #deaf: DeafItems;
  readonly #unkept: Unkept;
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
  #listening = 0;
  /** Messages on their way to the disk, each with its listener. */
  #held = 0;
  #deafSinceMs: number | null = null;
  /** Messages are taken up one after the other, in the order of their arrival. */
  #taken: Promise<void> = Promise.resolve();

  constructor(options: Options) {
    this.#options = options;
    const { wire, host, read, failed, connection, complete } = options;
    const { signal } = this.#stopping;
    const look = new MinuteLook({ connection, wire, host, signal });
    this.#deaf = new DeafItems({ wire, look, host, complete });
    this.#unkept = new Unkept(host, signal);
    const push = (seen: readonly Observation[]): Promise<void> => this.#unkept.push(seen);
    this.#standIn = new StandIn({
      connection,
      host,
      push,
      read,
      signal,
      failed: (error) => failed(asLinkError(error)),
    });
    this.#items = new Items({
      wire,
      host,
      push,
      look,
      unwatched: (item) => this.#standIn.add(item),
      watched: (item) => this.#standIn.remove(item),
    });
  }

  /** Resolves when all is set up; what the server refuses is pushed as bad. `left`: by the session before. */
  async start(found: readonly Wanted[], left: Left | null = null): Promise<void> {
    const { connection, host } = this.#options;
    const claimed = left === null ? new Set() : await this.#claim(found, left);
    const others = found.filter(({ point }) => !claimed.has(point));
    if (left !== null) this.#doubt(others, left);
    const groups = [...Map.groupBy(others, ({ subscribed }) => subscribed.publishingMs)];
    // The fastest first: where the server takes too few, the slower ones may go with them.
    for (const [publishingMs, group] of groups.toSorted(([a], [b]) => a - b)) {
      const subscriptionId = await this.#subscribe(publishingMs);
      const items = group.map((one) => ({
        ...one,
        itemId: null,
        dataType: null,
        last: null,
        samplingMs: one.subscribed.samplingMs,
      }));
      if (typeof subscriptionId === 'string') {
        for (const item of items) this.#standIn.add({ ...item, subscriptionId: 0, status: subscriptionId });
        continue;
      }
      const given = this.#live.get(subscriptionId);
      const revised = await this.#items.monitor(items.map((one) => ({ ...one, subscriptionId, status: '' })));
      const text = given === undefined ? null : revisedText(publishingMs, given, revised);
      if (text !== null) host.log?.(`Connection ${connection}: ${text}`);
    }
    // One more than there are subscriptions: while one message is taken up the others still find a request waiting.
    for (let at = 0; at <= this.#live.size && this.#live.size > 0; at++) void this.#listen();
    if (this.#live.size > 0) void this.#watch();
    this.#standIn.start();
  }

  /** A subscription of this interval, or one that is there already; the server's status where it takes none at all. */
  async #subscribe(publishingMs: number): Promise<number | string> {
    const { connection, wire, host } = this.#options;
    try {
      const { subscriptionId, ...given } = await wire.subscribe(publishingMs);
      this.#live.set(subscriptionId, { ...given, heardBootMs: host.clock.now().bootMs, expected: null });
      return subscriptionId;
    } catch (error) {
      if (!(error instanceof ServiceFault) || !takesNoMore(error.status)) throw error;
      const slowest = [...this.#live].toSorted(([, a], [, b]) => b.publishingMs - a.publishingMs)[0];
      if (slowest === undefined) return error.status;
      const [subscriptionId, { publishingMs: otherMs }] = slowest;
      host.log?.(
        `Connection ${connection}: the server takes no more subscriptions (${error.status}): what is to be sent every ${publishingMs} ms goes with what is sent every ${otherMs} ms`,
      );
      return subscriptionId;
    }
  }

  /** Points whose nodes are not there, as far as is known. */
  vanished(): readonly OpcUaPoint[] {
    return this.#items.vanished();
  }

  /** Which nodes have vanished, which are there again, which items have gone deaf, and what the buffer had no room for. `moved`: points whose nodes are others now. */
  async recheck(moved: ReadonlyMap<OpcUaPoint, Target> = new Map()): Promise<void> {
    const { connection, host } = this.#options;
    await this.#unkept.again();
    this.#standIn.move(moved);
    this.#items.move(moved);
    await this.#items.recheck();
    const held = this.#items.all().map(([handle, item]) => ({ handle, item }));
    const deaf = await this.#deaf.find(held, this.#live);
    const [first] = deaf;
    // What waits for the disk may be what is missed.
    if (first === undefined || this.#held > 0) return;
    const { device, point } = first.item.point.info;
    host.log?.(
      `Connection ${connection}: the server sends nothing of ${device}.${point}${deaf.length === 1 ? '' : ` and ${deaf.length - 1} more`}, though it has changed (a node that was made anew?): it is watched anew, and what was missed is told as a gap`,
    );
    for (const { item } of deaf) if (item.last !== null) this.#doubtful.set(item.point, item.last);
    await this.#items.renew(deaf);
  }

  stop(): void {
    this.#stopping.abort(null);
  }

  /** What the next session may claim; resolves when nothing is taken up any more. */
  async left(server: ServerNow | null, endedBootMs: number): Promise<Left> {
    await this.#taken;
    const bySubscription = Map.groupBy(this.#items.all(), ([, { subscriptionId }]) => subscriptionId);
    return {
      server,
      endedBootMs,
      handles: this.#items.handles,
      mayClaim: this.#mayClaim,
      subscriptions: [...this.#live].map(([subscriptionId, live]) => ({
        subscriptionId,
        live,
        items: new Map(bySubscription.get(subscriptionId)),
      })),
      unkept: this.#unkept.all(),
      last: new Map(this.#items.all().flatMap(([, { point, last }]) => (last === null ? [] : [[point, last]]))),
    };
  }

  /** Takes up what the session before left behind, with what its lost link did not bring. Resolves with the points of it. */
  async #claim(found: readonly Wanted[], left: Left): Promise<ReadonlySet<OpcUaPoint>> {
    const { wire, host, connection } = this.#options;
    this.#unkept.adopt(left.unkept);
    this.#items.countFrom(left.handles);
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
    this.#items.adopt(items);
    this.#live.set(subscriptionId, { ...live, heardBootMs: host.clock.now().bootMs, expected });
    this.#silent.add(subscriptionId);
    for (const sequenceNumber of kept) this.#acknowledge.push({ subscriptionId, sequenceNumber });
    if (hasLost) await this.#tellLost(subscriptionId);
    for (const message of missed) await this.#keep(message, true);
    // Only now: what the points are at present is none of these messages.
    for (const item of items.values()) if (!isUnwatched(item)) this.#unheard.add(item);
  }

  /** Of these nobody knows what they were meanwhile, unless the first value is the last one once more. */
  #doubt(points: readonly Wanted[], { endedBootMs, last }: Left): void {
    if (this.#options.host.clock.now().bootMs - endedBootMs > toldAwayMs) return;
    for (const { point } of points) {
      const before = last.get(point);
      if (before !== undefined) this.#doubtful.set(point, before);
    }
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
        this.#hold(1);
        await mine.finally(() => this.#hold(-1));
      }
    } catch (error) {
      this.#listening--;
      this.#hold(0);
      // The others go on.
      if (isOneTooMany(error) && this.#listening > 0) return;
      if (!this.#stopping.signal.aborted) failed(asLinkError(error));
    }
  }

  /** While nobody listens, since what was heard is not on disk yet, silence is ours and not the server's. */
  #hold(by: 1 | 0 | -1): void {
    this.#held += by;
    const { bootMs } = this.#options.host.clock.now();
    if (this.#held === this.#listening) this.#deafSinceMs ??= bootMs;
    else if (this.#deafSinceMs !== null) {
      const deafMs = bootMs - this.#deafSinceMs;
      for (const live of this.#live.values()) live.heardBootMs += deafMs;
      this.#claimedBootMs += deafMs;
      this.#deafSinceMs = null;
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
    const lost = this.#items
      .all()
      .filter(([, item]) => item.subscriptionId === subscriptionId && item.itemId !== null)
      .map(([, { point }]) => lostData(point, at));
    await this.#unkept.push(lost);
  }

  /** `isLate`: the server kept it for whoever claims the subscription; the present values come behind it. */
  async #keep({ subscriptionId, sequenceNumber, changes }: Published, isLate = false): Promise<void> {
    const { host } = this.#options;
    const at = host.clock.now();
    const observed = changes.flatMap(({ clientHandle, seen: one }) => this.#observe(clientHandle, one, at));
    const seen = isLate ? observed.map((one): Observation => ({ ...one, isLate })) : observed;
    if (seen.length > 0) await this.#unkept.push(seen);
    if (sequenceNumber !== null) this.#acknowledge.push({ subscriptionId, sequenceNumber });
  }

  #observe(handle: number, seen: Seen, at: ReturnType<DriverHost['clock']['now']>): readonly Observation[] {
    const item = this.#items.get(handle);
    // Whoever saw first that it vanished has told it.
    if (item === undefined || (vanished.test(item.status) && vanished.test(seen.status.name))) return [];
    item.status = seen.status.name;
    const observation = observePushed(this.#options.complete(item.point), seen, at, this.#publishingMsOf(item));
    const before = this.#doubtful.get(item.point);
    this.#doubtful.delete(item.point);
    item.last = observation;
    this.#unheard.delete(item);
    const isGap = seen.overflowed || (before !== undefined && !isRepeated(before, observation));
    return isGap ? [afterGap(observation), observation] : [observation];
  }

  /** As asked, or as the server has it: a value may have waited for that long. */
  #publishingMsOf({ subscriptionId, subscribed }: Item): number {
    return Math.max(subscribed.publishingMs, this.#live.get(subscriptionId)?.publishingMs ?? 0);
  }

  async #watch(): Promise<void> {
    const { wire, host, failed } = this.#options;
    const silence = new Silence(wire);
    try {
      for (;;) {
        await host.clock.sleep(lookMs, this.#stopping.signal);
        if (this.#deafSinceMs !== null) continue;
        const { bootMs } = host.clock.now();
        await this.#lookAtClaimed(bootMs);
        await silence.look(this.#live, bootMs);
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
    const again = this.#items.all().flatMap(([handle, item]) => (this.#unheard.has(item) ? [{ handle, item }] : []));
    this.#unheard.clear();
    await this.#items.renew(again);
  }
}

const asLinkError = (error: unknown): LinkError =>
  error instanceof LinkError ? error : new LinkError(`subscription: ${messageOf(error)}`, { cause: error });
