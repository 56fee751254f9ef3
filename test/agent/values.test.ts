import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../../agent/config/load.ts';
import { startGateway } from '../../agent/gateway.ts';
import { systemClock } from '../../agent/time/system-clock.ts';
import { timeSource } from '../../agent/time/time-sources.ts';
import { meterOf, startRawServer } from '../simulators/modbus-raw-server.ts';
import type { RawServer } from '../simulators/modbus-raw-server.ts';
import { run } from '../support/command-line.ts';

/** What a manual would say that the registers hold. */
const holding = Object.fromEntries([
  ...words(0, 0x575a, 0x2032, 0x3000, 0), // "WZ 20" and NUL
  ...words(10, 0x0000, 0x1267, 0, 0, 250), // 4711 m3 and, three further on, 250 l
  ...words(20, 123, 0xfffe), // 123 × 10^−2
  ...words(30, 2, 0x0008, 0x7fff),
  ...words(40, 9007, 1992, 5474, 993), // 2^53 + 1, four digits each
]);
const points = [
  { name: 'serial', address: 0, type: 'string', length: 4 },
  {
    name: 'volume',
    unit: 'm3',
    sum: [
      { address: 10, type: 'uint32' },
      { address: 14, scale: 0.001 },
    ],
  },
  { name: 'power', unit: 'kW', address: 20, type: 'int16', scaleFrom: 'power_SF' },
  { name: 'power_SF', unit: '1', address: 21, type: 'int16', every: '30m' },
  { name: 'mode', address: 30, enum: { '2': 'automatic' } },
  { name: 'leak', address: 31, bit: 3 },
  { name: 'broken', unit: 'Cel', address: 32, type: 'int16', scale: 0.1, invalid: '7fff' },
  { name: 'energy', unit: 'Wh', address: 40, type: 'mod10k64' },
  { name: 'relay', reference: '00008' },
].map((point) => ({ every: '100ms', raw: true, ...point }));

function words(address: number, ...all: readonly number[]): [number, number][] {
  return all.map((word, at) => [address + at, word]);
}

let folder: string;
let file: string;
let meter: RawServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-values-'));
  file = join(folder, 'sluice.json');
  meter = await startRawServer(meterOf({ 1: { 7: 1 }, 3: holding }));
  const site = {
    version: 1,
    gateway: 'ps-12',
    connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meter.port, timeout: '3s' } },
    devices: [{ id: 'EM-1', connection: 'panel', unitId: 1, points }],
    stateDir: 'state',
    buffer: { commitEvery: '50ms' },
    uplink: { file: { path: 'out.ndjson' } },
  };
  writeFileSync(file, JSON.stringify(site));
});
afterEach(async () => {
  await meter.close();
  rmSync(folder, { recursive: true });
});

type Value = Readonly<Record<string, unknown>>;
const expected = {
  serial: { kind: 'text', value: null, text: 'WZ 20', quality: 'good', raw: '575a 2032 3000 0000' },
  volume: { kind: 'gauge', value: 4711.25, text: null, unit: 'm3', quality: 'good', raw: '0000 1267 00fa' },
  power: { value: 1.23, unit: 'kW', quality: 'good', raw: '007b fffe' },
  power_SF: { value: -2, quality: 'good', raw: 'fffe' },
  mode: { kind: 'state', value: 2, text: 'automatic', quality: 'good' },
  leak: { kind: 'state', value: 1, text: null, quality: 'good', raw: '0008' },
  broken: { value: null, quality: 'bad', status: 'BadSensorFailure', raw: '7fff' },
  energy: { value: 9007199254740992, text: '9007199254740993', quality: 'good' },
  relay: { kind: 'state', value: 1, text: null, quality: 'good', raw: '0001' },
};

it('bits, strings, sums, states and factors come from the wire through the buffer into records', async () => {
  const clock = systemClock({ source: timeSource('none'), builtAtMs: 0 });
  const { config, problems } = loadConfig(file, { env: {} });
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (config === null) throw new Error('no configuration');
  const quiet = { info: () => undefined, warning: () => undefined, error: () => undefined };
  const gateway = await startGateway(config, { clock, log: quiet });
  const out = (): { topic: string; value: Value }[] =>
    readFileSync(join(folder, 'out.ndjson'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { topic: string; value: Value });
  // A process that was held up says of slots that it has nothing of them.
  const newest = (name: string): Value | undefined =>
    out().findLast(({ topic, value }) => {
      return topic === 'sensor-values' && value['point'] === name && value['status'] !== 'BadNoData';
    })?.value;
  const missing = (): string[] =>
    Object.entries(expected).flatMap(([name, { quality }]) => (newest(name)?.['quality'] === quality ? [] : [name]));
  try {
    await expect.poll(missing, { timeout: 20_000 }).toEqual([]);
  } finally {
    await gateway.stop(1_000, AbortSignal.timeout(5_000));
    clock.close();
  }
  for (const [name, value] of Object.entries(expected)) {
    expect(newest(name)).toMatchObject(value);
  }
  // The power of ten is due twice an hour, and read with every value that needs it.
  const blocks = meter.requests.filter(({ functionCode, address }) => functionCode === 3 && address === 20);
  expect(blocks.length).toBeGreaterThan(0);
  expect(blocks.every(({ count }) => count === 2)).toBe(true);
});

it('a person compares them with the display: read shows each with its place and its words', async () => {
  const { code, stdout } = await run('read', file);
  expect(code).toBe(1);
  expect(stdout).toMatch(/serial +WZ 20 +holding 0 \(40001, 400001\) +575a 2032 3000 0000 +good/);
  expect(stdout).toMatch(/volume +4711\.25 +m3 +holding 10 \(40011, 400011\) \+ holding 14 \(40015, 400015\)/);
  expect(stdout).toMatch(/mode +2 automatic +holding 30/);
  expect(stdout).toMatch(/leak +1 +holding 31 \(40032, 400032\) bit 3 +0008 +good/);
  expect(stdout).toMatch(/relay +1 +coil 7 \(00008, 000008\) +0001 +good/);
  expect(stdout).toMatch(/broken +- +Cel .* bad: the device marks the value as invalid \(BadSensorFailure\)/);
});
