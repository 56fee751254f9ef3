import { setTimeout as delay } from 'node:timers/promises';
import { AttributeIds, coerceNodeId } from 'node-opcua-client';
import type { NodeId, OPCUAClient } from 'node-opcua-client';
import { contained } from '../../agent/escapes.ts';
import { LinkError, messageOf } from '../../agent/errors.ts';
import type { DriverHost } from '../driver.ts';
import { Ending } from './ending.ts';
import { prepareEntry } from './entry.ts';
import type { InUse } from './pki/expiry.ts';
import type { OpcUaPlan, Subscribed } from './plan.ts';
import { ServiceFault, endsSession, faultOf, hasNone, inHalves, whyNotOpened } from './service-fault.ts';
import type { WireTimes } from './times.ts';
import { noAnswerWithin } from './unreachable.ts';
import type { WireValue } from './values.ts';
import { limitOf, mostAtOnce, namesOf, seenOf, timeOf } from './wire-said.ts';
import { browse, browseOn, translate } from './wire-space.ts';
import type { BrowseAsk, Browsed, PathAsk, PathFound } from './wire-space.ts';
import { monitor, publish, republish, subscribe, transfer } from './wire-subscriptions.ts';
import type { RawSession } from './wire-subscriptions.ts';

/** What the server says of one value. */
export interface Seen extends WireTimes {
  readonly wire: WireValue | null;
  readonly status: { readonly code: number; readonly name: string };
  /** The server had no room for values before this one, and threw them away. */
  readonly overflowed: boolean;
}

/** A node as this server knows it: `ns=2;s=Tank.Level`. */
export interface Target {
  readonly nodeId: string;
  /** Which of its attributes; its value unless stated (OPC UA Part 6, A.1). */
  readonly attributeId?: number;
}

export interface MonitoredTarget extends Target, Subscribed {
  /** Names the item in notifications. */
  readonly clientHandle: number;
}

export interface CreatedItem {
  readonly status: Seen['status'];
  readonly itemId: number;
  readonly samplingMs: number;
  readonly queueSize: number;
}

export interface CreatedSubscription {
  readonly subscriptionId: number;
  readonly publishingMs: number;
  /** A sign of life at least so often: as asked, and as the server gives it. */
  readonly alive: { readonly askedMs: number; readonly givenMs: number };
  /** Without a message of any kind for so long it is dead. */
  readonly silentAfterMs: number;
}

/** One message of a subscription: what changed, by the handles of its items. */
export interface Published {
  readonly subscriptionId: number;
  /** To be acknowledged; null: a sign of life, nothing changed. */
  readonly sequenceNumber: number | null;
  readonly changes: readonly { readonly clientHandle: number; readonly seen: Seen }[];
  /** The subscription has ended by itself. */
  readonly ended: string | null;
}

export interface Acknowledged {
  readonly subscriptionId: number;
  readonly sequenceNumber: number;
}

export interface Transferred {
  /** Name of the StatusCode. */
  readonly status: string;
  /** Numbers of the messages that the server can send once more. */
  readonly available: readonly number[];
}

/** What stays as it is for as long as a session lives. */
export interface ServerNow {
  readonly namespaces: readonly string[];
  /** Unix ms; null: it does not say. */
  readonly startedMs: number | null;
}

/**
 * The library's side of one session: it reads and listens, and can do nothing else. Every call rejects with LinkError when the link is lost, with
 * ServiceFault when the server refuses it as a whole; requests that are too large for it are sent in halves.
 */
export interface Wire {
  /** Namespaces by index. */
  readonly namespaces: readonly string[];
  /** What one request may hold; the server's limits. */
  readonly mostReads: number;
  readonly mostItems: number;
  readonly mostPaths: number;
  readonly mostBrowses: number;
  /** So long one answer is waited for. */
  readonly timeoutMs: number;
  /** So long the server keeps a session of which it hears nothing. */
  readonly keptMs: number;
  readonly ended: Promise<Error | undefined>;
  /** What the server was when the session was opened; null: it does not say. */
  readonly openedAt: ServerNow | null;
  /** Certificates that it rests on. */
  readonly inUse: readonly InUse[];
  /** What the server is now. `signal` gives up waiting. */
  server(signal: AbortSignal): Promise<ServerNow>;
  /** Values, in the order of the question. `signal` gives up waiting. `cached`: what the server has will do, no device needs to be asked for it. */
  read(targets: readonly Target[], signal: AbortSignal, cached?: boolean): Promise<readonly Seen[]>;
  /** Where ways by browse names lead, in the order of the question. */
  translate(asks: readonly PathAsk[]): Promise<readonly PathFound[]>;
  /** What stands below nodes, at most `most` of each in one answer. */
  browse(asks: readonly BrowseAsk[], most: number): Promise<readonly Browsed[]>;
  /** What a browse left over; `release`: gives it up. */
  browseOn(more: readonly Buffer[], release: boolean): Promise<readonly Browsed[]>;
  subscribe(publishingMs: number): Promise<CreatedSubscription>;
  monitor(subscriptionId: number, targets: readonly MonitoredTarget[]): Promise<readonly CreatedItem[]>;
  unmonitor(subscriptionId: number, itemIds: readonly number[]): Promise<void>;
  /** A message once more; null: the server keeps it no more. */
  republish(subscriptionId: number, sequenceNumber: number): Promise<Published | null>;
  /** Whether the server still has this subscription; true where it does not say. */
  knows(subscriptionId: number): Promise<boolean>;
  /** Resolves with the next message of any subscription of this session. */
  publish(acknowledge: readonly Acknowledged[]): Promise<Published>;
  /** Subscriptions of another session become this one's, in the order of the question. `sendValues`: the next message has the present value of each item of which none waits. */
  transfer(subscriptionIds: readonly number[], sendValues: boolean): Promise<readonly Transferred[]>;
  /** Idempotent, within 2 s. `keep`: the server is to keep the subscriptions for whoever claims them. */
  close(keep?: boolean): Promise<void>;
}

const closeMs = 1_500;
/** Asks for what is in the server's cache (OPC UA Part 4, 5.11.2: the largest Int32). */
const anyAgeMs = 2 ** 31 - 1;

/** Opens channel and session. Rejects with LinkError; `signal` gives up. */
export async function openWire(
  plan: OpcUaPlan,
  host: Pick<DriverHost, 'clock' | 'home'>,
  signal: AbortSignal,
): Promise<Wire> {
  const ended = new Ending(new LinkError(`${plan.endpoint}: closed`));
  const lost = (why: string): void => ended.end(new LinkError(`${plan.endpoint}: ${why}`));
  const connected = new AbortController();
  const opened = new AbortController();
  const over = new AbortController();
  const given = AbortSignal.any([signal, over.signal]);
  const giveUp = Promise.withResolvers<never>();
  const escaped = (error: unknown): void => {
    const failure = new LinkError(`${plan.endpoint}: the OPC UA library failed (${placeOf(error)})`);
    ended.end(failure);
    giveUp.reject(failure);
  };
  const within = (ms: number, what: string, done: AbortSignal): void => {
    const late = new LinkError(`${plan.endpoint}: ${what}`);
    host.clock.sleep(ms, done).then(
      () => giveUp.reject(late),
      () => {},
    );
  };
  const aborted = (): void => giveUp.reject(new LinkError(`${plan.endpoint}: given up`, { cause: signal.reason }));
  signal.addEventListener('abort', aborted, { once: true });
  giveUp.promise.catch(() => {});
  const clients: OPCUAClient[] = [];
  try {
    if (signal.aborted) aborted();
    const connectMs = (plan.securityMode === 'None' ? 1 : 3) * plan.timeoutMs;
    within(connectMs, noAnswerWithin(connectMs), connected.signal);
    within(6 * plan.timeoutMs, `no session within ${6 * plan.timeoutMs} ms`, opened.signal);
    const opening = contained(escaped, async () => {
      const { client, inUse, connect } = await prepareEntry(plan, host, given, (one) => clients.push(one));
      client.on('connection_lost', () => lost('the connection was lost'));
      client.on('close', (error?: Error | null) => lost(error ? error.message : 'the server closed the connection'));
      client.on('abort', () => lost('the connection was cut'));
      const user = await connect();
      given.throwIfAborted();
      connected.abort(null);
      const session = (await client.createSession(user)) as RawSession;
      const open = new OpenWire(client, session, plan, { end: ended, escaped }, inUse);
      await open.look();
      return open;
    });
    return await Promise.race([giveUp.promise, opening]);
  } catch (error) {
    over.abort(error);
    const closed = contained(escaped, () => Promise.all(clients.map((client) => client.disconnect().catch(() => {}))));
    await Promise.race([closed, delay(closeMs)]);
    if (error instanceof LinkError && error.message.startsWith(plan.endpoint)) throw error;
    throw new LinkError(`${plan.endpoint}: ${whyNotOpened(error, plan.endpoint)}`);
  } finally {
    connected.abort(null);
    opened.abort(null);
    signal.removeEventListener('abort', aborted);
  }
}

/** ServerCapabilities.OperationLimits and NamespaceArray (OPC UA Part 6, numeric ids of namespace 0). */
const wellKnown = {
  namespaceArray: 'i=2255',
  maxNodesPerRead: 'i=11705',
  maxMonitoredItemsPerCall: 'i=11714',
  maxNodesPerTranslate: 'i=11712',
  maxNodesPerBrowse: 'i=11710',
  startTime: 'i=2257',
};

class OpenWire implements Wire {
  namespaces: readonly string[] = [];
  openedAt: ServerNow | null = null;
  mostReads = mostAtOnce;
  mostItems = mostAtOnce;
  mostPaths = mostAtOnce;
  mostBrowses = mostAtOnce;
  readonly timeoutMs: number;
  readonly keptMs: number;
  readonly ended: Promise<Error | undefined>;
  readonly inUse: readonly InUse[];
  readonly #client: OPCUAClient;
  readonly #session: RawSession;
  readonly #plan: OpcUaPlan;
  /** By their texts: taking those apart at every read costs as much as the read. */
  readonly #nodes = new Map<string, NodeId>();
  readonly #end: Ending;
  /** Hears what the library throws where nobody waits. */
  readonly #escaped: (error: unknown) => void;
  #closing: Promise<void> | null = null;

  constructor(
    client: OPCUAClient,
    session: RawSession,
    plan: OpcUaPlan,
    { end, escaped }: { readonly end: Ending; readonly escaped: (error: unknown) => void },
    inUse: readonly InUse[],
  ) {
    this.#escaped = escaped;
    this.inUse = inUse;
    this.#client = client;
    this.#session = session;
    this.#plan = plan;
    this.#end = end;
    this.ended = end.promise;
    this.timeoutMs = plan.timeoutMs;
    this.keptMs = session.timeout;
    session.on('session_closed', () => end.end(new LinkError(`${plan.endpoint}: the server closed the session`)));
  }

  /** What is to be known before anything is asked. */
  async look(): Promise<void> {
    const nodeIds = [
      wellKnown.namespaceArray,
      wellKnown.maxNodesPerRead,
      wellKnown.maxMonitoredItemsPerCall,
      wellKnown.maxNodesPerTranslate,
      wellKnown.maxNodesPerBrowse,
      wellKnown.startTime,
    ];
    const [names, reads, items, paths, browses, started] = await this.read(nodeIds.map((nodeId) => ({ nodeId })));
    this.namespaces = namesOf(names?.wire?.value);
    this.openedAt =
      this.namespaces.length === 0 ? null : { namespaces: this.namespaces, startedMs: timeOf(started?.wire?.value) };
    this.mostReads = Math.min(this.mostReads, limitOf(reads));
    this.mostItems = limitOf(items);
    this.mostPaths = limitOf(paths);
    this.mostBrowses = limitOf(browses);
  }

  async server(signal: AbortSignal): Promise<ServerNow> {
    const asked = [{ nodeId: wellKnown.namespaceArray }, { nodeId: wellKnown.startTime }];
    const [names, started] = await this.read(asked, signal);
    return { namespaces: namesOf(names?.wire?.value), startedMs: timeOf(started?.wire?.value) };
  }

  read(targets: readonly Target[], signal?: AbortSignal, cached = false): Promise<readonly Seen[]> {
    return inHalves(
      targets,
      async (some) => {
        const nodes = some.map(({ nodeId, attributeId = AttributeIds.Value }) => ({
          nodeId: this.#nodeOf(nodeId),
          attributeId,
        }));
        const values = await this.#live(() => this.#session.read(nodes, cached ? anyAgeMs : 0), signal);
        return values.map(seenOf);
      },
      (most) => (this.mostReads = Math.min(this.mostReads, most)),
    );
  }

  #nodeOf(text: string): NodeId {
    const known = this.#nodes.get(text);
    if (known !== undefined) return known;
    const node = coerceNodeId(text);
    this.#nodes.set(text, node);
    return node;
  }

  translate(asks: readonly PathAsk[]): Promise<readonly PathFound[]> {
    return this.#live(() => translate(this.#session, asks));
  }

  browse(asks: readonly BrowseAsk[], most: number): Promise<readonly Browsed[]> {
    return this.#live(() => browse(this.#session, asks, most));
  }

  browseOn(more: readonly Buffer[], release: boolean): Promise<readonly Browsed[]> {
    return this.#live(() => browseOn(this.#session, more, release));
  }

  subscribe(publishingMs: number): Promise<CreatedSubscription> {
    return this.#live(() => subscribe(this.#session, publishingMs, this.#plan.timeoutMs));
  }

  monitor(subscriptionId: number, targets: readonly MonitoredTarget[]): Promise<readonly CreatedItem[]> {
    return inHalves(
      targets,
      (some) => this.#live(() => monitor(this.#session, subscriptionId, some)),
      (most) => (this.mostItems = Math.min(this.mostItems, most)),
    );
  }

  async unmonitor(subscriptionId: number, itemIds: readonly number[]): Promise<void> {
    await this.#live(() => this.#session.deleteMonitoredItems({ subscriptionId, monitoredItemIds: [...itemIds] }));
  }

  async knows(subscriptionId: number): Promise<boolean> {
    try {
      // Messages count from 1: there is none of this number, and none is taken by the question.
      await this.#live(() => republish(this.#session, subscriptionId, 0));
      return true;
    } catch (error) {
      if (error instanceof ServiceFault) return !hasNone(error);
      throw error;
    }
  }

  async republish(subscriptionId: number, sequenceNumber: number): Promise<Published | null> {
    try {
      const message = await this.#live(() => republish(this.#session, subscriptionId, sequenceNumber));
      // Some say that they have it no more by an empty message.
      return message.sequenceNumber === sequenceNumber ? message : null;
    } catch (error) {
      if (error instanceof ServiceFault) return null;
      throw error;
    }
  }

  publish(acknowledge: readonly Acknowledged[]): Promise<Published> {
    return this.#live(() => publish(this.#session, acknowledge));
  }

  transfer(subscriptionIds: readonly number[], sendValues: boolean): Promise<readonly Transferred[]> {
    return this.#live(() => transfer(this.#session, subscriptionIds, sendValues));
  }

  close(keep = false): Promise<void> {
    this.#closing ??= (async () => {
      this.#end.end(undefined);
      const inOrder = contained(this.#escaped, async () => {
        await this.#session.close(!keep);
        await this.#client.disconnect();
      });
      await Promise.race([inOrder.catch(() => {}), delay(closeMs)]);
    })();
    return this.#closing;
  }

  /** Whatever the library makes of a lost link, it rejects at once; and what it cannot make anything of ends the link. */
  async #live<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const work = contained(this.#escaped, async () => ask());
    const done = work.catch((error: unknown) => {
      const fault = faultOf(error);
      if (fault !== null && !endsSession(fault)) throw fault;
      const over = new LinkError(`${this.#plan.endpoint}: ${fault?.status ?? messageOf(error)}`, { cause: error });
      // One that was given up may be answered by the library alone, for its own timeout.
      if (signal?.aborted !== true) this.#end.end(over);
      throw over;
    });
    done.catch(() => {});
    if (signal === undefined) return this.#end.before(done);
    const given = Promise.withResolvers<never>();
    const stop = (): void => given.reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      return await this.#end.before(Promise.race([done, given.promise]));
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

/** Its words, and where in the library it was thrown: what a bug report needs. */
function placeOf(error: unknown): string {
  const [, at] = /\n\s*at (.+)/.exec(error instanceof Error ? (error.stack ?? '') : '') ?? [];
  return at === undefined ? messageOf(error) : `${messageOf(error)}, at ${at}`;
}
