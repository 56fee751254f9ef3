import { readFileSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../agent/config/load.ts';
import { problemText } from '../../../agent/config/problems.ts';
import { ucum } from '../../../agent/config/ucum.ts';
import { observed, readyPoints, seenOf } from '../../../drivers/modbus/observe.ts';
import type { Seen } from '../../../drivers/modbus/observe.ts';
import type { ModbusPlan, ModbusPoint } from '../../../drivers/modbus/plan.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const folder = resolve('drivers/modbus/profiles');
const cases = resolve('test/cases/profiles');

/** A file of the folder, as it is written. */
interface Profile {
  readonly document?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly byteOrder?: string;
  readonly points: readonly Stated[];
  readonly examples?: readonly Example[];
}
interface Stated {
  readonly name: string;
  readonly kind?: string;
  readonly unit?: string;
  readonly obis?: string;
  readonly address?: number | string;
  readonly reference?: string;
  readonly scale?: number;
  readonly byteOrder?: string;
}
/** Registers from a protocol address on. */
interface Piece {
  readonly table: string;
  readonly address: number | string;
  readonly words: string;
}
/** What must come out of them; null: no value. */
interface Example extends Piece {
  readonly source: string;
  readonly values: Readonly<Record<string, number | null>>;
}

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => basename(file, '.json'));
const read = (name: string): Profile => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Profile;

/** The plan that a device gets which names the profile and states nothing else. */
function planned(profile: Profile): { told: string[]; points: readonly ModbusPoint[] } {
  const site = {
    version: 1,
    gateway: 'g',
    site: { id: 's', timezone: 'UTC' },
    connections: { link: { driver: 'modbus-tcp', host: 'localhost' } },
    profiles: { p: profile },
    devices: [{ id: 'meter', connection: 'link', unitId: 1, profile: 'p' }],
    stateDir: '/tmp',
    uplink: { file: { path: '/tmp/readings' } },
  };
  const options = { env: {}, noSecrets: true, profileFolder: '/nowhere' };
  const { problems, config } = readConfig('site.json', Buffer.from(JSON.stringify(site)), options);
  const plan = config?.connections[0]?.plan as ModbusPlan | undefined;
  return { told: problems.map(problemText), points: plan?.devices[0]?.points ?? [] };
}

/** What the points make of registers; undefined: the registers of the point, or of one that it takes its weight from, are not all there. */
function decoded(points: readonly ModbusPoint[], ...pieces: readonly Piece[]): Record<string, number | null> {
  const all = readyPoints({ points }, false);
  const at = new FakeClock().now();
  const seen = new Map<string, Seen>();
  for (const { table, address, words } of pieces) {
    const data = Buffer.from(words.replaceAll(' ', ''), 'hex');
    for (const [name, point] of all) {
      const place = point.address - Number(address);
      if (point.table === table && place >= 0 && (place + point.registers) * 2 <= data.length)
        seen.set(name, seenOf(point, Number(address), { kind: 'data', data, at }));
    }
  }
  const values = [...all].flatMap(([name, point]) => {
    const observation = observed(point, seen, all);
    return observation === undefined ? [] : [[name, observation.value] as const];
  });
  return Object.fromEntries(values);
}

/** Manuals round: 0x43663334 is printed as 230.2 and is 230.20001. */
function asPrinted(seen: number | null | undefined, printed: number | null): boolean {
  if (printed === null) return seen === null;
  const digits = String(printed).split('.')[1]?.length ?? 0;
  return typeof seen === 'number' && Number(seen.toFixed(digits)) === printed;
}

/** The examples that do not hold, by the names of their points. */
function failing(profile: Profile): string[] {
  const { points } = planned(profile);
  return (profile.examples ?? []).flatMap((example) => {
    const seen = decoded(points, example);
    return Object.entries(example.values).flatMap(([name, value]) => (asPrinted(seen[name], value) ? [] : [name]));
  });
}

/** A row of `test/cases/profiles/NAME.csv`: one register as another source has it. */
interface Row extends Piece {
  readonly point: string;
  readonly unit: string;
  readonly value: string;
}
function rowsOf(name: string): { source: string; rows: Row[] } {
  const [source = '', head = '', ...lines] = readFileSync(join(cases, `${name}.csv`), 'utf8')
    .trimEnd()
    .split('\n');
  const keys = head.split(',');
  const cells = (line: string) => line.split(',').map((cell, at) => [keys[at] ?? '', cell] as const);
  return { source, rows: lines.map((line) => Object.fromEntries(cells(line)) as unknown as Row) };
}

const swapped: Readonly<Record<string, string>> = { ABCD: 'CDAB', CDAB: 'ABCD', BADC: 'ABCD', DCBA: 'ABCD' };
const moved = (address: number | string | undefined): number => Number(address) + 1;

/** Changes one thing in every point that an example holds. */
const corruptions: Readonly<Record<string, (point: Stated, profile: Profile) => Partial<Stated>>> = {
  address: ({ address, reference }) =>
    reference === undefined
      ? { address: moved(address) }
      : { reference: String(Number(reference) + 1).padStart(reference.length, '0') },
  'byte order': ({ byteOrder }, profile) => ({ byteOrder: swapped[byteOrder ?? profile.byteOrder ?? 'ABCD'] ?? '' }),
  scale: ({ scale = 1 }) => ({ scale: scale * 10 }),
};

describe.each(names)('the built-in profile %s', (name) => {
  const profile = read(name);
  const { told, points } = planned(profile);
  const shown = new Set((profile.examples ?? []).flatMap(({ values }) => Object.keys(values)));

  it('has no problem and no warning', () => {
    expect(told).toEqual([]);
    expect(points.length).toBe(profile.points.length);
  });

  it('names its manual first, and maker and model', () => {
    expect(Object.keys(profile).slice(0, 3)).toEqual(['document', 'manufacturer', 'model']);
    expect(profile.document).toMatch(/^.{20,}$/);
  });

  it('states how its manual counts and in which order bytes arrive', () => {
    expect(profile).toHaveProperty('byteOrder');
    if (profile.points.some(({ reference }) => reference === undefined)) expect(profile).toHaveProperty('addressBase');
  });

  it('names points and units as all profiles do', () => {
    for (const { name: point, unit = '', obis } of profile.points) {
      expect(point).toMatch(
        /^(energy|reactive_energy|apparent_energy|power|reactive_power|apparent_power|voltage|current|power_factor|frequency|volume|mass|flow|mass_flow|velocity|conductivity|density|temperature|pressure|level|operating_time)(_[a-z0-9]+)*$/,
      );
      expect({ point, ...ucum(unit) }).toEqual({ point, code: unit, known: true });
      expect({ point, obis }).toEqual({ point, obis: obisOf(point, obis) });
    }
  });

  it('has a counter for every total, and only for totals', () => {
    for (const { name: point, kind } of profile.points)
      expect({ point, kind }).toEqual({ point, kind: isTotal(point) ? 'counter' : undefined });
  });

  it('makes the stated values of its examples', () => {
    expect(shown.size).toBeGreaterThan(0);
    for (const { source } of profile.examples ?? []) expect(source).toMatch(/^.{10,}$/);
    expect(failing(profile)).toEqual([]);
  });

  it.each(Object.keys(corruptions))('fails an example of every shown point when the %s is wrong', (what) => {
    const corrupt = corruptions[what] ?? (() => ({}));
    const touched = profile.points.filter(({ name: point }) => shown.has(point));
    for (const point of touched) {
      const changed = { ...point, ...corrupt(point, profile) };
      const wrong = { ...profile, points: profile.points.map((each) => (each === point ? changed : each)) };
      expect({ point: point.name, found: failing(wrong).includes(point.name) }).toEqual({
        point: point.name,
        found: what !== 'byte order' || showsOrder(point.name),
      });
    }
    if (what === 'byte order') expect(touched.some(({ name: point }) => showsOrder(point))).toBe(true);
  });

  /** One register looks the same in whichever order words come. */
  function showsOrder(point: string): boolean {
    return (points.find(({ info }) => info.point === point)?.registers ?? 1) > 1;
  }

  it('says the same as a second source', () => {
    const { source, rows } = rowsOf(name);
    expect(source).toMatch(/^# .{20,}$/);
    expect(rows.length).toBeGreaterThanOrEqual(3);
    const seen = decoded(points, ...rows);
    for (const { point, unit, value } of rows) {
      const stated = profile.points.find((each) => each.name === point);
      expect({ point, unit: stated?.unit, value: seen[point] }).toEqual({ point, unit, value: Number(value) });
    }
  });
});

const isTotal = (point: string): boolean =>
  /^(reactive_|apparent_)?energy_|^volume_|^mass_.*total|_time$/.test(point) && !point.endsWith('_sf');

/** Electricity of IEC 62056-61 has one code a quantity. Those of other media depend on what the meter is for. */
function obisOf(point: string, stated: string | undefined): string | undefined {
  return electricity[point] ?? stated;
}
const electricity: Readonly<Record<string, string>> = {
  energy_import_total: '1-0:1.8.0',
  energy_import_t1: '1-0:1.8.1',
  energy_import_t2: '1-0:1.8.2',
  energy_import_l1: '1-0:21.8.0',
  energy_import_l2: '1-0:41.8.0',
  energy_import_l3: '1-0:61.8.0',
  energy_export_total: '1-0:2.8.0',
  energy_export_t1: '1-0:2.8.1',
  energy_export_t2: '1-0:2.8.2',
  energy_export_l1: '1-0:22.8.0',
  energy_export_l2: '1-0:42.8.0',
  energy_export_l3: '1-0:62.8.0',
  reactive_energy_import_total: '1-0:3.8.0',
  reactive_energy_export_total: '1-0:4.8.0',
  frequency: '1-0:14.7.0',
  voltage_l1: '1-0:32.7.0',
  voltage_l2: '1-0:52.7.0',
  voltage_l3: '1-0:72.7.0',
  current_l1: '1-0:31.7.0',
  current_l2: '1-0:51.7.0',
  current_l3: '1-0:71.7.0',
};

describe('the built-in profiles', () => {
  it('are of all kinds that a utility reads', () => {
    const having = (point: RegExp) => names.filter((name) => read(name).points.some((each) => point.test(each.name)));
    expect(names.length).toBeGreaterThanOrEqual(27);
    expect(having(/^energy_/).length).toBeGreaterThanOrEqual(15);
    expect(having(/^(flow|volume_.*)$/).length).toBeGreaterThanOrEqual(5);
    expect(having(/^(pressure|level)$/).length).toBeGreaterThanOrEqual(1);
  });

  it('have cases of a second source each, and there are no cases of others', () => {
    const files = readdirSync(cases).filter((file) => file.endsWith('.csv'));
    expect(files.map((file) => basename(file, '.csv')).toSorted()).toEqual(names.toSorted());
  });
});
