import { afterEach, expect, test } from 'vitest';
import { answer, exception, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { Behaviour, RawServer } from '../../simulators/modbus-raw-server.ts';
import { noSocat, rtuAnswer, rtuFrame, startRtuGateway, startRtuLine } from '../../simulators/rtu-line.ts';
import { run, runWith } from '../../support/command-line.ts';

let server: RawServer;
afterEach(() => server.close());

const urlOf = (timeout = '40ms'): string => `modbus://127.0.0.1:${server.port}?timeout=${timeout}`;

interface Scanned {
  units: number;
  asked: number;
  closed: number;
  endedBy: string | null;
  devices: {
    unitId: number;
    holding: string;
    input: string;
    identity: unknown;
    serverId: string | null;
    sunSpec: number | null;
    profiles: string[];
  }[];
  damaged: { unitId: number; reason: string }[];
}
const scanned = ({ stdout }: { stdout: string }): Scanned => JSON.parse(stdout) as Scanned;

/** Each unit in its own way; who is not named is silent. */
function units(behaviours: Readonly<Record<number, Behaviour>>): Behaviour {
  return (request, peer) => behaviours[request.unitId]?.(request, peer);
}

const refusing =
  (code: number): Behaviour =>
  (request, peer) =>
    peer.send(exception(request, code));
const onlyInput: Behaviour = (request, peer) => {
  if (request.functionCode === 4) peer.send(answer(request, [1]));
};

test('who answers is found, an exception is an answer, and a gateway that speaks for a dead unit is none', async () => {
  server = await startRawServer(
    units({
      2: (request, peer) =>
        peer.send(
          answer(
            request,
            Array.from({ length: request.count }, () => 7),
          ),
        ),
      3: refusing(2),
      4: refusing(11),
      5: onlyInput,
    }),
  );
  const ended = await run('scan', urlOf(), '--units', '1-6', '--json');
  expect(ended.code).toBe(0);
  const { devices, ...rest } = scanned(ended);
  expect(rest).toMatchObject({ units: 6, asked: 6, endedBy: null });
  expect(devices.map(({ unitId, holding, input }) => [unitId, holding, input])).toEqual([
    [2, 'data', 'data'],
    [3, 'exception 02', 'exception 02'],
    [5, 'silent', 'data'],
  ]);
  const text = await run('scan', urlOf(), '--units', '1-6');
  expect(text.stdout).toMatch(/^ +3 +exception 02 +exception 02/m);
  expect(text.stderr).toContain('6 units, at most 1 s');
});

test('one register is the first question to every unit, and only those that answered are asked more', async () => {
  server = await startRawServer(units({ 9: refusing(2) }));
  await run('scan', urlOf(), '--units', '8,9', '--json');
  const asked = server.requests.map(({ unitId, functionCode, address, count }) => [
    unitId,
    functionCode,
    address,
    count,
  ]);
  expect(asked.filter(([unitId]) => unitId === 8)).toEqual([
    [8, 3, 0, 1],
    [8, 4, 0, 1],
  ]);
  expect(asked.filter(([unitId]) => unitId === 9).slice(0, 2)).toEqual([
    [9, 3, 0, 1],
    [9, 4, 0, 1],
  ]);
});

test('a SunSpec device says who it is by its common model', async () => {
  const text = (value: string, bytes: number): Buffer => Buffer.from(value.padEnd(bytes, '\0'), 'latin1');
  const common = Buffer.concat([
    Buffer.from('SunS', 'latin1'),
    Buffer.from([0, 1, 0, 66]),
    text('Example Corp', 32),
    text('Inverter 5k', 32),
    text('', 16),
    text('1.2.3', 16),
    text('SN-77', 32),
    Buffer.alloc(4),
  ]);
  server = await startRawServer((request, peer) => {
    const from = (request.address - 40_000) * 2;
    const words = from < 0 ? [] : Array.from({ length: request.count }, (_, at) => common.readUInt16BE(from + at * 2));
    peer.send(request.functionCode === 3 && from >= 0 ? answer(request, words) : exception(request, 2));
  });
  const ended = await run('scan', urlOf(), '--units', '1', '--json');
  expect(scanned(ended).devices[0]).toMatchObject({
    sunSpec: 40_000,
    identity: { manufacturer: 'Example Corp', model: 'Inverter 5k', version: '1.2.3', serial: 'SN-77' },
  });
});

test('garbage, and a gateway that closes for a dead unit, end the link and not the scan', async () => {
  server = await startRawServer(
    units({
      1: (_, peer) => peer.send(Buffer.from('garbage garbage')),
      2: (_, peer) => peer.finish(),
      3: refusing(2),
    }),
  );
  const found = scanned(await run('scan', urlOf(), '--units', '1-3', '--json'));
  expect(found.devices.map(({ unitId, holding }) => [unitId, holding])).toEqual([[3, 'exception 02']]);
  expect(found.damaged).toEqual([{ unitId: 1, reason: expect.stringContaining('protocol id') }]);
  expect(found).toMatchObject({ closed: 2, asked: 3 });
});

test('who a device says it is by function codes 43/14 and 17 is told, page by page, with the profile for it', async () => {
  const objects = (more: number, next: number, ...list: [number, string][]): number[] => [
    14,
    1,
    1,
    more,
    next,
    list.length,
    ...list.flatMap(([id, text]) => [id, text.length, ...Buffer.from(text)]),
  ];
  server = await startRawServer((request, peer) => {
    const { functionCode, transactionId, unitId } = request;
    const reply = (...pdu: number[]): void =>
      peer.send(Buffer.from([transactionId >> 8, transactionId & 255, 0, 0, 0, pdu.length + 1, unitId, ...pdu]));
    if (functionCode === 43 && request.data[2] === 0) reply(43, ...objects(0xff, 2, [0, 'ABB'], [1, 'B23 112-100']));
    else if (functionCode === 43) reply(43, ...objects(0, 0, [2, 'v1.5\u0000\u001b[31m']));
    else if (functionCode === 17) reply(17, 5, ...Buffer.from('B23'), 0, 0xff);
    else peer.send(exception(request, 2));
  });
  const ended = await run('scan', urlOf(), '--units', '1', '--json');
  expect(scanned(ended).devices[0]).toMatchObject({
    identity: { manufacturer: 'ABB', model: 'B23 112-100', version: 'v1.5', serial: null },
    serverId: 'B23',
    profiles: ['abb-b23-b24'],
  });
  expect((await run('scan', urlOf(), '--units', '1')).stdout).toMatch(/ABB B23 112-100 v1.5 +abb-b23-b24/);
  const identifying = server.requests.filter(({ functionCode }) => functionCode > 4);
  expect(new Set(identifying.map(({ functionCode, data }) => `${functionCode} ${data.toString('hex')}`))).toEqual(
    new Set(['43 0e0100', '43 0e0102', '17 ']),
  );
});

test('Ctrl-C ends a scan with what was found', async () => {
  const stop = new AbortController();
  server = await startRawServer((request, peer) => {
    if (request.unitId === 3) stop.abort();
    else if (request.unitId === 2) peer.send(exception(request, 2));
  });
  const ended = await runWith({ signal: stop.signal }, 'scan', urlOf('200ms'), '--units', '1-200', '--json');
  expect(ended).toMatchObject({ code: 0 });
  expect(scanned(ended)).toMatchObject({ asked: 2, endedBy: 'ended early', devices: [{ unitId: 2 }] });
});

test('a host that goes away in the middle ends the scan with what was found, and says why', async () => {
  server = await startRawServer((request, peer) => {
    if (request.unitId === 1) peer.send(exception(request, 2));
    else void server.close();
  });
  const ended = await run('scan', urlOf(), '--units', '1-5', '--json');
  expect(scanned(ended)).toMatchObject({
    devices: [{ unitId: 1 }],
    endedBy: expect.stringContaining('cannot be reached'),
  });
});

test('progress goes to a terminal only, and leaves nothing behind there', async () => {
  server = await startRawServer(units({ 1: refusing(2) }));
  const said: string[] = [];
  const stderr = { isTTY: true, write: (text: string | Uint8Array) => said.push(String(text)) };
  await runWith({ stderr }, 'scan', urlOf(), '--units', '1-2');
  expect(said.join('')).toMatch(/unit 2, 1 of 2 asked, 1 found, at most 1 s left/);
  expect(said.at(-1)).toBe('\r\u001B[K');
  expect((await run('scan', urlOf(), '--units', '1')).stderr).not.toContain('\r');
});

test('a device that answers to every number is not taken for ten', async () => {
  server = await startRawServer(refusing(2));
  const { stdout } = await run('scan', urlOf(), '--units', '1-12');
  expect(stdout).toContain('likely one device that does not look at the unit');
});

test.each(['0-300', '5-1', 'all', '1,,2', '250'])('--units %s is refused with what is allowed', async (list) => {
  server = await startRawServer(() => undefined);
  const { code, stderr } = await run('scan', urlOf(), '--units', list);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('allowed: 1…247') });
});

test('a line behind a serial server is scanned, and probed', async () => {
  const words = [0x4366, 0x6666];
  const gateway = await startRtuGateway((request, send) => {
    if (request.unitId === 2 && request.functionCode === 3) send(rtuAnswer(request, (at) => words[at] ?? 0));
    else if (request.unitId === 2) send(rtuFrame(2, request.functionCode | 0x80, 1));
  });
  try {
    const url = `modbus+rtu+tcp://127.0.0.1:${gateway.port}`;
    const { devices } = scanned(await run('scan', `${url}?timeout=40ms`, '--units', '1-3', '--json'));
    expect(devices).toMatchObject([{ unitId: 2, holding: 'data', input: 'exception 01' }]);
    const probed = await run('probe', `${url}/2?address=0`, '--display', '230.4', '--json');
    expect(JSON.parse(probed.stdout)).toMatchObject({ matches: [{ point: { address: 0, type: 'float32' } }] });
  } finally {
    await gateway.close();
  }
});

test.skipIf(noSocat !== undefined)(
  'a serial line is swept through its settings, and left for the next one',
  async () => {
    // A pty knows no settings: the meter answers from the third opening on.
    let isHeard = false;
    const line = await startRtuLine((request, send) => {
      if (isHeard && request.functionCode === 4) send(rtuFrame(5, 0x84, 2));
      isHeard ||= request.number >= 3;
    });
    try {
      const url = `modbus+rtu://${line.path}?timeout=40ms&parity=none`;
      const ended = await run('scan', url, '--units', '5', '--sweep');
      expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('16 settings of the line') });
      expect(ended.stdout).toMatch(/^ +5 +silent +exception 02/m);
      expect(ended.stdout).toContain('(19200 none 1): 1 answered');
      expect(await run('probe', `modbus+rtu://${line.path}/5?address=0&table=input`)).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('exception 02'),
      });
    } finally {
      await line.close();
    }
  },
);

test.each([
  ['modbus+rtu:///dev/ttyUSB0?baudRate=9601', /baudRate is 9601; allowed: 300, 600/],
  ['modbus+rtu:///dev/ttyUSB0?parity=mark', /parity is "mark"; allowed: none, even, odd/],
  ['modbus+rtu://ttyUSB0', /three slashes/],
  ['modbus://127.0.0.1/5', /a host has none/],
  ['modbus+rtu:///dev/none-of-this-name', /cannot be opened/],
])('%s is refused', async (url, said) => {
  server = await startRawServer(() => undefined);
  expect((await run('scan', url)).stderr).toMatch(said);
});

test('a host has no settings to sweep', async () => {
  server = await startRawServer(() => undefined);
  expect(await run('scan', urlOf(), '--sweep')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('serial lines'),
  });
});
