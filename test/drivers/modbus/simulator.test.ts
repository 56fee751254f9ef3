import modbusSerial from 'modbus-serial';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Observation } from '../../../agent/reading.ts';
import type { Session } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { livelyValue } from '../../../drivers/modbus/simulated-values.ts';
import { simulatedRegisters } from '../../../drivers/modbus/simulated-device.ts';
import { startSimulator } from '../../../drivers/modbus/simulator.ts';
import type { ModbusSimulator as Simulator } from '../../../drivers/modbus/simulator.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { numberTypes } from '../../../drivers/modbus/types.ts';
import { hostOf, planOf, pointsOf, until } from './support.ts';
import type { DevicePart } from './support.ts';

const never = new AbortController().signal;
const devices = [
  {
    id: 'EM-1',
    unitId: 1,
    points: {
      energy: { address: 0, type: 'uint32', scale: 0.001, kind: 'counter', unit: 'kW.h' },
      voltage: { address: 2, type: 'float32', byteOrder: 'CDAB', unit: 'V' },
      temperature: { address: 4, type: 'int16', scale: 0.1, unit: 'Cel', min: 0, max: 40 },
      polls: { address: 5, type: 'uint32', kind: 'counter', unit: '{polls}' },
    },
  },
  {
    id: 'FT-2',
    unitId: 2,
    points: { flow: { address: 10, table: 'input', type: 'uint16', scale: 0.01, unit: 'm3/h' } },
  },
] as const;

let clock: FakeClock;
let plan: ModbusPlan;
let simulator: Simulator;
let session: Session;

beforeEach(async () => {
  clock = new FakeClock();
  simulator = await startSimulator({ plan: planOf(1, devices).plan, host: '127.0.0.1', port: 0, clock, seed: 1 });
  plan = planOf(simulator.port, devices).plan;
  session = await driver.open(plan, hostOf(clock), never);
});
afterEach(async () => {
  await session.close();
  await simulator.close();
});

const poll = (device: string): Promise<Observation[]> =>
  session.poll({ device, points: pointsOf(plan, device), dueMs: 0 }, never);

test('simulated meters are read with values a person would believe', async () => {
  const [energy, voltage, temperature] = await poll('EM-1');
  const [flow] = await poll('FT-2');
  expect([energy?.status, voltage?.status, temperature?.status, flow?.status]).toEqual([
    'Good',
    'Good',
    'Good',
    'Good',
  ]);
  expect(energy?.value).toBeGreaterThan(1000);
  expect(Math.abs((voltage?.value ?? 0) - 231)).toBeLessThan(5);
  expect(Math.abs((temperature?.value ?? 0) - 16.5)).toBeLessThan(3);
  expect(flow?.value).toBeGreaterThan(10);
});

test('totals grow and never fall, gauges drift, for a day', async () => {
  const before = { energy: 0, voltages: new Set<number | null>() };
  for (let hour = 0; hour < 24; hour++) {
    const [energy, voltage] = await poll('EM-1');
    expect(energy?.value).toBeGreaterThan(before.energy);
    before.energy = energy?.value ?? 0;
    before.voltages.add(voltage?.value ?? null);
    await clock.advance(3_600_000);
  }
  expect(before.voltages.size).toBeGreaterThan(20);
});

test('no total falls from one second to the next, whatever the seed', () => {
  const [energy] = plan.devices[0]?.points ?? [];
  if (energy === undefined) throw new Error('a point');
  for (let seed = 0; seed < 20; seed++) {
    const total = livelyValue(energy, seed);
    for (let second = 1; second < 3600; second++) {
      expect(total(1.8e12 + second * 1000)).toBeGreaterThan(total(1.8e12 + second * 1000 - 1000));
    }
  }
});

test('the same seed and time give the same values, another seed others', () => {
  const [energy] = plan.devices[0]?.points ?? [];
  if (energy === undefined) throw new Error('a point');
  expect(livelyValue(energy, 1)(1e12)).toBe(livelyValue(energy, 1)(1e12));
  expect(livelyValue(energy, 1)(1e12)).not.toBe(livelyValue(energy, 2)(1e12));
});

test('a point in {polls} counts its reads', async () => {
  const counts = [await poll('EM-1'), await poll('EM-1'), await poll('EM-1')].map((seen) => seen[3]?.value);
  expect(counts).toEqual([1, 2, 3]);
});

test('registers exist where points are, and nowhere else; a client no one here wrote agrees', async () => {
  const first = plan.devices[0];
  if (first === undefined) throw new Error('a device');
  expect([...simulatedRegisters(first).holding]).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect([...simulatedRegisters(first).input]).toEqual([]);
  const client = new modbusSerial.default();
  await client.connectTCP('127.0.0.1', { port: simulator.port });
  client.setTimeout(500);
  client.setID(1);
  const [energy] = await poll('EM-1');
  const { data } = await client.readHoldingRegisters(0, 2);
  expect((((data[0] ?? 0) * 0x10000 + (data[1] ?? 0)) * 0.001).toFixed(3)).toBe(energy?.value?.toFixed(3));
  expect((await client.readHoldingRegisters(1, 1)).data).toEqual([data[1]]);
  await expect(client.readHoldingRegisters(6, 2)).rejects.toMatchObject({ modbusCode: 2 });
  await expect(client.readInputRegisters(0, 1)).rejects.toMatchObject({ modbusCode: 2 });
  await expect(client.writeRegister(0, 1)).rejects.toMatchObject({ modbusCode: 1 });
  await new Promise<void>((resolve) => {
    client.close(() => resolve());
  });
});

test.each([
  ['exception:2', 'BadNodeIdUnknown'],
  ['exception:6', 'BadResourceUnavailable'],
  ['garbage', 'BadCommunicationError'],
])('the fault %s is seen as %s', async (fault, status) => {
  simulator.fault('EM-1', fault);
  expect((await poll('EM-1'))[0]?.status).toBe(status);
});

test('the fault reset ends the connection', async () => {
  simulator.fault('EM-1', 'reset');
  await expect(poll('EM-1')).rejects.toMatchObject({ code: 'LINK_LOST' });
});

test.each(['silent', 'late'])(
  'the fault %s is seen as BadTimeout, and ends with off; the others go on',
  async (fault) => {
    simulator.fault('EM-1', fault);
    const seen = poll('EM-1');
    for (const tries of [1, 2]) {
      await until(() => simulator.stats().devices['EM-1']?.requests === tries);
      await clock.advance(1000);
    }
    expect((await seen)[0]?.status).toBe('BadTimeout');
    expect((await poll('FT-2'))[0]?.status).toBe('Good');
    await clock.advance(1000);
    simulator.fault('EM-1', 'off');
    expect((await poll('EM-1'))[0]?.status).toBe('Good');
  },
);

test('what it served is counted per device and connection', async () => {
  await poll('EM-1');
  simulator.fault('FT-2', 'exception:4');
  await poll('FT-2');
  expect(simulator.stats()).toEqual({
    connections: { now: 1, ever: 1 },
    devices: {
      'EM-1': { requests: 1, answered: 1, fault: 'off' },
      'FT-2': { requests: 1, answered: 0, fault: 'exception:4' },
    },
  });
});

test('a fault or device that it does not know is refused by name', () => {
  expect(() => simulator.fault('EM-9', 'silent')).toThrow('there are: EM-1, FT-2');
  expect(() => simulator.fault('EM-1', 'slow')).toThrow('there are: silent, late');
  expect(() => simulator.fault('EM-1', 'exception:300')).toThrow('no fault');
});

test('it serves on loopback only', async () => {
  await expect(startSimulator({ plan, host: '0.0.0.0', port: 0, clock, seed: 1 })).rejects.toThrow('loopback only');
});

test('a serial line is served as RTU over TCP, with the same values', async () => {
  const line = planOf({ driver: 'modbus-rtu', settings: { path: '/dev/ttyS9' } }, devices).plan;
  const served = await startSimulator({ plan: line, host: '127.0.0.1', port: 0, clock, seed: 1 });
  const there = { driver: 'modbus-rtu-over-tcp', settings: { host: '127.0.0.1', port: served.port } };
  const reading = planOf(there, devices).plan;
  const opened = await driver.open(reading, hostOf(clock), never);
  try {
    for (const { id } of devices) {
      const overLine = await opened.poll({ device: id, points: pointsOf(reading, id), dueMs: 0 }, never);
      const overTcp = await session.poll({ device: id, points: pointsOf(plan, id), dueMs: 0 }, never);
      expect(overLine.map(({ status }) => status)).toEqual(overLine.map(() => 'Good'));
      expect(overLine.map(({ value }) => value)).toEqual(overTcp.map(({ value }) => value));
    }
  } finally {
    await opened.close();
    await served.close();
  }
});

test('every type, bits, sums and factors are served as their own driver reads them; where registers are shared each has its bits', async () => {
  const numbers = Object.fromEntries(
    Object.keys(numberTypes).map((type, at) => [type, { address: 100 + at * 4, type, kind: 'gauge', min: 1, max: 90 }]),
  );
  const points = {
    ...numbers,
    ...Object.fromEntries([...Array(16).keys()].map((bit) => [`bit${bit}`, { address: 10, bit, byteOrder: 'BADC' }])),
    high: { address: 11, type: 'uint8h', min: 20, max: 40 },
    low: { address: 11, type: 'uint8l', min: 50, max: 60 },
    serial: { address: 20, type: 'string', length: 6, byteOrder: 'BADC' },
    mode: { address: 26, enum: { '3': 'three', '7': 'seven' } },
    volume: {
      sum: [
        { address: 32, type: 'uint16', scale: 0.001 },
        { address: 30, type: 'uint32' },
      ],
      unit: 'm3',
      kind: 'counter',
    },
    power: { address: 40, type: 'int16', scaleFrom: 'sf', factorFrom: ['ct'], unit: 'kW' },
    sf: { address: 41, type: 'int16' },
    ct: { address: 42 },
    relay: { address: 3, table: 'coil' },
    far: { address: 1999, table: 'coil' },
    door: { reference: '10001' },
  } as const;
  const served = [{ id: 'ALL', points }] as unknown as DevicePart[];
  await session.close();
  await simulator.close();
  simulator = await startSimulator({ plan: planOf(1, served).plan, host: '127.0.0.1', port: 0, clock, seed: 1 });
  plan = planOf(simulator.port, served).plan;
  session = await driver.open(plan, hostOf(clock), never);

  const seen = new Map((await poll('ALL')).map((each) => [each.point.point, each]));
  expect([...seen.values()].filter(({ status }) => status !== 'Good')).toEqual([]);
  for (const type of Object.keys(numberTypes)) expect(seen.get(type)?.value).toBeGreaterThanOrEqual(1);
  const bits = [...Array(16).keys()].map((bit) => seen.get(`bit${bit}`)?.value);
  expect(new Set(bits)).toEqual(new Set([0, 1]));
  expect(seen.get('high')?.value).toBeLessThanOrEqual(40);
  expect(seen.get('low')?.value).toBeGreaterThanOrEqual(50);
  expect(seen.get('serial')?.text).toMatch(/^SIM\d{6}$/);
  expect(['three', 'seven']).toContain(seen.get('mode')?.text);
  expect(seen.get('volume')?.value).toBeGreaterThan(1);
  expect(seen.get('volume')?.value).toBe(Number(seen.get('volume')?.value?.toFixed(3)));
  expect([seen.get('sf')?.value, seen.get('ct')?.value]).toEqual([-2, 10]);
  expect(Math.abs((seen.get('power')?.value ?? 0) - 8.2)).toBeLessThan(4);

  const client = new modbusSerial.default();
  await client.connectTCP('127.0.0.1', { port: simulator.port });
  client.setID(1);
  const { data } = await client.readHoldingRegisters(10, 1);
  const swapped = (((data[0] ?? 0) & 0xff) << 8) | ((data[0] ?? 0) >> 8);
  expect(bits).toEqual([...Array(16).keys()].map((bit) => (swapped >> bit) & 1));
  expect((await client.readCoils(3, 1)).data[0]).toBe(seen.get('relay')?.value === 1);
  expect((await client.readDiscreteInputs(0, 1)).data[0]).toBe(seen.get('door')?.value === 1);
  await expect(client.readCoils(3, 2)).rejects.toMatchObject({ modbusCode: 2 });
  await new Promise<void>((resolve) => {
    client.close(() => resolve());
  });
});
