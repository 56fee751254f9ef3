import * as v from 'valibot';
import { allowed, doc, duration, flag, host, integer, oneOf, port, unfit } from '../../agent/config/grammar.ts';
import type { Settings } from '../driver.ts';
import { defaults } from './defaults.ts';

/** Baud rates that meters and adapters know. */
export const baudRates = [
  300, 600, 1200, 2400, 4800, 9600, 14_400, 19_200, 28_800, 38_400, 57_600, 76_800, 115_200, 230_400,
];

function baudRate() {
  return v.pipe(
    integer(300, 230_400, baudRates.join(', ')),
    v.check((rate) => baudRates.includes(rate), allowed(baudRates.join(', '))),
    v.metadata({ enum: baudRates }),
  );
}

function serialPath() {
  const message = allowed('the path of a serial line, e.g. "/dev/serial/by-path/platform-usb-0:1.2"');
  return v.pipe(v.string(message), v.regex(/^\/[^\p{Cc}]{1,4095}$/u, message));
}

const inTime = {
  pauseAfterConnect: v.optional(
    doc(
      duration({ maxMs: 60_000 }),
      'Quiet time after the connection was made, before the first request. For gateways and adapters that need a moment.',
      { default: '0ms', examples: ['500ms'] },
    ),
  ),
  closeWhenIdle: v.optional(
    doc(
      flag(),
      '`true` closes the connection whenever nothing is to be read, and opens it for the next reading. For gateways that allow few clients.',
      { default: false },
    ),
  ),
};

/** More at once than devices take (the Modbus Messaging on TCP/IP Implementation Guide lets them stop at 1 to 16) only fills queues. */
const mostInFlight = 16;

const oneAtATime = unfit('not for a serial line, which carries one question at a time; remove it');

/** The keys of a connection besides the inherited ones, by its driver. */
export const connections = {
  'modbus-tcp': {
    host: doc(host(), 'Name or IP address of the meter, or of the gateway in front of its serial line.', {
      examples: ['10.12.0.20'],
    }),
    port: v.optional(doc(port(), 'TCP port.', { default: defaults.port })),
    maxInFlight: v.optional(
      doc(
        integer(1, mostInFlight, `1…${mostInFlight}`),
        'Requests that may wait for their answers at once, at most one for each `unitId`. Raise it only for a gateway that asks its meters side by side: where it asks one after the other, a dead meter makes the requests behind it late.',
        { default: defaults.maxInFlight, examples: [4] },
      ),
    ),
    ...inTime,
  },
  'modbus-rtu': {
    path: doc(
      serialPath(),
      'The serial line. A name below `/dev/serial/by-path` or `/dev/serial/by-id` stays that of this adapter when others are plugged in; only this path is ever opened.',
      { examples: ['/dev/serial/by-path/platform-usb-0:1.2'] },
    ),
    baudRate: v.optional(
      doc(baudRate(), 'Bits a second on the line, the same at all its meters.', {
        default: defaults.baudRate,
        examples: [19_200],
      }),
    ),
    parity: v.optional(
      doc(
        oneOf(['none', 'even', 'odd']),
        'The parity bit, the same at all meters of the line. Characters have 8 data bits.',
        {
          default: defaults.parity,
        },
      ),
    ),
    stopBits: v.optional(
      doc(integer(1, 2, '1 or 2'), 'Stop bits: mostly 1, or 2 without parity.', { default: defaults.stopBits }),
    ),
    maxInFlight: oneAtATime,
    ...inTime,
  },
  'modbus-rtu-over-tcp': {
    host: doc(host(), 'Name or IP address of the serial server that hands the bytes of the line on as they are.', {
      examples: ['10.12.0.21'],
    }),
    port: v.optional(doc(port(), 'TCP port.', { default: defaults.port, examples: [4001] })),
    maxInFlight: oneAtATime,
    ...inTime,
  },
};

/** Two owners of a serial line talk over each other; of a host they may. */
export function linkOf(
  driver: string,
  { host: where, port: at = defaults.port, path }: Settings,
): { name: string; shared: 'error' | 'warning' } {
  if (driver === 'modbus-rtu') return { name: path as string, shared: 'error' };
  return { name: `${(where as string).toLowerCase()}:${at as number}`, shared: 'warning' };
}
