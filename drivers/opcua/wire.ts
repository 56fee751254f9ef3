import type { InUse } from './pki/expiry.ts';
import type { Subscribed } from './plan.ts';
import type { WireTimes } from './times.ts';
import type { WireValue } from './values.ts';
import type { BrowseAsk, Browsed, PathAsk, PathFound } from './wire-space.ts';

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
