import { setTimeout as delay } from 'node:timers/promises';
import { AttributeIds, coerceNodeId } from 'node-opcua-client';
import type { NodeId, OPCUAClient } from 'node-opcua-client';
import { contained } from '../../agent/escapes.ts';
import { LinkError, messageOf } from '../../agent/errors.ts';
import type { DriverHost } from '../driver.ts';
import { sessionMs } from './client.ts';
import { Ending } from './ending.ts';
import { prepareEntry } from './entry.ts';
import type { InUse } from './pki/expiry.ts';
import type { OpcUaPlan } from './plan.ts';
import { ServiceFault, endsSession, faultOf, hasNone, inHalves, whyNotOpened } from './service-fault.ts';
import { noAnswerWithin } from './unreachable.ts';
import { limitOf, mostAtOnce, namesOf, revisedOr, seenOf, timeOf } from './wire-said.ts';
import { browse, browseOn, translate } from './wire-space.ts';
import type { BrowseAsk, Browsed, PathAsk, PathFound } from './wire-space.ts';
import { monitor, publish, republish, subscribe, transfer } from './wire-subscriptions.ts';
import type { RawSession } from './wire-subscriptions.ts';
import type {
  Acknowledged,
  CreatedItem,
  CreatedSubscription,
  MonitoredTarget,
  Published,
  Seen,
  ServerNow,
  Target,
  Transferred,
  Wire,
} from './wire.ts';

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
    // The library itself puts right what is less than 100 ms.
    this.keptMs = revisedOr(session.timeout, sessionMs);
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
