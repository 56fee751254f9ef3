import { VariantArrayType } from 'node-opcua-client';
import type { DataValue, NotificationMessage, Variant } from 'node-opcua-client';
import { defaults } from './defaults.ts';
import type { WireValue } from './values.ts';
import type { Published, Seen } from './wire.ts';

export const mostAtOnce: number = defaults.mostAtOnce;

export const namesOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);
export const timeOf = (value: unknown): number | null => (value instanceof Date ? value.getTime() : null);

export const limitOf = (seen: Seen | undefined): number => {
  const stated = seen?.wire?.value;
  return typeof stated === 'number' && stated >= 1 ? Math.min(Math.floor(stated), mostAtOnce) : mostAtOnce;
};

/** A Duration (OPC UA Part 3, 8.13: ms, a Double) that a server revised; what is none is as if it had kept to what was asked. */
export const revisedOr = (stated: number, askedMs: number): number => (stated >= 0 ? stated : askedMs);

/** Info type DataValue, and its bit Overflow (OPC UA Part 4, 7.39.1). */
const overflowed = 0x0480;

/** The library hangs the names of info bits on it: `Good#Overflow`. */
export const statusOf = ({ value, name }: { value: number; name: string }): Seen['status'] => ({
  code: value,
  name: name.split('#')[0] ?? name,
});

/** The library's value as the contract has it; times in Unix ms, null where the server says none. */
export function seenOf({ statusCode, sourceTimestamp, serverTimestamp, value: variant }: DataValue): Seen {
  return {
    wire: variant ? wireOf(variant) : null,
    status: statusOf(statusCode),
    overflowed: (statusCode.value & overflowed) === overflowed,
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

/** What one NotificationMessage says: changes, gaps, the end of the subscription. */
export function publishedOf(subscriptionId: number, message: NotificationMessage): Published {
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
