import { deviceIdBytes, requestPdu } from './codec.ts';
import type { Request, UnitPdu } from './codec.ts';
import { identifyFunctions, readFunctions } from './protocol.ts';

/** Frames of Modbus RTU: unit, PDU, CRC (Modbus over Serial Line Specification V1.02, section 2.5.1). */

/** The whole frame: unit, PDU, CRC with its low byte first (Modbus over Serial Line 1.02, 2.5.1.2). Throws RangeError for what cannot be asked. */
export function encodeRtu(request: Request): Buffer {
  const frame = Buffer.concat([Buffer.from([request.unitId]), requestPdu(request), Buffer.alloc(2)]);
  frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2);
  return frame;
}

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/** Section 6.2.2, appendix B: polynomial 0xA001 reflected, begins with 0xFFFF. Sent low byte first. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return crc;
}

const exceptionBytes = 5;
/** Unit, function code, byte count before the data, CRC behind it. */
const wrapping = 5;

/** The frame with which `received` begins; undefined: not all here yet; a text: why no answer to a read begins like this. */
export function firstRtuFrame(
  received: Buffer,
): { readonly frame: UnitPdu; readonly bytes: number } | undefined | string {
  if (received.length < 2) return undefined;
  const functionCode = received.readUInt8(1);
  if (!isAnswer(functionCode)) return `function code ${functionCode} answers no read`;
  if (received.length < 3) return undefined;
  const bytes = bytesOf(functionCode, received);
  if (bytes === undefined || received.length < bytes) return undefined;
  const told = received.readUInt16LE(bytes - 2);
  if (told !== crc16(received.subarray(0, bytes - 2))) return 'the CRC is wrong';
  return { frame: { unitId: received.readUInt8(0), pdu: received.subarray(1, bytes - 2) }, bytes };
}

function bytesOf(functionCode: number, received: Buffer): number | undefined {
  if (functionCode & 0x80) return exceptionBytes;
  if (functionCode !== identifyFunctions.device) return received.readUInt8(2) + wrapping;
  const pdu = deviceIdBytes(received.subarray(1));
  return pdu === undefined ? undefined : pdu + 3;
}

/** Bytes that a line may make when its owner changes, before the first one of a frame. */
const mostGlitchBytes = 2;

/**
 * What was received after `sent`, without the own echo and without what the line made of its own in front: the first frame (whoever sent it) and what
 * follows; no frame: not all here yet; a text: why nothing here can become an answer.
 */
export function nextRtuFrame(
  received: Buffer,
  sent: Buffer,
): { readonly frame: UnitPdu | undefined; readonly rest: Buffer } | string {
  const isAlike = beginsAlike(received, sent);
  // Before any frame: the echo of a read from 0x0300 to 0x03ff is one too, whose data are its own address and count.
  if (isAlike && received.length >= sent.length) return nextRtuFrame(received.subarray(sent.length), sent);
  const first = firstRtuFrame(received);
  if (typeof first === 'object') return { frame: first.frame, rest: received.subarray(first.bytes) };
  if (isAlike) return { frame: undefined, rest: received };
  if (first === undefined) return { frame: undefined, rest: received };
  for (let glitch = 1; glitch <= mostGlitchBytes; glitch++) {
    const behind = received.subarray(glitch);
    if (mayAnswer(behind, sent) && typeof firstRtuFrame(behind) !== 'string') return nextRtuFrame(behind, sent);
  }
  return first;
}

/** Whether what was received so far may be the echo of what was sent. */
function beginsAlike(received: Buffer, sent: Buffer): boolean {
  const length = Math.min(received.length, sent.length);
  return received.subarray(0, length).equals(sent.subarray(0, length));
}

function mayAnswer(received: Buffer, sent: Buffer): boolean {
  if (received.length === 0 || received[0] !== sent[0]) return false;
  return received.length === 1 || ((received[1] ?? 0) & 0x7f) === sent[1];
}

const functionCodes = new Set<number>([...Object.values(readFunctions), ...Object.values(identifyFunctions)]);

function isAnswer(functionCode: number): boolean {
  return functionCodes.has(functionCode & 0x7f);
}
