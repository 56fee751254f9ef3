import { afterEach, expect, test } from 'vitest';
import { answer, exception, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { Behaviour, RawServer } from '../../simulators/modbus-raw-server.ts';
import { run, runWith } from '../../support/command-line.ts';

let server: RawServer;
afterEach(() => server.close());

const urlOf = (timeout = '40ms'): string => `modbus://127.0.0.1:${server.port}?timeout=${timeout}`;

interface Scanned {
  units: number;
  asked: number;
  closed: number;
  endedBy: string | null;
  devices: { unitId: number; holding: string; input: string; identity: unknown; sunSpec: number | null }[];
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
  const { devices, closed, asked } = scanned(await run('scan', urlOf(), '--units', '1-3', '--json'));
  expect(devices.map(({ unitId, holding }) => [unitId, holding])).toEqual([
    [1, expect.stringContaining('damaged: protocol id')],
    [3, 'exception 02'],
  ]);
  expect({ closed, asked }).toEqual({ closed: 2, asked: 3 });
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
