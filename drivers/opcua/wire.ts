import { setTimeout as delay } from 'node:timers/promises';
import {
  AttributeIds,
  DataChangeFilter,
  DataChangeTrigger,
  DeadbandType,
  PublishRequest,
  TimestampsToReturn,
  VariantArrayType,
} from 'node-opcua-client';
import type {
  ClientSession,
  OPCUAClient,
  ClientSessionPublishService,
  ClientSessionRawSubscriptionService,
  DataValue,
  NotificationMessage,
  PublishResponse,
  Variant,
} from 'node-opcua-client';
import { LinkError, messageOf } from '../../agent/errors.ts';
import type { DriverHost } from '../driver.ts';
import { prepareEntry } from './entry.ts';
import type { InUse } from './pki/expiry.ts';
import type { OpcUaPlan, Subscribed } from './plan.ts';
import type { WireTimes } from './times.ts';
import type { WireValue } from './values.ts';
import { browse, browseOn, translate } from './wire-space.ts';
import type { BrowseAsk, Browsed, PathAsk, PathFound } from './wire-space.ts';

/** What the server says of one value. */
export interface Seen extends WireTimes {
  readonly wire: WireValue | null;
  readonly status: { readonly code: number; readonly name: string };
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

/** The library's side of one session: it reads and listens, and can do nothing else. Every call rejects with LinkError when the link is lost. */
export interface Wire {
  /** Namespaces by index. */
  readonly namespaces: readonly string[];
  /** What one request may hold; the server's limits. */
  readonly mostReads: number;
  readonly mostItems: number;
  readonly mostPaths: number;
  readonly mostBrowses: number;
  readonly ended: Promise<Error | undefined>;
  /** Certificates that it rests on. */
  readonly inUse: readonly InUse[];
  /** Values, in the order of the question. `signal` gives up waiting. */
  read(targets: readonly Target[], signal: AbortSignal): Promise<readonly Seen[]>;
  /** Where ways by browse names lead, in the order of the question. */
  translate(asks: readonly PathAsk[]): Promise<readonly PathFound[]>;
  /** What stands below nodes, at most `most` of each in one answer. */
  browse(asks: readonly BrowseAsk[], most: number): Promise<readonly Browsed[]>;
  /** What a browse left over; `release`: gives it up. */
  browseOn(more: readonly Buffer[], release: boolean): Promise<readonly Browsed[]>;
  subscribe(publishingMs: number): Promise<CreatedSubscription>;
  monitor(subscriptionId: number, targets: readonly MonitoredTarget[]): Promise<readonly CreatedItem[]>;
  /** Resolves with the next message of any subscription of this session. */
  publish(acknowledge: readonly Acknowledged[]): Promise<Published>;
  /** Idempotent, within 2 s. */
  close(): Promise<void>;
}

const closeMs = 1_500;
/** A subscription that hears of no publish request for this many keep-alives is deleted by the server. */
const lifetimeCount = 120;
/** A sign of life at least so often. */
const keepAliveMs = 5_000;

/** Opens channel and session. Rejects with LinkError; `signal` gives up. */
export async function openWire(
  plan: OpcUaPlan,
  host: Pick<DriverHost, 'clock' | 'home'>,
  signal: AbortSignal,
): Promise<Wire> {
  const ended = Promise.withResolvers<Error | undefined>();
  const lost = (why: string): void => ended.resolve(new LinkError(`${plan.endpoint}: ${why}`));
  const giveUp = Promise.withResolvers<never>();
  const aborted = (): void => giveUp.reject(new LinkError(`${plan.endpoint}: given up`, { cause: signal.reason }));
  signal.addEventListener('abort', aborted, { once: true });
  giveUp.promise.catch(() => {});
  const clients: OPCUAClient[] = [];
  try {
    if (signal.aborted) aborted();
    const opening = (async () => {
      const { client, inUse, connect } = await prepareEntry(plan, host, signal, (one) => clients.push(one));
      client.on('connection_lost', () => lost('the connection was lost'));
      client.on('close', (error?: Error | null) => lost(error ? error.message : 'the server closed the connection'));
      client.on('abort', () => lost('the connection was cut'));
      const session = (await client.createSession(await connect())) as RawSession;
      const open = new OpenWire(client, session, plan, ended, inUse);
      await open.look();
      return open;
    })();
    return await Promise.race([giveUp.promise, opening]);
  } catch (error) {
    const closed = Promise.all(clients.map((client) => client.disconnect().catch(() => {})));
    await Promise.race([closed, delay(closeMs)]);
    if (error instanceof LinkError && error.message.startsWith(plan.endpoint)) throw error;
    throw new LinkError(`${plan.endpoint}: ${messageOf(error).replaceAll(/\s+/g, ' ')}`);
  } finally {
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
};
/** Where the server states no limit. */
const mostAtOnce = 1_000;

/** The services of subscriptions are the session's too; the library types them apart. */
type RawSession = ClientSession & ClientSessionRawSubscriptionService & ClientSessionPublishService;

class OpenWire implements Wire {
  namespaces: readonly string[] = [];
  mostReads = mostAtOnce;
  mostItems = mostAtOnce;
  mostPaths = mostAtOnce;
  mostBrowses = mostAtOnce;
  readonly ended: Promise<Error | undefined>;
  readonly inUse: readonly InUse[];
  readonly #client: OPCUAClient;
  readonly #session: RawSession;
  readonly #plan: OpcUaPlan;
  readonly #end: PromiseWithResolvers<Error | undefined>;
  #closing: Promise<void> | null = null;

  constructor(
    client: OPCUAClient,
    session: RawSession,
    plan: OpcUaPlan,
    end: PromiseWithResolvers<Error | undefined>,
    inUse: readonly InUse[],
  ) {
    this.inUse = inUse;
    this.#client = client;
    this.#session = session;
    this.#plan = plan;
    this.#end = end;
    this.ended = end.promise;
    session.on('session_closed', () => end.resolve(new LinkError(`${plan.endpoint}: the server closed the session`)));
  }

  /** What is to be known before anything is asked. */
  async look(): Promise<void> {
    const nodeIds = [
      wellKnown.namespaceArray,
      wellKnown.maxNodesPerRead,
      wellKnown.maxMonitoredItemsPerCall,
      wellKnown.maxNodesPerTranslate,
      wellKnown.maxNodesPerBrowse,
    ];
    const [names, reads, items, paths, browses] = await this.#live(
      this.#session.read(
        nodeIds.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })),
        0,
      ),
    );
    const namespaces: unknown = names?.value?.value;
    this.namespaces = Array.isArray(namespaces) ? namespaces.map(String) : [];
    this.mostReads = limitOf(reads);
    this.mostItems = limitOf(items);
    this.mostPaths = limitOf(paths);
    this.mostBrowses = limitOf(browses);
  }

  async read(targets: readonly Target[], signal: AbortSignal): Promise<readonly Seen[]> {
    const nodes = targets.map(({ nodeId, attributeId = AttributeIds.Value }) => ({ nodeId, attributeId }));
    const values = await this.#live(this.#session.read(nodes, 0), signal);
    return values.map(seenOf);
  }

  translate(asks: readonly PathAsk[]): Promise<readonly PathFound[]> {
    return this.#live(translate(this.#session, asks));
  }

  browse(asks: readonly BrowseAsk[], most: number): Promise<readonly Browsed[]> {
    return this.#live(browse(this.#session, asks, most));
  }

  browseOn(more: readonly Buffer[], release: boolean): Promise<readonly Browsed[]> {
    return this.#live(browseOn(this.#session, more, release));
  }

  async subscribe(publishingMs: number): Promise<CreatedSubscription> {
    const made = await this.#live(
      this.#session.createSubscription({
        requestedPublishingInterval: publishingMs,
        requestedMaxKeepAliveCount: Math.max(1, Math.ceil(keepAliveMs / publishingMs)),
        requestedLifetimeCount: lifetimeCount,
        maxNotificationsPerPublish: 0,
        publishingEnabled: true,
        priority: 0,
      }),
    );
    const { subscriptionId, revisedPublishingInterval: revisedMs, revisedMaxKeepAliveCount: count } = made;
    return { subscriptionId, publishingMs: revisedMs, silentAfterMs: revisedMs * count + this.#plan.timeoutMs };
  }

  async monitor(subscriptionId: number, targets: readonly MonitoredTarget[]): Promise<readonly CreatedItem[]> {
    const { results } = await this.#live(
      this.#session.createMonitoredItems({
        subscriptionId,
        timestampsToReturn: TimestampsToReturn.Both,
        itemsToCreate: targets.map((target) => ({
          itemToMonitor: { nodeId: target.nodeId, attributeId: AttributeIds.Value },
          monitoringMode: 2, // Reporting
          requestedParameters: {
            clientHandle: target.clientHandle,
            samplingInterval: target.samplingMs,
            queueSize: target.queueSize,
            discardOldest: true,
            filter: target.deadband === null ? null : filterOf(target.deadband),
          },
        })),
      }),
    );
    return targets.map((_, at) => {
      const result = results?.[at];
      const { statusCode, monitoredItemId = 0, revisedSamplingInterval = 0, revisedQueueSize = 0 } = result ?? {};
      return {
        status: { code: statusCode?.value ?? 0x80010000, name: statusCode?.name ?? 'BadUnexpectedError' },
        itemId: monitoredItemId,
        samplingMs: revisedSamplingInterval,
        queueSize: revisedQueueSize,
      };
    });
  }

  async publish(acknowledge: readonly Acknowledged[]): Promise<Published> {
    const request = new PublishRequest({ subscriptionAcknowledgements: [...acknowledge] });
    const response = await this.#live(
      new Promise<PublishResponse>((resolve, reject) => {
        this.#session.publish(request, (error, answer) =>
          answer ? resolve(answer) : reject(error ?? new Error('no answer')),
        );
      }),
    );
    return publishedOf(response.subscriptionId, response.notificationMessage);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#end.resolve(undefined);
      const inOrder = (async () => {
        await this.#session.close(true);
        await this.#client.disconnect();
      })();
      await Promise.race([inOrder.catch(() => {}), delay(closeMs)]);
    })();
    return this.#closing;
  }

  /** Whatever the library makes of a lost link, it rejects at once. */
  async #live<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    const lost = this.ended.then((error) => {
      throw error ?? new LinkError(`${this.#plan.endpoint}: closed`);
    });
    lost.catch(() => {});
    work.catch(() => {});
    if (signal === undefined) return Promise.race([work, lost]);
    const given = Promise.withResolvers<never>();
    const stop = (): void => given.reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      return await Promise.race([work, lost, given.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

const limitOf = (value: DataValue | undefined): number => {
  const stated: unknown = value?.value?.value;
  return typeof stated === 'number' && stated > 0 ? Math.min(stated, mostAtOnce) : mostAtOnce;
};

function filterOf({ type, value }: NonNullable<Subscribed['deadband']>): DataChangeFilter {
  return new DataChangeFilter({
    trigger: DataChangeTrigger.StatusValue,
    deadbandType: type === 'percent' ? DeadbandType.Percent : DeadbandType.Absolute,
    deadbandValue: value,
  });
}

function seenOf({ statusCode, sourceTimestamp, serverTimestamp, value: variant }: DataValue): Seen {
  return {
    wire: variant ? wireOf(variant) : null,
    status: { code: statusCode.value, name: statusCode.name },
    sourceMs: sourceTimestamp?.getTime() ?? null,
    serverMs: serverTimestamp?.getTime() ?? null,
  };
}

function wireOf({ dataType, arrayType, dimensions, value }: Variant): WireValue {
  const isArray = arrayType !== VariantArrayType.Scalar;
  return {
    dataType,
    isArray,
    dimensions: arrayType === VariantArrayType.Matrix ? (dimensions ?? null) : null,
    value: value as unknown,
  };
}

function publishedOf(subscriptionId: number, message: NotificationMessage): Published {
  const changes: Published['changes'][number][] = [];
  let ended: string | null = null;
  for (const data of message.notificationData ?? []) {
    const { monitoredItems, status } = data as {
      monitoredItems?: readonly { clientHandle: number; value: DataValue }[];
      status?: { name: string };
    };
    for (const { clientHandle, value } of monitoredItems ?? []) changes.push({ clientHandle, seen: seenOf(value) });
    if (status !== undefined) ended = status.name;
  }
  const hasData = (message.notificationData?.length ?? 0) > 0;
  return { subscriptionId, sequenceNumber: hasData ? message.sequenceNumber : null, changes, ended };
}
