import { claimable } from './handover.ts';
import type { Left, LeftSubscription, Wanted } from './handover.ts';
import type { OpcUaPoint } from './plan.ts';
import { missingBefore, numberAfter } from './sequence.ts';
import { ServiceFault } from './service-fault.ts';
import type { Published, Transferred, Wire } from './wire.ts';

/** A subscription of the session before that is this one's now. */
export interface Claimed extends LeftSubscription {
  /** Messages that the lost link did not bring, in their order. */
  readonly missed: readonly Published[];
  /** Others were lost, and the server has them no more. */
  readonly hasLost: boolean;
  /** Numbers of messages that were kept, and never acknowledged. */
  readonly kept: readonly number[];
  /** Number of the message that comes next. */
  readonly expected: number;
}

/**
 * Asks the server for the subscriptions that the session before left behind (TransferSubscriptions, OPC UA Part 4, 5.14.7), and for what the lost link did not bring. What the server does not
 * give, or what is not known to be ours, is left out; `refused`: why the first of them was refused.
 */
export async function claim(
  left: Left,
  wire: Wire,
  wanted: ReadonlyMap<OpcUaPoint, Wanted>,
): Promise<{ readonly claimed: readonly Claimed[]; readonly refused: string | null }> {
  const asked = claimable(left, wire.openedAt, wanted);
  if (asked.length === 0) return { claimed: [], refused: null };
  let results: readonly Transferred[];
  try {
    // Present values too: a point that did not change meanwhile may have been told as not connected.
    results = await wire.transfer(
      asked.map(({ subscriptionId }) => subscriptionId),
      true,
    );
  } catch (error) {
    if (error instanceof ServiceFault) return { claimed: [], refused: error.status };
    throw error;
  }
  const claimed: Claimed[] = [];
  let refused: string | null = null;
  for (const [at, subscription] of asked.entries()) {
    const { status, available } = results[at] ?? { status: 'BadUnexpectedError', available: [] };
    if (status.startsWith('Bad')) refused ??= status;
    else claimed.push({ ...subscription, ...(await catchUp(subscription, available, wire)) });
  }
  return { claimed, refused };
}

/** `available`: messages that the server sent to nobody, or that nobody acknowledged. */
async function catchUp(
  { subscriptionId, live }: LeftSubscription,
  available: readonly number[],
  wire: Wire,
): Promise<Pick<Claimed, 'missed' | 'hasLost' | 'kept' | 'expected'>> {
  // Messages count from 1 (OPC UA Part 4, 7.9).
  const first = live.expected ?? 1;
  const kept = available.filter((number) => missingBefore(number, first) === null);
  const ahead = available.filter((number) => !kept.includes(number));
  const distance = (number: number): number => missingBefore(number, first)?.length ?? 0;
  const missed: Published[] = [];
  let hasLost = false;
  let expected = first;
  for (const number of ahead.toSorted((a, b) => distance(a) - distance(b))) {
    hasLost ||= number !== expected;
    const message = await wire.republish(subscriptionId, number);
    if (message === null) hasLost = true;
    else missed.push({ ...message, sequenceNumber: number });
    expected = numberAfter(number);
  }
  return { missed, hasLost, kept, expected };
}
