import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../agent/config/load.ts';
import type { SiteConfig } from '../../../agent/config/site-config.ts';
import type { ModbusPlan } from '../../../drivers/modbus/plan.ts';
import { decoderOf } from '../../../drivers/modbus/decode.ts';
import { describeSite } from '../../../agent/assets/metadata.ts';

const point = { name: 'energy', kind: 'counter', unit: 'kWh', address: 72, type: 'uint32', scale: 0.01 };

function site(some: object = {}, device: object = {}): SiteConfig {
  const content = {
    version: 1,
    gateway: 'ps-12',
    site: { id: 'PS12', name: 'Pump station 12', timezone: 'Europe/Madrid', labels: { region: 'north' } },
    connections: { panel: { driver: 'modbus-tcp', host: '10.12.0.20', table: 'input', byteOrder: 'CDAB' } },
    devices: [
      {
        id: 'EM-104',
        connection: 'panel',
        unitId: 1,
        description: 'Feeds pump 1',
        labels: { shift: 'A' },
        asset: { id: 'PS12/P1', name: 'Pump 1', serial: '20-114-7', location: 'Switchboard A' },
        points: [
          { name: 'flow', unit: 'm3/h', address: 12, type: 'float32', every: '10s', labels: { side: 'out' } },
          { ...point, obis: '1-0:1.8.0', description: 'Import' },
        ],
        ...device,
      },
    ],
    stateDir: '/tmp',
    uplink: { file: { path: '/tmp/out.ndjson' } },
    ...some,
  };
  const { config, problems } = readConfig('sluice.json', Buffer.from(JSON.stringify(content)), { env: {} });
  if (config === null) throw new Error(problems.map(({ message }) => message).join('\n'));
  return config;
}

const bodies = (config: SiteConfig): Record<string, unknown>[] =>
  describeSite(config).descriptions.map(({ body }) => JSON.parse(body) as Record<string, unknown>);

describe('what is said of a device', () => {
  const map = site().connections[0]?.devices[0]?.points[0]?.info.map;

  it('is all that its owner wrote of it, flat, with every key always there', () => {
    expect(bodies(site())[1]).toEqual({
      gateway: 'ps-12',
      site: 'PS12',
      device: 'EM-104',
      time: null,
      clock: null,
      asset: 'PS12/P1',
      name: 'Pump 1',
      serial: '20-114-7',
      location: 'Switchboard A',
      manufacturer: null,
      model: null,
      description: 'Feeds pump 1',
      labels: { region: 'north', shift: 'A' },
      siteName: 'Pump station 12',
      timezone: 'Europe/Madrid',
      connection: 'panel',
      driver: 'modbus-tcp',
      profile: null,
      map,
      enabled: true,
      removedAt: null,
      points: [
        {
          point: 'flow',
          kind: 'gauge',
          unit: 'm3/h',
          stream: 'sensor-values',
          every: '10s',
          at: null,
          report: 'every',
          obis: null,
          description: null,
          labels: { side: 'out' },
        },
        {
          point: 'energy',
          kind: 'counter',
          unit: 'kW.h',
          stream: 'meter-readings',
          every: '15m',
          at: null,
          report: 'every',
          obis: '1-0:1.8.0',
          description: 'Import',
          labels: {},
        },
      ],
    });
  });

  it('tells when a point is read and whether silence is a gap', () => {
    const points = [
      { ...point, every: '1mo', at: '06:30' },
      { name: 'daily', unit: 'm', address: 1, every: '24h' },
      { name: 'level', unit: 'm', address: 2, report: 'change', deadband: 0.1 },
    ];
    expect(bodies(site({}, { points }))[1]).toMatchObject({
      points: [
        { every: '1mo', at: '06:30', report: 'every' },
        { every: '1d', at: '00:00', report: 'every' },
        { every: '10s', at: null, report: 'change' },
      ],
    });
  });

  it('comes behind its register map, which holds all that turns raw words into values', () => {
    const { descriptions } = describeSite(site());
    expect(descriptions.map(({ device, map: name }) => [device, name])).toEqual([
      ['EM-104', map],
      ['EM-104', null],
    ]);
    expect(bodies(site())[0]).toMatchObject({
      device: 'EM-104',
      map,
      driver: 'modbus-tcp',
      serial: '20-114-7',
      points: [
        {
          point: 'energy',
          kind: 'counter',
          unit: 'kW.h',
          obis: '1-0:1.8.0',
          modulus: null,
          decreases: false,
          register: {
            table: 'input',
            address: 72,
            registers: 2,
            type: 'uint32',
            byteOrder: 'CDAB',
            scale: 0.01,
            offset: 0,
          },
        },
        { point: 'flow', register: { table: 'input', address: 12, type: 'float32', byteOrder: 'CDAB', scale: 1 } },
      ],
    });
  });

  it('has the same register map, byte for byte, however often and in which order the points are asked', () => {
    const text = (config: SiteConfig): string | undefined => describeSite(config).descriptions[0]?.body;
    const patient = { ...point, timeout: '5s', retries: 3, every: '5m', maxGap: 4, raw: false };
    const other = { name: 'flow', unit: 'm3/h', address: 12, type: 'float32' };
    expect(text(site({}, { points: [patient, other] }))).toBe(text(site({}, { points: [other, point] })));
    const ends = site({}, { points: [{ ...point, modulus: 1_000_000 }] });
    expect(bodies(ends)[0]).toMatchObject({ points: [{ modulus: 1_000_000 }] });
    expect(bodies(site({}, { points: [{ ...point, decreases: true }] }))[0]).toMatchObject({
      points: [{ decreases: true }],
    });
    expect(text(site({}, { points: [{ ...point, scale: 0.1 }, other] }))).not.toBe(
      text(site({}, { points: [other, point] })),
    );
  });

  it('lets an outsider decode raw words who has nothing but the announced map', () => {
    const orders = ['ABCD', 'CDAB', 'BADC', 'DCBA'];
    const points = orders.flatMap((byteOrder, at) => [
      { name: `f-${byteOrder}`, unit: 'V', address: at * 4, type: 'float32', byteOrder },
      { name: `i-${byteOrder}`, unit: 'V', address: at * 4 + 2, type: 'int32', byteOrder, scale: 0.5, offset: 3 },
    ]);
    const config = site({}, { points });
    const [announced] = bodies(config);
    const plan = config.connections[0]?.plan as ModbusPlan;
    const raw = '4366 c000';
    const told = (announced as { points?: { point: string; register: Register }[] } | undefined)?.points ?? [];
    expect(told).toHaveLength(8);
    for (const { point: name, register } of told) {
      const planned = plan.devices[0]?.points.find(({ info }) => info.point === name);
      if (planned === undefined) throw new Error(`no point ${name}`);
      const said = decoderOf(planned)(Buffer.from(raw.replace(' ', ''), 'hex')).value ?? Number.NaN;
      expect([name, register.type === 'float32' ? Math.fround(said) : said]).toEqual([name, outsider(raw, register)]);
    }
  });

  interface Register {
    readonly type: string;
    readonly byteOrder: string;
    readonly scale: number;
    readonly offset: number;
  }
  /** As anybody would write it who reads the documentation: `byteOrder` names the bytes in the order in which they came. */
  function outsider(raw: string, { type, byteOrder, scale, offset }: Register): number {
    const bytes = raw.replace(' ', '').match(/../g) ?? [];
    const ordered = Array.from('ABCD', (letter) => Number.parseInt(bytes[byteOrder.indexOf(letter)] ?? '', 16));
    const view = new DataView(Uint8Array.from(ordered).buffer);
    return (type === 'float32' ? view.getFloat32(0) : view.getInt32(0)) * scale + offset;
  }

  it('writes the distance of slots as the configuration does', () => {
    const written = ['250ms', '10s', '15m', '1h', '6h', '1d', '1mo'];
    const points = written.map((every, at) => ({ name: `p${at}`, unit: 'V', address: at, every }));
    expect(bodies(site({}, { points }))[1]).toMatchObject({ points: written.map((every) => ({ every })) });
  });

  it('names the devices that are switched off, by themselves or with their connection', () => {
    expect(describeSite(site()).switchedOff).toEqual([]);
    expect(describeSite(site({}, { enabled: false }))).toMatchObject({ descriptions: [], switchedOff: ['EM-104'] });
    const off = { panel: { driver: 'modbus-tcp', host: '10.12.0.20', enabled: false } };
    expect(describeSite(site({ connections: off })).switchedOff).toEqual(['EM-104']);
  });

  it('goes to another destination when brokers or topic change, and not for their order', () => {
    const kafka = (brokers: string[], topics = {}): string =>
      describeSite(site({ uplink: { kafka: { brokers, topics } } })).destination;
    const first = kafka(['a:1', 'b:1']);
    expect(kafka(['b:1', 'a:1'])).toBe(first);
    expect(kafka(['a:1', 'b:1'], { 'meter-readings': 'x' })).toBe(first);
    expect(new Set([first, kafka(['a:1']), kafka(['a:1', 'b:1'], { 'asset-metadata': 'x' })]).size).toBe(3);
  });

  it('stays below what a topic takes: 2,400 points whole, with long descriptions without them', () => {
    const points = (description?: string): object[] =>
      Array.from({ length: 2400 }, (_, at) => ({
        name: `harmonic_voltage_phase_${at}`,
        unit: 'V',
        address: at * 2,
        type: 'float32',
        labels: { phase: 'L1', feeder: `F-${at}` },
        ...(description === undefined ? {} : { description }),
      }));
    const sizes = (config: SiteConfig): number[] => describeSite(config).descriptions.map(({ body }) => body.length);
    const [registers = 0, current = 0] = sizes(site({}, { points: points() }));
    expect(registers).toBeLessThan(900_000);
    expect(current).toBeLessThan(900_000);
    expect(current).toBeGreaterThan(2400 * 100);
    const long = site(
      {},
      { points: points('A sentence that says where this value is measured and what it is for. '.repeat(5)) },
    );
    expect(sizes(long)[1]).toBeLessThan(900_000);
    const told = bodies(long)[1]?.['points'] as Record<string, unknown>[];
    expect([told.length, told[7]]).toEqual([
      2400,
      expect.objectContaining({ point: 'harmonic_voltage_phase_7', unit: 'V', description: null, labels: {} }),
    ]);
  });
});
