import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import * as codec from '../../../drivers/modbus/codec.ts';
import * as rtuCodec from '../../../drivers/modbus/rtu-codec.ts';
import { answerTo, encodeTcp, firstFrame, requestPdu } from '../../../drivers/modbus/codec.ts';
import type { ReadRequest, Request } from '../../../drivers/modbus/codec.ts';
import { encodeRtu } from '../../../drivers/modbus/rtu-codec.ts';
import type { IdentifyWay, Table } from '../../../drivers/modbus/protocol.ts';

const request: ReadRequest = { unitId: 7, table: 'holding', address: 0x0bd3, count: 2 };
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const pdu = (hex: string, unitId = 7) => ({ transactionId: 1, unitId, pdu: bytes(hex) });

test('a read is encoded as the specification shows it', () => {
  expect(encodeTcp(0x1501, request).toString('hex')).toBe('15010000000607030bd30002');
});

test('no function code that writes can be built, whatever is asked for', () => {
  const asked = fc.record({
    unitId: fc.integer({ min: 0, max: 255 }),
    table: fc.oneof(
      fc.constantFrom('coil', 'discrete', 'holding', 'input', '__proto__', 'constructor', 'write', '6'),
      fc.string(),
    ) as fc.Arbitrary<Table>,
    address: fc.integer({ min: -1, max: 0x10001 }),
    count: fc.integer({ min: -1, max: 3000 }),
  });
  const who = fc.record({
    unitId: fc.integer({ min: 0, max: 255 }),
    identify: fc.oneof(
      fc.constantFrom('server', 'device', '__proto__', 'constructor', 'write', '6'),
      fc.string(),
    ) as fc.Arbitrary<IdentifyWay>,
    from: fc.integer({ min: -1, max: 0x101 }),
  });
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0xffff }),
      fc.oneof(asked, who) as fc.Arbitrary<Request>,
      (transactionId, request_) => {
        let frame: Buffer;
        try {
          frame = encodeTcp(transactionId, request_);
        } catch {
          return;
        }
        const functionCode = frame.readUInt8(7);
        seen.add(functionCode === 43 ? `43/${frame.readUInt8(8)}` : String(functionCode));
        expect(frame.length).toBe(functionCode === 43 ? 11 : functionCode === 17 ? 8 : 12);
        expect(requestPdu(request_)).toEqual(frame.subarray(7));
        expect(encodeRtu(request_).subarray(0, -2)).toEqual(frame.subarray(6));
      },
    ),
    { numRuns: 5000 },
  );
  expect([...seen].toSorted()).toEqual(['1', '17', '2', '3', '4', '43/14']);
  // Nothing else here makes bytes.
  expect(Object.keys(codec).toSorted()).toEqual([
    'answerTo',
    'dataBytes',
    'deviceIdBytes',
    'encodeTcp',
    'firstFrame',
    'holdsAnswer',
    'isRead',
    'requestPdu',
  ]);
  expect(Object.keys(rtuCodec).toSorted()).toEqual(['crc16', 'encodeRtu', 'firstRtuFrame', 'nextRtuFrame']);
});

test('more than 125 registers, none, or registers past 65535 cannot be asked', () => {
  expect(() => encodeTcp(1, { ...request, count: 126 })).toThrow(RangeError);
  expect(() => encodeTcp(1, { ...request, count: 0 })).toThrow(RangeError);
  expect(() => encodeTcp(1, { ...request, address: 65535 })).toThrow(RangeError);
});

test('a frame is known as soon as it is whole, and not before', () => {
  const frame = bytes('0001 0000 0007 07 03 04 4366 6666');
  for (let length = 0; length < frame.length; length++) expect(firstFrame(frame.subarray(0, length))).toBeUndefined();
  expect(firstFrame(Buffer.concat([frame, frame]))).toEqual({
    frame: pdu('03 04 4366 6666'),
    bytes: frame.length,
  });
});

test.each([
  ['another protocol', '0001 0001', /protocol id is 1/],
  ['no length', '0001 0000 0000', /length is 0/],
  ['no function code', '0001 0000 0001', /length is 1/],
  ['more than a frame may hold', '0001 0000 00ff', /length is 255/],
  ['HTTP', Buffer.from('HTTP/1.1').toString('hex'), /protocol id/],
])('%s is refused with the first bytes that show it', (_, hex, reason) => {
  expect(firstFrame(bytes(hex))).toMatch(reason);
});

test('the answer is taken with exactly the bytes that were asked', () => {
  expect(answerTo(request, pdu('03 04 4366 6666'))).toEqual({ kind: 'data', data: bytes('43666666') });
  expect(answerTo(request, pdu('83 02'))).toEqual({ kind: 'exception', code: 2 });
});

test.each([
  ['another unit', pdu('03 04 4366 6666', 8), /unit 8/],
  ['another function code', pdu('04 04 4366 6666'), /function code 4/],
  ['the exception of another function code', pdu('84 02'), /function code 132/],
  ['fewer bytes', pdu('03 02 4366'), /2 bytes told/],
  ['more bytes', pdu('03 06 4366 6666 0000'), /6 bytes told/],
  ['a byte count that lies', pdu('03 04 4366'), /4 bytes told and 2 sent/],
  ['bytes after the data', pdu('03 04 4366 6666 00'), /5 sent/],
  ['no byte count', pdu('03'), /bytes told/],
  ['an exception without its code', pdu('83'), /exception/],
  ['an exception with more', pdu('83 02 00'), /exception/],
])('%s is no answer', (_, frame, reason) => {
  expect(answerTo(request, frame)).toMatch(reason);
});

const whoIsIt: Request = { unitId: 7, identify: 'device', from: 0 };

test('who a device is may have any length, and a device may count wrongly in it', () => {
  const text = Buffer.from('Company identification');
  const objects = Buffer.concat([Buffer.from([0x2b, 0x0e, 1, 1, 0, 0, 1, 0, text.length]), text]);
  for (const each of [objects, objects.subarray(0, -1), Buffer.concat([objects, Buffer.from([0])])])
    expect(answerTo(whoIsIt, { unitId: 7, pdu: each })).toEqual({ kind: 'data', data: each.subarray(2) });
  expect(answerTo(whoIsIt, pdu('2b 0d 01 01 00 00 00'))).toMatch(/MEI type 13/);
  expect(answerTo(whoIsIt, pdu('ab 01'))).toEqual({ kind: 'exception', code: 1 });
  const server: Request = { unitId: 7, identify: 'server', from: 0 };
  expect(answerTo(server, pdu('11 03 41 42 ff'))).toEqual({ kind: 'data', data: bytes('41 42 ff') });
  expect(answerTo(server, pdu('11'))).toMatch(/no bytes/);
  expect(answerTo(server, pdu('03 02 4142'))).toMatch(/function code 3/);
});

test('on a line, who a device is ends with its last object, and not before', () => {
  const frame = rtuOf('07 2b 0e 01 01 00 00 02 00 03 414243 01 02 4445');
  for (let length = 0; length < frame.length; length++)
    expect(rtuCodec.firstRtuFrame(frame.subarray(0, length))).toBeUndefined();
  expect(rtuCodec.firstRtuFrame(Buffer.concat([frame, frame]))).toMatchObject({ bytes: frame.length });
});

function rtuOf(hex: string): Buffer {
  const frame = Buffer.concat([bytes(hex), Buffer.alloc(2)]);
  frame.writeUInt16LE(rtuCodec.crc16(frame.subarray(0, -2)), frame.length - 2);
  return frame;
}
