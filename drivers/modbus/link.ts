import type { Clock, Stamp } from '../../agent/clock.ts';
import type { Answer, Request } from './codec.ts';

/** What became of a request: an answer, silence until the deadline, or bytes that cannot be its answer. */
export type Outcome = (
  | Answer
  | { readonly kind: 'silence' }
  | { readonly kind: 'damaged'; readonly reason: string }
) & {
  readonly at: Stamp;
};

/** One line. Over Modbus TCP several requests may be under way, elsewhere one at a time. A value is only ever made from bytes that are proven to answer the request that waits. */
export interface Link {
  /** Signs of life: grows with every byte that arrives. */
  readonly bytesHeard: number;
  /** False once it was lost or closed: no request can be made any more. */
  readonly isOpen: boolean;
  /** A cut in between may stay unnoticed for long: then silence of a device is a reason to open it anew. */
  readonly canBeHalfOpen: boolean;
  /** The link was lost (the error), or `close` was called (undefined). Never rejects. */
  readonly ended: Promise<Error | undefined>;
  /** Rejects with LinkError when the link is lost before an answer. */
  request(request: Request, timeoutMs: number): Promise<Outcome>;
  /** Nobody asks for now: it may let go of what it holds until the next request. */
  idle?(): void;
  /** Gives the link up; requests under way reject. */
  lose(reason: string): void;
  close(): void;
}

/** The answer, whenever it comes; after `ms` without it `giveUp` is called, which sees to it that one comes. */
export async function answeredWithin<Answered>(
  clock: Clock,
  ms: number,
  answer: Promise<Answered>,
  giveUp: () => unknown,
): Promise<Answered> {
  const answered = new AbortController();
  clock.sleep(ms, answered.signal).then(giveUp, () => {});
  try {
    return await answer;
  } finally {
    answered.abort(null);
  }
}
