import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import type { BytePort } from './byte-port.ts';
import { Doubts } from './doubts.ts';
import { IdleLink } from './idle-link.ts';
import type { Link } from './link.ts';
import type { ModbusPlan } from './plan.ts';
import { RtuLink } from './rtu-link.ts';
import { openSerialPort } from './serial-port.ts';
import { openSocket } from './socket.ts';
import { socketPort } from './socket-port.ts';
import { openTcpLink } from './transport-tcp.ts';
import { wireTimes } from './wire-times.ts';

/** A lost SYN is sent again after one second: a shorter deadline would fail where TCP does not. */
const leastConnectMs = 3000;

/** `longestTimeoutMs`: of the requests that will be made. Rejects with LinkError; `signal` gives the attempt up. */
export async function openLink(
  plan: Pick<ModbusPlan, 'transport'> & Partial<Pick<ModbusPlan, 'pauseAfterConnectMs' | 'closeWhenIdle'>>,
  longestTimeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Link> {
  const doubts = new Doubts();
  const open = (given: AbortSignal): Promise<Link> => openOnce(plan, { longestTimeoutMs, clock, doubts }, given);
  return plan.closeWhenIdle === true ? new IdleLink(await open(signal), open) : open(signal);
}

async function openOnce(
  {
    transport,
    pauseAfterConnectMs = 0,
  }: Pick<ModbusPlan, 'transport'> & Partial<Pick<ModbusPlan, 'pauseAfterConnectMs'>>,
  { longestTimeoutMs, clock, doubts }: { longestTimeoutMs: number; clock: Clock; doubts: Doubts },
  signal: AbortSignal,
): Promise<Link> {
  async function rested<Opened extends { close(): unknown }>(opened: Opened, given: AbortSignal): Promise<Opened> {
    if (pauseAfterConnectMs === 0) return opened;
    try {
      await clock.sleep(pauseAfterConnectMs, given);
      return opened;
    } catch (cause) {
      await opened.close();
      throw new LinkError('the attempt was given up in its pause after connecting', { cause });
    }
  }

  if (transport.kind === 'rtu') {
    const { kind: _, ...line } = transport;
    const port = await rested(await openSerialPort(line, signal), signal);
    return new RtuLink(port, { clock, wire: wireTimes(line), doubts });
  }
  const connectMs = Math.max(leastConnectMs, longestTimeoutMs);
  if (transport.kind === 'tcp') return rested(await openTcpLink(transport, connectMs, clock, signal), signal);
  const open = async (given: AbortSignal): Promise<BytePort> => {
    const socket = await openSocket(transport, connectMs, clock, given);
    return rested(socketPort(socket, `${transport.host}:${transport.port}`), given);
  };
  return new RtuLink(await open(signal), { clock, wire: noWire, doubts, renew: open });
}

/** What lies behind the serial server keeps its own times. */
const noWire = { characterMs: 0, gapMs: 0 };
