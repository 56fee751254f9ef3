import { crc16 } from './rtu-codec.ts';

/** A request as a simulated meter sees it. */
export interface Asked {
  /** Of Modbus TCP; 0 on a line. */
  readonly transactionId: number;
  readonly unitId: number;
  readonly functionCode: number;
  /** 0 when this is no read. */
  readonly address: number;
  readonly count: number;
}

interface Framing {
  /** The first request of what was received; undefined: not all here yet; `foreign`: this is another protocol. */
  taken(received: Buffer): { readonly asked: Asked; readonly bytes: number } | 'foreign' | undefined;
  framed(asked: Asked, pdu: Buffer): Buffer;
}

/** The simulated meters' end of the wire. */
export const framings: Readonly<Record<'tcp' | 'rtu', Framing>> = {
  tcp: {
    taken(received) {
      if (received.length < 6) return undefined;
      const bytes = 6 + received.readUInt16BE(4);
      if (received.readUInt16BE(2) !== 0 || bytes < 8 || bytes > 260) return 'foreign';
      if (received.length < bytes) return undefined;
      return { asked: askedBy(received.readUInt16BE(0), received.subarray(6, bytes)), bytes };
    },
    framed({ transactionId, unitId }, pdu) {
      const frame = Buffer.alloc(7 + pdu.length);
      frame.writeUInt16BE(transactionId, 0);
      frame.writeUInt16BE(1 + pdu.length, 4);
      frame.writeUInt8(unitId, 6);
      pdu.copy(frame, 7);
      return frame;
    },
  },
  rtu: {
    taken(received) {
      if (received.length < rtuReadBytes) return undefined;
      const unitAndPdu = received.subarray(0, rtuReadBytes - 2);
      if (received.readUInt16LE(rtuReadBytes - 2) !== crc16(unitAndPdu)) return 'foreign';
      return { asked: askedBy(0, unitAndPdu), bytes: rtuReadBytes };
    },
    framed({ unitId }, pdu) {
      const frame = Buffer.concat([Buffer.from([unitId]), pdu, Buffer.alloc(2)]);
      frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2);
      return frame;
    },
  },
};

/** Every read has 8. */
const rtuReadBytes = 8;

function askedBy(transactionId: number, unitAndPdu: Buffer): Asked {
  const isRead = unitAndPdu.length === 6;
  return {
    transactionId,
    unitId: unitAndPdu.readUInt8(0),
    functionCode: unitAndPdu.readUInt8(1),
    address: isRead ? unitAndPdu.readUInt16BE(2) : 0,
    count: isRead ? unitAndPdu.readUInt16BE(4) : 0,
  };
}
