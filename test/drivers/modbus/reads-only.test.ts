import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { deviceIdMei, identifyFunctions, readFunctions } from '../../../drivers/modbus/protocol.ts';

/**
 * `codec.test.ts` proves that the codec builds no frame that writes. Here: that nothing else in the product gets bytes to a device, however it would make them.
 */

const product = ['agent', 'buffer', 'drivers'].flatMap((folder) => globSync(`${folder}/**/*.ts`));
const textOf = (file: string): string => readFileSync(file, 'utf8').replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');

/** `FILE: MATCH` of every match, in the order of files. */
function found(files: readonly string[], what: RegExp): string[] {
  return files
    .toSorted()
    .flatMap((file) => [...textOf(file).matchAll(what)].map(([match]) => `${file}: ${match.replaceAll(/\s+/g, ' ')}`));
}
const driver = product.filter((file) => file.startsWith('drivers/modbus/'));

test('the function codes are those of reads, and of who a device is', () => {
  expect({ ...readFunctions, ...identifyFunctions, deviceIdMei }).toEqual({
    coil: 1,
    discrete: 2,
    holding: 3,
    input: 4,
    server: 17,
    device: 43,
    deviceIdMei: 14,
  });
});

test('frames are made in one place for each transport, and only frames are sent', () => {
  expect(found(product, /\b(?:encodeTcp|encodeRtu|requestPdu)\([^)]*\)/g)).toEqual([
    'drivers/modbus/codec.ts: requestPdu(request: Request)',
    'drivers/modbus/codec.ts: encodeTcp(transactionId: number, request: Request)',
    'drivers/modbus/codec.ts: requestPdu(request)',
    'drivers/modbus/rtu-codec.ts: encodeRtu(request: Request)',
    'drivers/modbus/rtu-codec.ts: requestPdu(request)',
    'drivers/modbus/rtu-link.ts: encodeRtu(request)',
    'drivers/modbus/transport-tcp.ts: encodeTcp(transactionId, request)',
  ]);
  // Into buffers, as text: `bytes.write(…, 'hex')`.
  const sending = found(driver, /[\w#.?]+\.(?:write|writev|end|send|sendmsg)\([^)]*\)+/g).filter(
    (each) => !/, '(?:hex|utf8)'/.test(each) && !/ (?:bytes|words)\.write\(/.test(each),
  );
  expect(sending).toEqual([
    'drivers/modbus/rtu-link.ts: this.#port.write(sent)',
    'drivers/modbus/serial-port.ts: port.write(bytes)',
    // Serves `sluice simulate`.
    'drivers/modbus/simulator.ts: socket.write(bytes)',
    'drivers/modbus/socket-port.ts: socket.write(bytes)',
    'drivers/modbus/transport-tcp.ts: this.#socket.write(encodeTcp(transactionId, request))',
  ]);
  expect(textOf('drivers/modbus/rtu-link.ts').match(/\bsent\b = [^;]*/g)).toEqual(['sent = encodeRtu(request)']);
});

test('sockets and ports are opened in one place each, by no other program and no other library', () => {
  const imported = found(product, /(?:from|import\(|require\()\s*'(?:@?[^'.][^']*)'/g).filter(
    (each) => !/'node:/.test(each),
  );
  expect(imported.filter((each) => /modbus|serial|usb/i.test(each.split(': ')[1] ?? ''))).toEqual([
    "drivers/modbus/serial-port.ts: import('@serialport/bindings-cpp'",
  ]);
  const opening = found(
    driver,
    /^import (?!type)[^;]*'node:(?:net|tls|dgram|http|child_process|cluster|worker_threads|module)'/gm,
  );
  expect(opening.map((each) => each.split(':')[0])).toEqual([
    'drivers/modbus/simulator.ts',
    'drivers/modbus/socket.ts',
  ]);
  expect(found(driver, /(?:import|require)\(\s*'node:/g)).toEqual([]);
});
