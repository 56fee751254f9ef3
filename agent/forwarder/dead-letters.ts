import type { UplinkError } from '../errors.ts';
import type { GatewayEvent, Kept, Stream } from '../reading.ts';

/** For the log of the lane. */
export function rejectedText({ code }: UplinkError): string {
  return `one record was refused for good (${code}) and lies in the buffer's dead letters`;
}

/** What people are told of one entry that the uplink will never take. It lies in dead-letters.db. */
export function rejected(lane: Stream, entry: Kept, error: UplinkError): GatewayEvent {
  const [device, point] = entry.form === 'reading' ? [entry.point.device, entry.point.point] : [null, null];
  const facts = { stream: lane, epoch: entry.epoch, seq: entry.seq, code: error.code, reason: error.message };
  const message = `${lane}: ${rejectedText(error)}`;
  return { event: 'dead-letter', severity: 'warning', device, point, message, facts };
}

/** The alarm: more were refused in a row than can be poison. */
export function stalledText(code: string, rejectionsInRow: number, slowMs: number): string {
  return (
    `more than ${rejectionsInRow} records in a row were refused (${code}): the topic is broken, not the records. The lane waits and ` +
    `tries one every ${slowMs / 1000} s; compare the topic's settings (max.message.bytes, …) with what is sent`
  );
}

/** What people are told when a lane waits until somebody mends something. */
export function stalled(lane: Stream, code: string, text: string): GatewayEvent {
  return { event: 'dead-letter', severity: 'error', message: `${lane}: ${text}`, facts: { stream: lane, code } };
}
