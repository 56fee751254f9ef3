import { basicDeviceId, deviceIdMei, identifyFunctions, mostBits, mostRegisters, readFunctions } from './protocol.ts';
import type { IdentifyWay, Table } from './protocol.ts';

/**
 * What all transports share: a request's function code and data (PDU), and whether an answer can be its own. Then the frames of Modbus TCP: MBAP header
 * (transaction 2, protocol 2, length 2, unit 1) before the PDU. Only reads can be encoded: the function code comes from the name of a table, or of a way to
 * ask a device who it is, never from a number.
 */

export interface ReadRequest {
  readonly unitId: number;
  readonly table: Table;
  readonly address: number;
  readonly count: number;
}

/** Asks a device who it is. */
export interface IdentifyRequest {
  readonly unitId: number;
  readonly identify: IdentifyWay;
  /** `device`: the first object wanted. */
  readonly from: number;
}

export type Request = ReadRequest | IdentifyRequest;

export const isRead = (request: Request): request is ReadRequest => 'table' in request;

/** Function code and what it asks for. */
export function requestPdu(request: Request): Buffer {
  return isRead(request) ? readPdu(request) : identifyPdu(request);
}

function identifyPdu({ identify, from }: IdentifyRequest): Buffer {
  if (!Object.hasOwn(identifyFunctions, identify))
    throw new RangeError(`no way ${identify}: only reads can be encoded`);
  if (from < 0 || from > 0xff) throw new RangeError(`no object ${from}; allowed: 0…255`);
  const functionCode = identifyFunctions[identify];
  return Buffer.from(identify === 'server' ? [functionCode] : [functionCode, deviceIdMei, basicDeviceId, from]);
}

/** Function code, address, count: sections 6.1 to 6.4 of the application protocol. */
function readPdu({ table, address, count }: ReadRequest): Buffer {
  if (!Object.hasOwn(readFunctions, table)) throw new RangeError(`no table ${table}: only reads can be encoded`);
  const most = isBits(table) ? mostBits : mostRegisters;
  if (count < 1 || count > most || address + count > 0x10000) {
    throw new RangeError(
      `${count} of table ${table} from ${address} cannot be read at once; allowed: 1…${most} within 65536`,
    );
  }
  const pdu = Buffer.alloc(5);
  pdu.writeUInt8(readFunctions[table], 0);
  pdu.writeUInt16BE(address, 1);
  pdu.writeUInt16BE(count, 3);
  return pdu;
}

/** Bytes of data in an answer. */
export function dataBytes({ table, count }: Pick<ReadRequest, 'table' | 'count'>): number {
  return isBits(table) ? Math.ceil(count / 8) : count * 2;
}

const isBits = (table: Table): boolean => table === 'coil' || table === 'discrete';

/** The whole frame, MBAP header and PDU (Modbus Messaging on TCP/IP 1.0b, 3.1.3). `transactionId`: 0 to 65535. Throws RangeError for what cannot be asked. */
export function encodeTcp(transactionId: number, request: Request): Buffer {
  const pdu = requestPdu(request);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(transactionId, 0);
  header.writeUInt16BE(pdu.length + 1, 4);
  header.writeUInt8(request.unitId, 6);
  return Buffer.concat([header, pdu]);
}

const headerBytes = 7;
/** Length counts the unit id and a PDU of 1…253 bytes. */
const shortestLength = 2;
const longestLength = 254;

/** Who answers what. */
export interface UnitPdu {
  readonly unitId: number;
  /** Function code and data. */
  readonly pdu: Buffer;
}

export interface Frame extends UnitPdu {
  readonly transactionId: number;
}

/** The first frame of what was received; undefined: not all here yet; a text: why this is no Modbus TCP, told as early as it shows. */
export function firstFrame(received: Buffer): { frame: Frame; bytes: number } | undefined | string {
  if (received.length >= 4 && received.readUInt16BE(2) !== 0)
    return `protocol id is ${received.readUInt16BE(2)}, not 0`;
  if (received.length < 6) return undefined;
  const length = received.readUInt16BE(4);
  if (length < shortestLength || length > longestLength) {
    return `length is ${length}; allowed: ${shortestLength}…${longestLength}`;
  }
  const bytes = headerBytes - 1 + length;
  if (received.length < bytes) return undefined;
  const frame = {
    transactionId: received.readUInt16BE(0),
    unitId: received.readUInt8(6),
    pdu: received.subarray(headerBytes, bytes),
  };
  return { frame, bytes };
}

/** A header without its unit: by fewer bytes no frame is told from data. */
const shortestSign = 6;

/** Whether a frame that answers this request begins inside of these bytes: an answer that broke off takes in what follows it. */
export function holdsAnswer(bytes: Buffer, transactionId: number, request: Request): boolean {
  const id = Buffer.from([transactionId >> 8, transactionId & 0xff, 0, 0]);
  for (let at = bytes.indexOf(id); at >= 0; at = bytes.indexOf(id, at + 1)) {
    const sign = bytes.subarray(at, at + headerBytes + 1);
    if (sign.length < shortestSign || sign.readUInt16BE(4) < shortestLength || sign.readUInt16BE(4) > longestLength)
      continue;
    const asked = functionCodeOf(request);
    const [unit = request.unitId, functionCode = asked] = sign.subarray(headerBytes - 1);
    if (unit === request.unitId && (functionCode & 0x7f) === asked) return true;
  }
  return false;
}

export type Answer =
  | { readonly kind: 'data'; readonly data: Buffer }
  | { readonly kind: 'exception'; readonly code: number };

/** The frame as the answer to this request; a text: why it cannot be that answer. */
export function answerTo(request: Request, frame: UnitPdu): Answer | string {
  if (frame.unitId !== request.unitId) return `unit ${frame.unitId} answered a request to unit ${request.unitId}`;
  const { pdu } = frame;
  const asked = functionCodeOf(request);
  const functionCode = pdu.readUInt8(0);
  if (functionCode === (asked | 0x80)) {
    return pdu.length === 2
      ? { kind: 'exception', code: pdu.readUInt8(1) }
      : `an exception of ${pdu.length} bytes, not 2`;
  }
  if (functionCode !== asked) return `function code ${functionCode} answered a request of function code ${asked}`;
  if (!isRead(request)) return identityIn(request, pdu);
  const expected = dataBytes(request);
  const told = pdu.length > 1 ? pdu.readUInt8(1) : 0;
  if (told !== expected || pdu.length !== 2 + expected) {
    return `${told} bytes told and ${pdu.length - 2} sent; ${expected} were asked`;
  }
  return { kind: 'data', data: pdu.subarray(2) };
}

type Asked = Pick<ReadRequest, 'table'> | Pick<IdentifyRequest, 'identify'>;

const functionCodeOf = (request: Asked): number =>
  'table' in request ? readFunctions[request.table] : identifyFunctions[request.identify];

/** Where it ends is known by its frame. What it says inside is looked at by whoever shows it: many devices count wrongly here, and no value is made of it. */
function identityIn({ identify }: IdentifyRequest, pdu: Buffer): Answer | string {
  if (pdu.length < 2) return 'an identity of no bytes';
  if (identify === 'device' && pdu[1] !== deviceIdMei)
    return `MEI type ${pdu[1] ?? ''} answered a request of MEI type ${deviceIdMei}`;
  return { kind: 'data', data: pdu.subarray(2) };
}

/** Before the objects: function code, MEI type, read device id code, conformity, whether more follow, the next object, how many there are. */
const deviceIdHead = 7;

/** Bytes of a PDU that answers function code 43, by the lengths of its objects (id, length, text); undefined: they are not all here. */
export function deviceIdBytes(pdu: Buffer): number | undefined {
  let bytes = deviceIdHead;
  for (let left = pdu[deviceIdHead - 1] ?? Infinity; left > 0; left--) {
    if (pdu.length < bytes + 2) return undefined;
    bytes += 2 + pdu.readUInt8(bytes + 1);
  }
  return pdu.length < bytes ? undefined : bytes;
}
