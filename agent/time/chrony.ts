import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';

/**
 * chrony's command protocol, version 6, as its candm.h lays it out: one datagram asks for "tracking", one answers. All numbers in network order.
 * Answered by default to whoever asks from the same machine.
 */
const version = 6;
const requestType = 1;
const replyType = 2;
const trackingCommand = 33;
const trackingReply = 5;
const statusSuccess = 0;
const headBytes = 28;
/** Head and body of the answer. A request is as long, or it is not answered. */
const trackingBytes = 104;
const leapUnsynchronised = 3;
/** 127.127.1.1: it serves its own clock, and has asked nobody. */
const localReference = 0x7f_7f_01_01;
/** A clock that is being slewed is not right yet. */
const mostCorrectionSeconds = 1;
const deadlineMs = 1_000;

export interface Tracking {
  readonly refId: number;
  /** The leap status of NTP; 3: not synchronised. */
  readonly leap: number;
  /** When it last compared the clock, as text that changes with it. */
  readonly reference: string;
  /** What the system clock is still to be moved by. */
  readonly correctionSeconds: number;
}

/** Asks for "tracking" (candm.h, REQ_TRACKING), 104 bytes. `sequence`: 32 bits that the answer repeats. */
export function trackingRequest(sequence: number): Buffer {
  const bytes = Buffer.alloc(trackingBytes);
  bytes.writeUInt8(version, 0);
  bytes.writeUInt8(requestType, 1);
  bytes.writeUInt16BE(trackingCommand, 4);
  bytes.writeUInt32BE(sequence, 8);
  return bytes;
}

/** null: no answer to that request. */
export function parseTracking(bytes: Buffer, sequence: number): Tracking | null {
  if (bytes.length !== trackingBytes) return null;
  const isAnswer =
    bytes.readUInt8(0) === version &&
    bytes.readUInt8(1) === replyType &&
    bytes.readUInt16BE(4) === trackingCommand &&
    bytes.readUInt16BE(6) === trackingReply &&
    bytes.readUInt16BE(8) === statusSuccess &&
    bytes.readUInt32BE(16) === sequence;
  if (!isAnswer) return null;
  const body = bytes.subarray(headBytes);
  return {
    refId: body.readUInt32BE(0),
    leap: body.readUInt16BE(26),
    reference: body.subarray(28, 40).toString('hex'),
    correctionSeconds: floatOf(body.readInt32BE(40)),
  };
}

/** chrony's own form of 32 bits: 7 of a signed exponent, 25 of a signed coefficient, coefficient × 2^(exponent − 25). */
function floatOf(word: number): number {
  const exponent = word >> 25;
  const coefficient = (word << 7) >> 7;
  return coefficient * 2 ** (exponent - 25);
}

/** The clock is right: it follows a source, and has been moved to it. */
export function isTrackingRight({ refId, leap, correctionSeconds }: Tracking): boolean {
  return (
    leap < leapUnsynchronised &&
    refId !== 0 &&
    refId !== localReference &&
    Math.abs(correctionSeconds) <= mostCorrectionSeconds
  );
}

/** Asks chronyd on this machine. null: nobody answers there, or not as chrony does. Never rejects, takes a second at most. */
export function askChrony(port: number): Promise<Tracking | null> {
  const sequence = randomInt(2 ** 32);
  const socket = createSocket('udp4');
  return new Promise<Tracking | null>((resolve) => {
    const timer = setTimeout(() => resolve(null), deadlineMs);
    socket.once('error', () => resolve(null));
    socket.on('message', (bytes) => {
      const tracking = parseTracking(bytes, sequence);
      if (tracking !== null) resolve(tracking);
    });
    // Connected, so that only its port can answer, and that nobody is there is told at once.
    socket.connect(port, '127.0.0.1', () => socket.send(trackingRequest(sequence)));
    socket.once('close', () => clearTimeout(timer));
  }).finally(() => socket.close());
}
