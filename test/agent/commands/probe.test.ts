import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { answer, exception, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { Behaviour, RawServer } from '../../simulators/modbus-raw-server.ts';
import { run } from '../../support/command-line.ts';

let server: RawServer;
afterEach(() => server.close());

/** A meter that has these registers and refuses every block that holds another. */
function meter(registers: Readonly<Record<number, readonly number[]>>): Behaviour {
  return (request, peer) => {
    const tables = registers[request.functionCode] ?? [];
    const words = tables.slice(request.address, request.address + request.count);
    const isThere = words.length === request.count && !words.includes(-1);
    peer.send(isThere ? answer(request, words) : exception(request, 2));
  };
}

const at = (address: number, words: readonly number[]): number[] => [
  ...Array.from({ length: address }, () => -1),
  ...words,
];

interface Probed {
  matches: { point: Record<string, unknown>; value: string; fit: string; references: string[] }[];
  decodings: { address: number; type: string; values: Record<string, string | null> }[];
}
const found = ({ stdout }: { stdout: string }): Probed => JSON.parse(stdout) as Probed;

test('probe shows every type in every byte order beside the words, with both references', async () => {
  server = await startRawServer(meter({ 3: at(12, [0x4366, 0x6666]) }));
  const url = `modbus://127.0.0.1:${server.port}/7?address=12&count=2`;
  const { code, stdout } = await run('probe', url);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/unit 7, holding 12…13 \(40013, 400013\).*4366 6666/),
  });
  expect(stdout).toMatch(/float32 +230\.4 /);
  expect(stdout).toMatch(/12 +40013 400013 +4366 +\w*int16 +17254 +26179/);
  const { decodings } = found(await run('probe', url, '--json'));
  expect(decodings.find(({ type }) => type === 'uint32')).toMatchObject({
    address: 12,
    values: { ABCD: '1130784358', CDAB: '1717977958', BADC: '1715693158', DCBA: '1717986883' },
  });
  expect(server.requests[0]).toMatchObject({ unitId: 7, functionCode: 3, address: 12, count: 2 });
});

test('probe shows coils one by one', async () => {
  server = await startRawServer((request, peer) =>
    peer.send(
      Buffer.concat([answer(request, [], { byteCount: 2, length: 5 }), Buffer.from([0b0000_0101, 0b0000_0010])]),
    ),
  );
  const { stdout } = await run('probe', `modbus://127.0.0.1:${server.port}/1?table=coil&address=0&count=10`, '--json');
  expect(JSON.parse(stdout)).toMatchObject({ bits: [1, 0, 1, 0, 0, 0, 0, 0, 0, 1] });
});

test('the face finds a value although the meter refuses every block around it', async () => {
  server = await startRawServer(meter({ 4: at(70, [0x4248, 0x147b]) }));
  const { code, stdout } = await run(
    'probe',
    `modbus://127.0.0.1:${server.port}/1?address=71`,
    '--display',
    '50,02 Hz',
    '--json',
  );
  expect(code).toBe(0);
  expect(found({ stdout }).matches[0]).toMatchObject({
    value: '50.02',
    fit: 'exact',
    references: ['30071', '300071'],
    point: { name: 'value', unit: 'Hz', table: 'input', address: 70, type: 'float32' },
  });
});

test('the point that probe gives reads that number when it is pasted', async () => {
  server = await startRawServer(meter({ 3: at(10, [0xd687, 0x0012, 0, 0, 0, 0]) }));
  const url = `modbus://127.0.0.1:${server.port}/1?address=40011`;
  const probed = await run('probe', url, '--display', "1'234.567 kWh", '--json');
  const point = found(probed).matches[0]?.point;
  expect(point).toMatchObject({ byteOrder: 'CDAB', scale: 0.001 });
  const folder = mkdtempSync(join(tmpdir(), 'sluice-probe-'));
  const file = join(folder, 'site.json');
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      gateway: 'g',
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: server.port } },
      devices: [{ id: 'EM-1', connection: 'panel', unitId: 1, points: [point] }],
      stateDir: folder,
      uplink: { file: { path: join(folder, 'out') } },
    }),
  );
  const read = await run('read', file, '--json');
  expect(JSON.parse(read.stdout)).toMatchObject({ value: { value: 1234.567, unit: 'kW.h', quality: 'good' } });
});

test('what nothing makes, and who does not answer, are told with exit code 1', async () => {
  server = await startRawServer(meter({ 3: [1, 2, 3, 4] }));
  const url = `modbus://127.0.0.1:${server.port}/1?timeout=50ms&address=`;
  expect(await run('probe', `${url}0`, '--display', '98765.4321')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/nothing makes 98765.4321[^]*Looked at holding 0…3/),
  });
  expect(await run('probe', `${url}100`)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('exception 02: it has no such registers'),
  });
  server.behave(() => undefined);
  expect(await run('probe', `${url}0`)).toMatchObject({ code: 1, stdout: expect.stringContaining('no answer') });
  server.behave((request, peer) => peer.send(answer(request, [1], { unitId: 9 })));
  expect(await run('probe', `${url}0`)).toMatchObject({ code: 1, stdout: expect.stringContaining('unit 9 answered') });
});

test.each([
  ['10.0.0.1/1?address=0', /begins with modbus:\/\//],
  ['modbus://10.0.0.1?address=0', /the unit is missing/],
  ['modbus://10.0.0.1/300?address=0', /the unit is "300"; allowed: 1…247/],
  ['modbus://10.0.0.1/1', /the address is missing/],
  ['modbus://10.0.0.1/1?adress=0', /"adress" is no key here; allowed: table, address/],
  ['modbus://10.0.0.1/1?address=65536', /address is "65536"; allowed: 0…65535/],
  ['modbus://10.0.0.1/1?address=65535&count=2', /count is 2/],
  ['modbus://10.0.0.1/1?address=1&count=126', /allowed: 1…125/],
  ['modbus://10.0.0.1/1?reference=40001&address=0', /exclude each other/],
  ['modbus://10.0.0.1/1?reference=90001', /reference is "90001"/],
  ['modbus://10.0.0.300/1?address=0', /300 is more than 255/],
  ['modbus://user:secret@10.0.0.1/1?address=0', /knows no user/],
  ['modbus://10.0.0.1/1?address=0&timeout=5', /allowed: 10ms…1m/],
])('%s is refused before anything is opened', async (url, said) => {
  server = await startRawServer(() => undefined);
  const { code, stderr } = await run('probe', url);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(said) });
  expect(stderr).not.toContain('secret');
});
