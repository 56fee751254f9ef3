import type {
  Acknowledged,
  CreatedSubscription,
  MonitoredTarget,
  Published,
  Seen,
  ServerNow,
  Target,
  Transferred,
  Wire,
} from '../../../drivers/opcua/wire.ts';
import { ServiceFault } from '../../../drivers/opcua/service-fault.ts';
import { settled } from '../../support/fake-clock.ts';

const good = { code: 0, name: 'Good' };
const tooMany = { code: 0x80db0000, name: 'BadTooManyMonitoredItems' };
const unknown = { code: 0x80340000, name: 'BadNodeIdUnknown' };

/** The server's side of a session, of which messages are lost, come late or twice, and of which nodes vanish: no real one does that when it is told to. */
export class ScriptedWire implements Wire {
  readonly namespaces = ['', 'urn:site:plc'];
  readonly mostReads = 2;
  readonly mostItems = 2;
  readonly mostPaths = 2;
  readonly inUse = [];
  readonly mostBrowses = 2;
  readonly timeoutMs = 5_000;
  readonly keptMs = 60_000;
  openedAt: ServerNow | null = null;
  readonly ended = new Promise<undefined>(() => {});
  readonly handles = new Map<string, number>();
  readonly acknowledged: number[] = [];
  readonly unmonitored: number[] = [];
  /** How many items it was asked to watch. */
  monitored = 0;
  readonly gone = new Set<string>();
  /** What it has no room to watch. */
  readonly full = new Set<string>();
  /** What it still has. */
  readonly kept = new Map<number, Published>();
  #waiting: PromiseWithResolvers<Published>[] = [];

  server = (): Promise<never> => new Promise(() => {});
  /** What a read of them shows; of all others nothing. */
  readonly values = new Map<string, Seen>();
  /** Each read of values, and whether the server's cache would do. */
  readonly reads: { readonly nodeIds: readonly string[]; readonly cached: boolean }[] = [];
  read(targets: readonly Target[], _?: AbortSignal, cached = false): Promise<Seen[]> {
    const ofValues = targets.filter(({ attributeId }) => attributeId === undefined);
    if (ofValues.length > 0) this.reads.push({ nodeIds: ofValues.map(({ nodeId }) => nodeId), cached });
    return Promise.resolve(
      targets.map(({ nodeId, attributeId }) => {
        if (this.gone.has(nodeId)) return seenOf(null, unknown);
        return (attributeId === undefined ? this.values.get(nodeId) : undefined) ?? seenOf(null, good);
      }),
    );
  }
  translate = (): Promise<never> => new Promise(() => {});
  browse = (): Promise<never> => new Promise(() => {});
  browseOn = (): Promise<never> => new Promise(() => {});
  /** What it promises of a sign of life. */
  promises: Pick<CreatedSubscription, 'alive' | 'silentAfterMs'> = {
    alive: { askedMs: 5_000, givenMs: 5_000 },
    silentAfterMs: 10_000,
  };
  /** How often it was asked, and what it answers. */
  asked = 0;
  has = true;
  knows(): Promise<boolean> {
    this.asked++;
    return Promise.resolve(this.has);
  }
  /** It publishes no more often. */
  leastPublishingMs = 0;
  /** That of five seconds is 8. */
  subscribe = (publishingMs: number): ReturnType<Wire['subscribe']> =>
    Promise.resolve({
      subscriptionId: publishingMs === 5_000 ? 8 : 7,
      publishingMs: Math.max(publishingMs, this.leastPublishingMs),
      ...this.promises,
    });
  monitor(_: number, targets: readonly MonitoredTarget[]): ReturnType<Wire['monitor']> {
    this.monitored += targets.length;
    const created = targets.map(({ nodeId, clientHandle }) => {
      const status = this.gone.has(nodeId) ? unknown : this.full.has(nodeId) ? tooMany : good;
      if (status === good) this.handles.set(nodeId, clientHandle);
      return { status, itemId: clientHandle + 100, samplingMs: 1_000, queueSize: 100 };
    });
    return Promise.resolve(created);
  }
  unmonitor(_: number, itemIds: readonly number[]): Promise<void> {
    this.unmonitored.push(...itemIds);
    return Promise.resolve();
  }
  /** What it answers for each subscription that is asked for; none: it cannot hand any on. */
  handsOn: Transferred | null = null;
  readonly transferred: number[] = [];
  transfer(subscriptionIds: readonly number[]): Promise<readonly Transferred[]> {
    this.transferred.push(...subscriptionIds);
    const { handsOn } = this;
    if (handsOn === null) return Promise.reject(new ServiceFault('BadServiceUnsupported', null));
    return Promise.resolve(subscriptionIds.map(() => handsOn));
  }
  republish = (_: number, sequenceNumber: number): Promise<Published | null> =>
    Promise.resolve(this.kept.get(sequenceNumber) ?? null);
  publish(acknowledge: readonly Acknowledged[]): Promise<Published> {
    this.acknowledged.push(...acknowledge.map(({ sequenceNumber }) => sequenceNumber));
    const waiting = Promise.withResolvers<Published>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }
  close = (): Promise<void> => Promise.resolve();

  message(sequenceNumber: number, name: string, value: number, sourceMs: number | null = null): Published {
    const clientHandle = this.handles.get(`ns=1;s=${name}`) ?? -1;
    return {
      subscriptionId: 7,
      sequenceNumber,
      changes: [{ clientHandle, seen: seenOf(value, good, sourceMs) }],
      ended: null,
    };
  }

  async send(message: Published): Promise<void> {
    await settled();
    this.#waiting.shift()?.resolve(message);
    await settled();
  }

  /** Answers a request for a message with a refusal. */
  async refuse(status: string): Promise<void> {
    this.#waiting.shift()?.reject(new ServiceFault(status, null));
    await settled();
  }
}

export function seenOf(value: number | null, status: Seen['status'] = good, sourceMs: number | null = null): Seen {
  const wire = value === null ? null : { dataType: 11, isArray: false, dimensions: null, value };
  return { wire, status, overflowed: false, sourceMs, serverMs: null };
}
