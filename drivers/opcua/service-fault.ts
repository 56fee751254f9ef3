import { messageOf } from '../../agent/errors.ts';
import { unreachable } from './unreachable.ts';

/** The server refused a request as a whole. The link lives. */
export class ServiceFault extends Error {
  /** Name of the StatusCode. */
  readonly status: string;

  constructor(status: string, cause: unknown) {
    super(`the server answered ${status}`, { cause });
    this.status = status;
  }
}

/** It asks for less at once (OPC UA Part 4, 7.39.2). */
const tooMuch = /^Bad(?:TooManyOperations|ResponseTooLarge|RequestTooLarge|EncodingLimitsExceeded|TcpMessageTooLarge)$/;

/** The session, or what carries it, is of no use any more. */
const over =
  /^Bad(?:Session(?:IdInvalid|Closed|NotActivated)|SecureChannel(?:IdInvalid|Closed|TokenUnknown)|IdentityTokenRejected|Shutdown|ServerHalted|ConnectionClosed)$/;

const asksForLess = (error: unknown): error is ServiceFault =>
  error instanceof ServiceFault && tooMuch.test(error.status);

/** So many publish requests are more than the server lets wait. */
export const isOneTooMany = (error: unknown): boolean =>
  error instanceof ServiceFault && /^BadTooManyPublishRequests$/.test(error.status);

/** It watches nothing, or no more than it does: what it would not watch can be read. */
export const takesNoMore = (status: string): boolean =>
  /^Bad(?:TooManySubscriptions|TooManyMonitoredItems|ServiceUnsupported|NotImplemented|OutOfMemory|ResourceUnavailable)$/.test(
    status,
  );

/** There is no such subscription. */
export const hasNone = ({ status }: ServiceFault): boolean => /^BadSubscriptionIdInvalid$/.test(status);

/** It does not hold back what a deadband would hold back (OPC UA Part 4, 7.22.2). */
export const refusesDeadband = (status: string): boolean =>
  /^Bad(?:DeadbandFilterInvalid|MonitoredItemFilter(?:Unsupported|Invalid)|FilterNotAllowed)$/.test(status);

export const endsSession = ({ status }: ServiceFault): boolean => over.test(status);

/** What the server says of a request that it refuses; null: it said nothing. */
export function faultOf(error: unknown): ServiceFault | null {
  const { response } = (error ?? {}) as { response?: { responseHeader?: { serviceResult?: { name: string } } } };
  const status = response?.responseHeader?.serviceResult?.name;
  return status === undefined ? null : new ServiceFault(status, error);
}

/** All of it at once, or in halves where that is too much for the server; `learned`: so many are not. */
export async function inHalves<Item, Result>(
  items: readonly Item[],
  ask: (some: readonly Item[]) => Promise<readonly Result[]>,
  learned: (most: number) => void,
): Promise<readonly Result[]> {
  try {
    return await ask(items);
  } catch (error) {
    if (!asksForLess(error) || items.length < 2) throw error;
    const half = Math.ceil(items.length / 2);
    learned(half);
    return [
      ...(await inHalves(items.slice(0, half), ask, learned)),
      ...(await inHalves(items.slice(half), ask, learned)),
    ];
  }
}

/** For whoever looks after the server, or the network. */
export function whyNotOpened(error: unknown, endpoint: string): string {
  if (/\bBadTooManySessions\b/.test(`${faultOf(error)?.status} ${messageOf(error)}`))
    return 'the server has as many sessions as it takes (BadTooManySessions); end other clients there, or raise its limit. One that a lost link left behind goes within a minute';
  // An assertion of the library has no words.
  const text = messageOf(error).replaceAll(/\s+/g, ' ').trim() || 'the library gave up, and says no reason';
  return unreachable(text, endpoint) ?? text;
}
