import type { Clock } from '../../agent/clock.ts';
import type { BytePort } from './byte-port.ts';
import type { Link } from './link.ts';
import type { Transport } from './plan.ts';
import { RtuLink, wireTimes } from './rtu-link.ts';
import { openSerialPort } from './serial-port.ts';
import { openSocket } from './socket.ts';
import { socketPort } from './socket-port.ts';
import { openTcpLink } from './transport-tcp.ts';

/** A lost SYN is sent again after one second: a shorter deadline would fail where TCP does not. */
const leastConnectMs = 3000;

/** `longestTimeoutMs`: of the requests that will be made. Rejects with LinkError; `signal` gives the attempt up. */
export async function openLink(
  transport: Transport,
  longestTimeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Link> {
  if (transport.kind === 'rtu') {
    const { kind: _, ...line } = transport;
    return new RtuLink(await openSerialPort(line, signal), { clock, wire: wireTimes(line) });
  }
  const connectMs = Math.max(leastConnectMs, longestTimeoutMs);
  if (transport.kind === 'tcp') return openTcpLink(transport, connectMs, clock, signal);
  const open = async (given: AbortSignal): Promise<BytePort> =>
    socketPort(await openSocket(transport, connectMs, clock, given), `${transport.host}:${transport.port}`);
  return new RtuLink(await open(signal), { clock, wire: noWire, renew: open });
}

/** What lies behind the serial server keeps its own times. */
const noWire = { characterMs: 0, gapMs: 0 };
