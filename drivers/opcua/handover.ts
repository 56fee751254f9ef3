import { LinkError } from '../../agent/errors.ts';
import type { Observation } from '../../agent/reading.ts';
import type { OpcUaPoint, Subscribed } from './plan.ts';
import type { Found } from './read-queue.ts';
import type { CreatedSubscription, ServerNow } from './wire.ts';

/** What the server still has of this session is of no use to the next one. */
export class AnewError extends LinkError {}

export type Wanted = Found & { readonly subscribed: Subscribed };

/** A point that the server watches, or is asked to. */
export interface Item extends Wanted {
  readonly subscriptionId: number;
  /** null: the server refused it. */
  itemId: number | null;
  /** How often the server samples it; as asked until it says. */
  samplingMs: number;
  /** What was said of it last. */
  status: string;
  /** At the last look; null: not looked yet, or the server does not say. */
  dataType: string | null;
  /** What came of it last. */
  last: Observation | null;
}

/** A subscription that has a session. */
export interface Live {
  /** As the server has them. */
  readonly publishingMs: number;
  readonly alive: CreatedSubscription['alive'];
  readonly silentAfterMs: number;
  heardBootMs: number;
  /** Number of the message that comes next; null: none came. */
  expected: number | null;
}

/** A subscription that outlives its session: the server goes on watching, for as long as it said. */
export interface LeftSubscription {
  readonly subscriptionId: number;
  readonly live: Live;
  readonly items: ReadonlyMap<number, Item>;
}

/** What a session whose link was lost leaves to the next one of the same plan. */
export interface Left {
  /** The server whose they are; null: it does not say, so nobody knows whose a subscription of this number is now. */
  readonly server: ServerNow | null;
  readonly endedBootMs: number;
  readonly handles: number;
  /** Whether subscriptions of this server speak when they were handed on. */
  readonly mayClaim: boolean;
  readonly subscriptions: readonly LeftSubscription[];
  /** What the buffer had no room for. */
  readonly unkept: readonly Observation[];
  /** Of each point what came last. */
  readonly last: ReadonlyMap<OpcUaPoint, Observation>;
}

/**
 * Which of the subscriptions may be asked for: those of the same start of the same server, all of whose nodes are still what they were. A number that a server gave before a
 * restart may be another client's by now.
 */
export function claimable(
  left: Left,
  server: ServerNow | null,
  wanted: ReadonlyMap<OpcUaPoint, Wanted>,
): readonly LeftSubscription[] {
  if (!left.mayClaim || server === null || left.server === null || server.startedMs === null) return [];
  if (server.startedMs !== left.server.startedMs) return [];
  if (server.namespaces.join('\n') !== left.server.namespaces.join('\n')) return [];
  return left.subscriptions.filter(({ items }) =>
    [...items.values()].every(({ point, target }) => {
      const now = wanted.get(point);
      return now !== undefined && now.target?.nodeId === target?.nodeId;
    }),
  );
}
