import {
  AttributeIds,
  DataChangeFilter,
  DataChangeTrigger,
  DeadbandType,
  PublishRequest,
  RepublishRequest,
  TimestampsToReturn,
} from 'node-opcua-client';
import type {
  ClientSession,
  ClientSessionPublishService,
  ClientSessionRawSubscriptionService,
  PublishResponse,
  RepublishResponse,
  TransferSubscriptionsResponse,
} from 'node-opcua-client';
import type { Subscribed } from './plan.ts';
import { publishedOf, revisedOr, statusOf } from './wire-said.ts';
import type {
  Acknowledged,
  CreatedItem,
  CreatedSubscription,
  MonitoredTarget,
  Published,
  Transferred,
} from './wire.ts';

/** The services of subscriptions are the session's too; the library types them apart. */
export type RawSession = ClientSession & ClientSessionRawSubscriptionService & ClientSessionPublishService;

/** A subscription that hears of no publish request for so long is deleted by the server. */
const lifetimeMs = 60_000;
/** A publish request waits for as long as nothing happens; who watches the silence is `silence.ts`. */
const publishMs = 2 ** 31 - 1;
/** A sign of life at least so often. */
const keepAliveMs = 5_000;

/** CreateSubscription (OPC UA Part 4, 5.14.2): asks for a sign of life every 5 s, for 60 s of life without one from here. */
export async function subscribe(
  session: RawSession,
  publishingMs: number,
  timeoutMs: number,
): Promise<CreatedSubscription> {
  const keepAliveCount = Math.max(1, Math.ceil(keepAliveMs / publishingMs));
  const made = await session.createSubscription({
    requestedPublishingInterval: publishingMs,
    requestedMaxKeepAliveCount: keepAliveCount,
    // At least three times the keep-alive count (OPC UA Part 4, 5.14.2).
    requestedLifetimeCount: Math.max(3 * keepAliveCount, Math.ceil(lifetimeMs / publishingMs)),
    maxNotificationsPerPublish: 0,
    publishingEnabled: true,
    priority: 0,
  });
  const { subscriptionId, revisedMaxKeepAliveCount: count } = made;
  const revisedMs = revisedOr(made.revisedPublishingInterval, publishingMs);
  const alive = { askedMs: publishingMs * keepAliveCount, givenMs: revisedMs * count };
  return { subscriptionId, publishingMs: revisedMs, alive, silentAfterMs: alive.givenMs + timeoutMs };
}

/** CreateMonitoredItems (OPC UA Part 4, 5.13.2), answers in the order of `targets`; intervals in ms. */
export async function monitor(
  session: RawSession,
  subscriptionId: number,
  targets: readonly MonitoredTarget[],
): Promise<readonly CreatedItem[]> {
  const { results } = await session.createMonitoredItems({
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
  });
  return targets.map((target, at) => {
    const result = results?.[at];
    const { statusCode, monitoredItemId = 0, revisedSamplingInterval = 0, revisedQueueSize = 0 } = result ?? {};
    return {
      status: statusCode ? statusOf(statusCode) : { code: 0x80010000, name: 'BadUnexpectedError' },
      itemId: monitoredItemId,
      samplingMs: revisedOr(revisedSamplingInterval, target.samplingMs),
      queueSize: revisedQueueSize,
    };
  });
}

function filterOf({ type, value }: NonNullable<Subscribed['deadband']>): DataChangeFilter {
  return new DataChangeFilter({
    trigger: DataChangeTrigger.StatusValue,
    deadbandType: type === 'percent' ? DeadbandType.Percent : DeadbandType.Absolute,
    deadbandValue: value,
  });
}

/** A message once more, or, at some servers, an empty one. */
export async function republish(
  session: RawSession,
  subscriptionId: number,
  retransmitSequenceNumber: number,
): Promise<Published> {
  const request = new RepublishRequest({ subscriptionId, retransmitSequenceNumber });
  const { notificationMessage } = await answered<RepublishResponse>((done) => session.republish(request, done));
  return publishedOf(subscriptionId, notificationMessage);
}

/** Publish (OPC UA Part 4, 5.14.5). Resolves with the next message, whenever it comes. */
export async function publish(session: RawSession, acknowledge: readonly Acknowledged[]): Promise<Published> {
  const request = new PublishRequest({ subscriptionAcknowledgements: [...acknowledge] });
  request.requestHeader.timeoutHint = publishMs;
  const { subscriptionId, notificationMessage } = await answered<PublishResponse>((done) =>
    session.publish(request, done),
  );
  return publishedOf(subscriptionId, notificationMessage);
}

/** TransferSubscriptions (OPC UA Part 4, 5.14.7), answers in the order of the question. */
export async function transfer(
  session: RawSession,
  subscriptionIds: readonly number[],
  sendInitialValues: boolean,
): Promise<readonly Transferred[]> {
  const request = { subscriptionIds: [...subscriptionIds], sendInitialValues };
  const { results } = await answered<TransferSubscriptionsResponse>((done) =>
    session.transferSubscriptions(request, done),
  );
  return subscriptionIds.map((_, at) => ({
    status: results?.[at]?.statusCode.name ?? 'BadUnexpectedError',
    available: [...(results?.[at]?.availableSequenceNumbers ?? [])],
  }));
}

function answered<Answer>(ask: (done: (error: Error | null, answer?: Answer) => void) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    ask((error, answer) => (answer ? resolve(answer) : reject(error ?? new Error('no answer'))));
  });
}
