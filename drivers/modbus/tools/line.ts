import { LinkError } from '../../../agent/errors.ts';
import type { ToolHost } from '../../tools.ts';
import { borrowLink } from '../borrowed-link.ts';
import type { Request } from '../codec.ts';
import { meansSilence } from '../protocol.ts';
import type { Outcome } from '../link.ts';
import { openLink } from '../open-link.ts';
import { lineName } from './line-url.ts';
import type { LineUrl } from './line-url.ts';

/** What a tool needs of a line: one request at a time. Rejects with LinkError when the line is lost. */
export interface Line {
  /** For people: `10.12.0.20:502`. */
  readonly name: string;
  /** A daemon has it open, at the settings of its configuration. */
  readonly isBorrowed: boolean;
  /** False when the next request cannot be made any more. */
  readonly isOpen: boolean;
  request(request: Request, timeoutMs: number): Promise<Outcome>;
  /** Resolves when another may open it. */
  close(): Promise<void>;
}

/** Opens the line. Rejects with LinkError. */
export async function openLine({ transport, timeoutMs: longestMs }: Where, host: Host): Promise<Line> {
  const { clock, signal } = host;
  const borrowed = await borrowLink(transport, host, signal);
  const link = borrowed ?? (await openLink({ transport }, longestMs, clock, signal));
  const giveUp = (): void => link.close();
  signal.addEventListener('abort', giveUp, { once: true });
  return {
    name: borrowed === null ? lineName(transport) : borrowedName(transport),
    isBorrowed: borrowed !== null,
    get isOpen() {
      return link.isOpen;
    },
    request: (request, timeoutMs) => link.request(request, timeoutMs),
    close: async () => {
      signal.removeEventListener('abort', giveUp);
      link.close();
      await link.ended;
    },
  };
}

/** The daemon opened it with the settings of its configuration: those of the URL are not used. */
function borrowedName(transport: LineUrl['transport']): string {
  if (transport.kind !== 'rtu') return `${lineName(transport)} through the daemon`;
  return `${transport.path} through the daemon, at the settings it has there`;
}

type Where = Pick<LineUrl, 'transport' | 'timeoutMs'>;
type Host = Pick<ToolHost, 'clock' | 'owner' | 'signal'>;

/** Some gateways take a moment until they accept the next client. */
const reopenMs = 1000;

export interface LastingLine extends Line {
  /** How often the other end closed it instead of an answer; told as silence. */
  readonly closed: number;
}

/** A line that is opened anew when an answer, or the other end, was the end of the link. */
export async function openLasting(url: Where, host: Host): Promise<LastingLine> {
  const { clock, signal } = host;
  let line = await openLine(url, host);
  let isLost = false;
  let closed = 0;
  const reopened = async (): Promise<Line> => {
    try {
      return await openLine(url, host);
    } catch (error) {
      if (signal.aborted) throw error;
      await clock.sleep(reopenMs, signal);
      return openLine(url, host);
    }
  };
  return {
    name: line.name,
    isBorrowed: line.isBorrowed,
    get isOpen() {
      return true;
    },
    get closed() {
      return closed;
    },
    async request(request, timeoutMs) {
      if (isLost) line = await reopened();
      isLost = false;
      try {
        const outcome = await line.request(request, timeoutMs);
        isLost = !line.isOpen;
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
