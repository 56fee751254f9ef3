import type { Clock } from '../../../agent/clock.ts';
import { LinkError } from '../../../agent/errors.ts';
import type { ReadRequest } from '../codec.ts';
import { meansSilence } from '../protocol.ts';
import { openTcpLink } from '../transport-tcp.ts';
import type { Outcome } from '../link.ts';
import type { LineUrl } from './line-url.ts';

/** What a tool needs of a line: one request at a time. Rejects with LinkError when the line is lost. */
export interface Line {
  /** For people: `10.12.0.20:502`. */
  readonly name: string;
  request(request: ReadRequest, timeoutMs: number): Promise<Outcome>;
  close(): void;
}

const leastConnectMs = 3000;

/** Opens the line. Rejects with LinkError. */
export async function openLine(url: LineUrl, clock: Clock, signal: AbortSignal): Promise<Line> {
  const link = await openTcpLink(url, Math.max(leastConnectMs, url.timeoutMs), clock, signal);
  const giveUp = (): void => link.close();
  signal.addEventListener('abort', giveUp, { once: true });
  return {
    name: `${url.host}:${url.port}`,
    request: (request, timeoutMs) => link.request(request, timeoutMs),
    close: () => {
      signal.removeEventListener('abort', giveUp);
      link.close();
    },
  };
}

/** Some gateways take a moment until they accept the next client. */
const reopenMs = 1000;

export interface LastingLine extends Line {
  /** How often the other end closed it instead of an answer; told as silence. */
  readonly closed: number;
}

/** A line that is opened anew when an answer, or the other end, was the end of the link. */
export async function openLasting(url: LineUrl, clock: Clock, signal: AbortSignal): Promise<LastingLine> {
  let line = await openLine(url, clock, signal);
  let isLost = false;
  let closed = 0;
  const reopened = async (): Promise<Line> => {
    try {
      return await openLine(url, clock, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      await clock.sleep(reopenMs, signal);
      return openLine(url, clock, signal);
    }
  };
  return {
    name: line.name,
    get closed() {
      return closed;
    },
    async request(request, timeoutMs) {
      if (isLost) line = await reopened();
      isLost = false;
      try {
        const outcome = await line.request(request, timeoutMs);
        isLost = outcome.kind === 'damaged';
        return outcome;
      } catch (error) {
        if (!(error instanceof LinkError) || signal.aborted) throw error;
        isLost = true;
        closed += 1;
        return { kind: 'silence', at: clock.now() };
      }
    },
    close: () => line.close(),
  };
}

/** Nobody answered, or a gateway says so. */
export function isSilence(outcome: Outcome): boolean {
  return outcome.kind === 'silence' || (outcome.kind === 'exception' && meansSilence(outcome.code));
}
