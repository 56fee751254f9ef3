import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { parse as parseJsonc } from 'jsonc-parser';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pointedAt } from '../../../agent/commands/simulate.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { simulation } from '../../../drivers/modbus/simulation.ts';

const main = new URL('../../../agent/main.ts', import.meta.url).pathname;
const site = `{
  // the panel in the yard
  "version": 1, "gateway": "ps-12", "site": { "id": "PS12", "timezone": "Europe/Madrid" },
  "connections": { "panel": { "driver": "modbus-tcp", "host": "10.12.0.20" } /* never opened */ },
  "devices": [{ "id": "EM-104", "connection": "panel", "unitId": 1, "points": [
    { "name": "energy", "kind": "counter", "unit": "kWh", "address": 0, "type": "uint32", "scale": 0.01 },
    { "name": "voltage", "unit": "V", "reference": "40011", "type": "float32" }] }],
  "uplink": { "file": { "path": "out.ndjson" } },
  "stateDir": "state",
}
`;

interface Running {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  /** The next line of standard output. */
  next(): Promise<string>;
}

let folder: string;
let running: Running[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-simulate-'));
  running = [];
  writeFileSync(join(folder, 'site.json'), site);
});
afterEach(async () => {
  for (const { process: child } of running) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  rmSync(folder, { recursive: true });
});

function sluice(...args: string[]): Running {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const one = { process: child, next: async () => String((await lines.next()).value) };
  running.push(one);
  return one;
}

async function finished({ process: child }: Running): Promise<{ code: number; told: string }> {
  let told = '';
  child.stderr.on('data', (text: Buffer) => (told += text.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, told };
}

test('what it writes is read by sluice, and comments stay', async () => {
  const simulated = sluice('simulate', 'site.json', '--write', 'copy.json', '--json');
  const serving = JSON.parse(await simulated.next()) as { port: number };
  expect(serving).toMatchObject({
    event: 'serving',
    connection: 'panel',
    configured: '10.12.0.20:502',
    host: '127.0.0.1',
    devices: [{ device: 'EM-104', unitId: 1, points: 2, registers: 4, bits: 0 }],
  });
  expect(JSON.parse(await simulated.next())).toEqual({ event: 'written', file: 'copy.json' });
  expect(JSON.parse(await simulated.next())).toEqual({ event: 'ready' });
  const copy = readFileSync(join(folder, 'copy.json'), 'utf8');
  expect(copy).toContain('// the panel in the yard');
  expect(copy).toContain('/* never opened */');
  expect(copy).toContain(String(serving.port));
  expect(copy).not.toContain('10.12.0.20');

  const read = sluice('read', 'copy.json', '--json');
  const readings = [JSON.parse(await read.next()), JSON.parse(await read.next())] as { value: unknown }[];
  expect(readings.map(({ value }) => value)).toMatchObject([
    { point: 'energy', quality: 'good', unit: 'kW.h' },
    { point: 'voltage', quality: 'good', unit: 'V' },
  ]);

  simulated.process.stdin.write('fault EM-104 exception:2\nstats\n');
  expect(JSON.parse(await simulated.next())).toEqual({ event: 'fault', device: 'EM-104', fault: 'exception:2' });
  expect(JSON.parse(await simulated.next())).toMatchObject({
    event: 'stats',
    connections: { ever: 1 },
    devices: { 'EM-104': { requests: 2, answered: 2, fault: 'exception:2' } },
  });
  const bad = sluice('read', 'copy.json', '--json');
  expect(JSON.parse(await bad.next())).toMatchObject({ value: { status: 'BadNodeIdUnknown', exceptionCode: 2 } });

  const end = finished(simulated);
  simulated.process.kill('SIGTERM');
  expect(await end).toEqual({ code: 0, told: '' });
});

test('it goes on when standard input ends, and says what it did not understand', async () => {
  const simulated = sluice('simulate', 'site.json', '--fault', 'EM-104=silent');
  expect(await simulated.next()).toMatch(/^panel: serving on 127\.0\.0\.1:\d+ in place of 10\.12\.0\.20:502$/);
  expect(await simulated.next()).toBe('  EM-104: unit 1, 2 points, 4 registers');
  expect(await simulated.next()).toBe('Ready.');
  const end = finished(simulated);
  simulated.process.stdin.end('fault EM-9 silent\nfault EM-104 slow\nsing\nfault EM-104 off\n');
  expect(await simulated.next()).toBe('EM-104: no fault');
  simulated.process.kill('SIGINT');
  const { code, told } = await end;
  expect(code).toBe(0);
  expect(told.split('\n').slice(0, 3)).toEqual([
    'there is no simulated device "EM-9"; there are: EM-104',
    'no fault "slow"; there are: silent, late, exception:N, reset, garbage, off',
    'not understood: sing; say: fault DEVICE FAULT, or: stats',
  ]);
});

test.each([
  [['--write', 'site.json'], 2, '--write site.json would overwrite site.json'],
  [['--fault', 'EM-104'], 2, 'allowed: DEVICE=FAULT'],
  [['--fault', 'EM-9=silent'], 2, 'there is no simulated device "EM-9"; there are: EM-104'],
  [['--fault', 'EM-104=slow'], 2, 'no fault "slow"'],
  [['--seed', 'x'], 2, 'allowed: a whole number from 0'],
])('%j is refused with exit code %d', async (args, code, message) => {
  const { code: seen, told } = await finished(sluice('simulate', 'site.json', ...args));
  expect(told).toContain(message);
  expect(seen).toBe(code);
});

test('a wrong fault is told before any port is opened, and a port that is taken with what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  writeFileSync(join(folder, 'taken.json'), site.replace('"10.12.0.20"', `"127.0.0.1", "port": ${port}`));
  const wrong = await finished(sluice('simulate', 'taken.json', '--fault', 'EM-104=slow'));
  expect(wrong).toEqual({ code: 2, told: expect.stringContaining('no fault "slow"') as string });
  const { code, told } = await finished(sluice('simulate', 'taken.json'));
  taken.close();
  expect(code).toBe(1);
  expect(told).toMatch(/something listens there already: end it, or state another "port".*EADDRINUSE/);
});

test('a serial line is exchanged for the place where it is served', () => {
  const line = { kind: 'rtu', path: '/dev/ttyS1', baudRate: 9600, parity: 'even', stopBits: 1 } as const;
  const plan: ModbusPlan = {
    connection: 'bus',
    transport: line,
    maxInFlight: 1,
    pauseAfterConnectMs: 0,
    closeWhenIdle: false,
    devices: [],
  };
  const served = [{ connection: 'bus', plan, simulation, at: { host: '127.0.0.1', port: 4001 } }];
  const text =
    '{ "connections": { "bus": { "driver": "modbus-rtu", /* the yard */ "path": "/dev/ttyS1", "parity": "none" } } }';
  const changed = pointedAt(text, served);
  expect(parseJsonc(changed)).toEqual({
    connections: { bus: { driver: 'modbus-rtu-over-tcp', host: '127.0.0.1', port: 4001 } },
  });
});
