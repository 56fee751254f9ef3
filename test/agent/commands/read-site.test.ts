import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../../../agent/config/load.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import type { SystemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { startSimulator } from '../../../drivers/modbus/simulator.ts';
import type { ModbusSimulator as Simulator } from '../../../drivers/modbus/simulator.ts';
import { run } from '../../support/command-line.ts';

let folder: string;
let file: string;
let clock: SystemClock;
let meters: Simulator;

function write(port: number): void {
  const points = [{ name: 'power', unit: 'W', address: 0 }];
  const devices = ['EM-1', 'EM-2'].map((id, at) => ({ id, connection: 'panel', unitId: at + 1, points }));
  const connections = { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port, timeout: '300ms', retries: 0 } };
  const uplink = { file: { path: 'out' } };
  writeFileSync(
    file,
    JSON.stringify({ version: 1, gateway: 'ps-12', stateDir: 'state', connections, devices, uplink }),
  );
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-read-'));
  file = join(folder, 'site.json');
  clock = systemClock({ source: timeSource('none'), builtAtMs: 0 });
  write(502);
  const plan = loadConfig(file, { env: {} }).config?.connections[0]?.plan as ModbusPlan;
  meters = await startSimulator({ plan, host: '127.0.0.1', port: 0, clock, seed: 1 });
  write(meters.port);
});
afterEach(async () => {
  await meters.close();
  clock.close();
  rmSync(folder, { recursive: true });
});

it('a device that breaks the link does not take the next one along', async () => {
  meters.fault('EM-1', 'reset');
  const { code, stdout } = await run('read', file);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^EM-1: 1 point not read: connection panel: 127\.0\.0\.1:\d+: the connection broke/m);
  expect(stdout).toMatch(/^EM-2, \d+ ms\n.*\n {2}power .* good\n2 points, 1 bad\n$/m);
  const lines = (await run('read', '--json', file)).stdout.trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { linkDown: unknown }).linkDown)).toEqual([
    expect.stringMatching(/: the connection broke/),
    null,
  ]);
});

it('a device whose answers are garbage does not take the next one along', async () => {
  meters.fault('EM-1', 'garbage');
  const { code, stdout } = await run('read', file);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^EM-1, \d+ ms\n.*\n {2}power .* bad: .*\(BadCommunicationError\)$/m);
  expect(stdout).toMatch(/^EM-2, \d+ ms\n {2}power .* good\n2 points, 1 bad\n$/m);
});

it('a link that cannot be opened is tried and told once, and each reading says so as a record', async () => {
  await meters.close();
  const { code, stdout } = await run('read', file);
  expect(code).toBe(1);
  expect(stdout.split('\n')).toEqual([
    expect.stringMatching(/^EM-1: 1 point not read: connection panel: 127\.0\.0\.1:\d+ cannot be reached: /),
    'EM-2: 1 point not read: connection panel is down, as told above',
    '2 points, 2 bad',
    '',
  ]);
  const records = (await run('read', '--json', file)).stdout.trimEnd().split('\n');
  expect(records.map((line) => JSON.parse(line) as unknown)).toMatchObject(
    ['EM-1', 'EM-2'].map((device) => ({
      topic: 'sensor-values',
      key: `ps-12/${device}`,
      value: { id: null, device, value: null, quality: 'bad', status: 'BadNotConnected', slot: null },
      raw: null,
      linkDown: expect.stringMatching(/^127\.0\.0\.1:\d+ cannot be reached: /),
    })),
  );
});

it('a device that is mistyped is asked back', async () => {
  expect(await run('read', file, '--device', 'em-1')).toEqual({
    code: 2,
    stdout: '',
    stderr: 'sluice: there is no device "em-1"; did you mean `EM-1`?\n',
  });
});
