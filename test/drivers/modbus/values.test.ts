import { afterEach, describe, expect, test } from 'vitest';
import type { Observation } from '../../../agent/reading.ts';
import type { Session, Settings } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { modbusSchema } from '../../../drivers/modbus/schema.ts';
import { exception, meterOf, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { Behaviour, RawServer } from '../../simulators/modbus-raw-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { hostOf, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;
let server: RawServer;
let clock: FakeClock;
let session: Session;
let plan: ModbusPlan;

afterEach(async () => {
  await session.close();
  await server.close();
});

async function connect(behaviour: Behaviour, points: Record<string, Settings>): Promise<void> {
  server = await startRawServer(behaviour);
  clock = new FakeClock();
  plan = planOf(server.port, [{ id: 'M', points }]).plan;
  session = await driver.open(plan, hostOf(clock), never);
}

/** By name; all when none is named. */
async function poll(...names: string[]): Promise<Observation[]> {
  const points = pointsOf(plan, 'M').filter(({ point }) => names.length === 0 || names.includes(point));
  return session.poll({ device: 'M', points, dueMs: 0 }, never);
}

const asked = (): number[][] =>
  server.requests.map(({ functionCode, address, count }) => [functionCode, address, count]);
const shown = (seen: Observation[]): unknown[] => seen.map(({ value, text, status }) => [value, text, status]);

describe('coils and discrete inputs', () => {
  test('are read as bits, each table by its own function code, neighbours in one request', async () => {
    const bits = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [at, Number([3, 8, 11, 19].includes(at))]));
    await connect(meterOf({ 1: bits, 2: { 7: 1 } }), {
      a: { reference: '00001' },
      d: { reference: '00004' },
      e: { address: 8, table: 'coil', maxGap: 12 },
      s: { address: 19, table: 'coil', maxGap: 12, raw: true },
      h: { reference: '10008', enum: { '0': 'shut', '1': 'open' } },
    });
    const seen = await poll();
    expect(shown(seen)).toEqual([
      [0, null, 'Good'],
      [1, null, 'Good'],
      [1, null, 'Good'],
      [1, null, 'Good'],
      [1, 'open', 'Good'],
    ]);
    expect(seen.map(({ raw }) => raw)).toEqual([null, null, null, '0001', null]);
    expect(asked()).toEqual([
      [1, 0, 1],
      [1, 3, 1],
      [1, 8, 12],
      [2, 7, 1],
    ]);
  });

  test('come 2000 in a request', async () => {
    const bits = Object.fromEntries(Array.from({ length: 2001 }, (_, at) => [at, at % 3 === 0 ? 1 : 0]));
    const points = Object.fromEntries(
      Object.keys(bits).map((at) => [`b${at}`, { address: Number(at), table: 'coil' }]),
    );
    await connect(meterOf({ 1: bits }), points);
    const seen = await poll();
    expect(seen.map(({ value }) => value)).toEqual(Object.values(bits));
    expect(asked()).toEqual([
      [1, 0, 2000],
      [1, 2000, 1],
    ]);
  });
});

test('bits of one register come from one request', async () => {
  await connect(meterOf({ 3: { 5: 0x8005 } }), {
    low: { address: 5, bit: 0 },
    one: { address: 5, bit: 1 },
    high: { address: 5, bit: 15 },
    swapped: { address: 5, bit: 7, byteOrder: 'BADC' },
  });
  expect((await poll()).map(({ value }) => value)).toEqual([1, 0, 1, 1]);
  expect(asked()).toEqual([[3, 5, 1]]);
});

describe('a sum', () => {
  const parts = {
    sum: [
      { address: 20, type: 'uint16', scale: 0.001 },
      { address: 10, type: 'uint32' },
    ],
    raw: true,
  };

  test('is read in one request whatever maxGap says, and shows the words of its parts in their order', async () => {
    const registers = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [10 + at, 0xeeee]));
    await connect(meterOf({ 3: { ...registers, 10: 0, 11: 0x1267, 20: 250 } }), { volume: parts });
    const seen = await poll();
    expect(shown(seen)).toEqual([[4711.25, null, 'Good']]);
    expect(seen[0]?.raw).toBe('00fa 0000 1267');
    expect(asked()).toEqual([[3, 10, 11]]);
  });

  test('shares its request with neighbours that lie beside or inside it', async () => {
    const registers = Object.fromEntries(Array.from({ length: 14 }, (_, at) => [8 + at, at]));
    await connect(meterOf({ 3: registers }), {
      volume: parts,
      before: { address: 8, type: 'uint32' },
      inside: { address: 15 },
      beside: { address: 21 },
    });
    expect((await poll()).map(({ value }) => value)).toEqual([2 * 0x10000 + 3 + 0.012, 1, 7, 13]);
    expect(asked()).toEqual([[3, 8, 14]]);
  });
});

describe('powers of ten and factors from other points', () => {
  const points = {
    power: { address: 0, type: 'int16', scaleFrom: 'sf', factorFrom: ['ct', 'vt'], scale: 0.5, raw: true },
    sf: { address: 1, type: 'int16', invalid: '8000' },
    ct: { address: 40 },
    vt: { address: 41, scale: 0.1, max: 1000 },
  };
  const meter = (words: Record<number, number>): Behaviour =>
    meterOf({ 3: { 0: 0xff85, 1: 0xfffe, 40: 20, 41: 1100, ...words } });

  test('are read with the point although nobody asked for them, in as few requests', async () => {
    await connect(meter({}), points);
    const seen = await poll('power');
    expect(seen.map(({ point }) => point.point)).toEqual(['power']);
    // −123 × 10^−2 × 20 × 110 × 0.5
    expect(shown(seen)).toEqual([[-1353, null, 'Good']]);
    expect(seen[0]?.raw).toBe('ff85 fffe 0014 044c');
    expect(asked()).toEqual([
      [3, 0, 2],
      [3, 40, 2],
    ]);
  });

  test('are read once when they are due themselves, and have their own values', async () => {
    await connect(meter({}), points);
    expect((await poll()).map(({ value }) => value)).toEqual([-1353, -2, 20, 110]);
    expect(asked()).toHaveLength(2);
  });

  test.each<[string, Record<number, number>]>([
    ['a power that says there is none', { 1: 0x8000 }],
    ['a power above 10', { 1: 11 }],
    ['a power below −10', { 1: 0xfff5 }],
    ['a factor of 0', { 40: 0 }],
    ['a factor outside of its own limits', { 41: 20_000 }],
  ])('%s makes the value bad: a number without its factor would be wrong', async (_what, words) => {
    await connect(meter(words), points);
    const [power] = await poll();
    expect(power).toMatchObject({ value: null, text: null, quality: 'bad', status: 'BadDecodingError' });
  });

  test.each([10, -10])('the power %d is used', async (power) => {
    await connect(meter({ 1: power & 0xffff }), { a: { address: 0, type: 'int16', scaleFrom: 'sf' }, sf: points.sf });
    expect((await poll('a'))[0]?.value).toBe(Number(`-123e${power}`));
  });

  test('a power that is no whole number makes the value bad', async () => {
    await connect(meter({}), { a: { address: 0, scaleFrom: 'sf' }, sf: { ...points.sf, scale: 0.25 } });
    expect((await poll('a'))[0]?.status).toBe('BadDecodingError');
  });

  test('a factor that the device refuses makes the value bad and says so of itself; what needs no factor is untouched', async () => {
    const all = { ...points, plain: { address: 1 } };
    await connect(meterOf({ 3: { 0: 5, 1: 0 } }), all);
    const seen = await poll();
    expect(seen.map(({ status }) => status)).toEqual([
      'BadDecodingError',
      'Good',
      'BadNodeIdUnknown',
      'BadNodeIdUnknown',
      'Good',
    ]);
    expect(seen[0]).toMatchObject({ exceptionCode: null, raw: '0005' });
  });

  test('the own fault of a point is told before that of its factor', async () => {
    await connect(meter({ 0: 0x8000, 1: 0x8000 }), { ...points, power: { ...points.power, invalid: -32768 } });
    expect((await poll('power'))[0]?.status).toBe('BadSensorFailure');
  });

  test('a device that falls silent at the factor leaves the point without a value', async () => {
    await connect((request, peer) => {
      if (request.address < 40) meter({})(request, peer);
    }, points);
    const seen = poll('power', 'ct');
    for (const requests of [2, 3]) {
      await until(() => server.requests.length === requests);
      await clock.advance(1000);
    }
    expect((await seen).map(({ status }) => status)).toEqual(['BadDecodingError', 'BadTimeout']);
  });

  test('a poll that is given up leaves the point unanswered', async () => {
    await connect((request, peer) => {
      if (request.address < 40) meter({})(request, peer);
    }, points);
    const giveUp = new AbortController();
    const job = { device: 'M', points: pointsOf(plan, 'M').slice(0, 2), dueMs: 0 };
    const seen = session.poll(job, giveUp.signal);
    await until(() => server.requests.length === 2);
    giveUp.abort();
    expect((await seen).map(({ status }) => status)).toEqual(['BadTimeout', 'Good']);
  });
});

test('strings come whole, enums with their names, what stands for nothing as a failed sensor', async () => {
  const text = Buffer.from('WZ 20/114\0', 'latin1');
  const words = Object.fromEntries([0, 1, 2, 3, 4].map((at) => [at, text.readUInt16BE(at * 2)]));
  await connect(meterOf({ 3: { ...words, 5: 2, 6: 9, 7: 0x7fff } }), {
    serial: { address: 0, type: 'string', length: 5, raw: true },
    mode: { address: 5, enum: { '2': 'automatic' } },
    unknown: { address: 6, enum: { '2': 'automatic' } },
    broken: { address: 7, type: 'int16', scale: 0.1, invalid: ['7fff'], raw: true },
  });
  const seen = await poll();
  expect(shown(seen)).toEqual([
    [null, 'WZ 20/114', 'Good'],
    [2, 'automatic', 'Good'],
    [9, null, 'UncertainSubNormal'],
    [null, null, 'BadSensorFailure'],
  ]);
  expect(seen.map(({ raw }) => raw)).toEqual(['575a 2032 302f 3131 3400', null, null, '7fff']);
  expect(seen.map(({ point }) => point.kind)).toEqual(['text', 'state', 'state', 'gauge']);
  expect(asked()).toEqual([[3, 0, 8]]);
});

test('the register map holds all that turns the words into the value, and nothing that is not stated', async () => {
  const points = {
    a: { address: 0, type: 'int16', scaleFrom: 'b', invalid: '8000' },
    b: { address: 1, type: 'int16' },
    c: { address: 2, bit: 3, enum: { '1': 'on' } },
    d: {
      sum: [
        { address: 4, type: 'uint32' },
        { reference: '40009', scale: 0.1, invalid: 'ffff' },
      ],
    },
    e: { address: 9, type: 'string', length: 2 },
  };
  await connect(exceptionAlways, points);
  const common = { table: 'holding', byteOrder: 'ABCD', scale: 1, offset: 0, min: null, max: null };
  expect(modbusSchema.registersOf?.(plan, 'M')).toEqual({
    a: { ...common, address: 0, registers: 1, type: 'int16', scaleFrom: 'b', invalid: ['8000'] },
    b: { ...common, address: 1, registers: 1, type: 'int16' },
    c: { ...common, address: 2, registers: 1, type: 'bit', bit: 3, enum: { '1': 'on' } },
    d: {
      ...common,
      address: 4,
      registers: 5,
      type: 'sum',
      sum: [
        { address: 4, type: 'uint32', scale: 1 },
        { address: 8, type: 'uint16', scale: 0.1, invalid: ['ffff'] },
      ],
    },
    e: { ...common, address: 9, registers: 2, type: 'string' },
  });
  const where = pointsOf(plan, 'M').map((info) => modbusSchema.describe?.(plan, info).where);
  expect(where).toEqual([
    'holding 0 (40001, 400001)',
    'holding 1 (40002, 400002)',
    'holding 2 (40003, 400003) bit 3',
    'holding 4 (40005, 400005) + holding 8 (40009, 400009)',
    'holding 9 (40010, 400010)',
  ]);
});

const exceptionAlways: Behaviour = (request, peer) => peer.send(exception(request, 2));
