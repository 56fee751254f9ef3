import type { Clock } from '../../../agent/clock.ts';
import type { ReadRequest } from '../codec.ts';
import { openTcpLink } from '../transport-tcp.ts';
import type { Outcome } from '../transport-tcp.ts';
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
