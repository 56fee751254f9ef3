import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LinkLoad, Settings } from '../../../drivers/driver.ts';
import { loadOf } from '../../../drivers/modbus/line-load.ts';
import { slotKinds } from '../../../drivers/modbus/slot-kinds.ts';
import { planOf } from './support.ts';
import type { ConnectionPart, DevicePart } from './support.ts';

/** A line of `test/cases/modbus/line-load.jsonl`. A point is its address, its number of registers, and its distance of slots in s. */
interface Case {
  readonly name: string;
  readonly baudRate: number;
  readonly parity: string;
  readonly stopBits: number;
  readonly devices: readonly {
    readonly count: number;
    readonly points: readonly (readonly [number, number, number])[];
    readonly maxGap?: number;
    readonly pauseMs?: number;
  }[];
  readonly share: number;
  readonly cycleMs: number;
}

const cases = readFileSync('test/cases/modbus/line-load.jsonl', 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);
const serial = (settings: Settings): ConnectionPart => ({
  driver: 'modbus-rtu',
  settings: { path: '/dev/serial/by-path/x', ...settings },
});

function loaded(to: ConnectionPart, devices: readonly DevicePart[]): { load: LinkLoad; told: string[] } {
  const { plan } = planOf(to, devices);
  const told: string[] = [];
  const settings = new Map(
    devices.flatMap(({ id, points }) => Object.entries(points).map(([name, each]) => [`${id}/${name}`, each])),
  );
  const load = loadOf(
    plan,
    ({ device, point }) => {
      const { every = 10_000, within } = settings.get(`${device}/${point}`) as { every?: number; within?: number };
      return { everyMs: every, withinMs: within ?? Math.min(every / 2, 300_000) };
    },
    (severity, { device }, message) => told.push(`${severity} ${device ?? 'connection'}: ${message}`),
  );
  return { load, told };
}

function devicesOf({ devices }: Pick<Case, 'devices'>): DevicePart[] {
  return devices.flatMap(({ count, points, maxGap = 0, pauseMs = 0 }, kind) =>
    Array.from({ length: count }, (_, index) => ({
      id: `D${kind}-${index}`,
      unitId: index + 1,
      points: Object.fromEntries(
        points.map(([address, registers, everyS]) => [
          `p${address}`,
          { address, type: registers === 2 ? 'uint32' : 'uint16', every: everyS * 1000, maxGap, pause: pauseMs },
        ]),
      ),
    })),
  );
}

/** `count` meters of one counter each. */
const meters = (count: number, settings: Settings): DevicePart[] =>
  Array.from({ length: count }, (_, index) => ({ id: `M${index}`, unitId: index + 1, points: { total: settings } }));

describe('how full a serial line will be', () => {
  it.each(cases)('$name', (row) => {
    const { baudRate, parity, stopBits } = row;
    const { load } = loaded(serial({ baudRate, parity, stopBits }), devicesOf(row));
    expect(load.share).toBeCloseTo(row.share, 8);
    expect(load.cycleMs).toBeCloseTo(row.cycleMs, 5);
  });

  it('is told when it is more than there is, with what helps', () => {
    const { load, told } = loaded(serial({ baudRate: 9600 }), meters(30, { address: 0, type: 'uint32', every: 1000 }));
    expect(load.share).toBeCloseTo(1.125, 6);
    expect(told).toEqual([
      'warning connection: this cannot work: at 9600 baud the requests would take 113 % of the time, if every answer comes within 10 ms; ' +
        'make every longer, or read fewer points, or set line and devices to 19200 baud (72 %), or let one request read over unused registers (maxGap)',
    ]);
    const fine = loaded(serial({ baudRate: 9600 }), meters(26, { address: 0, type: 'uint32', every: 1000 }));
    expect(fine).toMatchObject({ load: { share: expect.closeTo(0.975, 6) }, told: [] });
  });

  it('names no baud rate where none is enough', () => {
    const { told } = loaded(serial({ baudRate: 9600 }), meters(200, { address: 0, every: 1000 }));
    expect(told).toEqual([expect.stringMatching(/ would take \d+ % of the time, .*or read fewer points, or let one/)]);
  });

  it('counts the points that others need', () => {
    const points = { power: { address: 0, every: 1000, scaleFrom: 'sf' }, sf: { address: 50, every: 3_600_000 } };
    const { load } = loaded(serial({}), [{ id: 'M', unitId: 1, points }]);
    // Two requests of one register every second.
    expect(load.share).toBeCloseTo(2 * 0.035_208_333, 8);
  });

  it('counts what a device that does not answer costs: its longest timeout, with every try', () => {
    const dead = { address: 0, every: 10_000, timeout: 700, retries: 2 };
    expect(
      loaded(serial({}), [...meters(2, { address: 0 }), { id: 'X', unitId: 9, points: { dead } }]).load,
    ).toMatchObject({
      silenceMs: 2100,
    });
  });

  it('is told when counters cannot all be read while their slots last, though there is time on average', () => {
    const counter = { address: 0, type: 'uint32', kind: 'counter', every: 60_000, within: 1000 } as const;
    expect(loaded(serial({}), meters(26, counter)).told).toEqual([]);
    expect(loaded(serial({}), meters(30, counter)).told).toEqual([
      'warning connection: this cannot work: counters that are to be read within 1s of their slots take 1.1 s when all are due; make within (or every) longer, or read fewer points',
    ]);
    expect(loaded(serial({}), meters(30, { ...counter, kind: 'gauge' })).told).toEqual([]);
  });

  it.each(['modbus-tcp', 'modbus-rtu-over-tcp'])(
    'is not known of %s, where pauses may be too long all the same',
    (driver) => {
      const to = { driver, settings: { host: '127.0.0.1', port: 502 } };
      const { load, told } = loaded(to, meters(3, { address: 0, every: 1000, pause: 500, timeout: 900 }));
      expect(load).toEqual({ share: null, cycleMs: null, silenceMs: 1800 });
      expect(told).toEqual([expect.stringContaining('the pauses alone would take 150 % of the time')]);
      expect(loaded(to, meters(200, { address: 0, every: 1000 })).told).toEqual([]);
    },
  );
});

it('slots fall together as often as the clock says', () => {
  const distances = fc.uniqueArray(fc.constantFrom(1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60), { maxLength: 5 });
  fc.assert(
    fc.property(distances, (everyMs) => {
      const counted = new Map<string, number>();
      for (let ms = 0; ms < 60; ms++) {
        const due = everyMs.filter((each) => ms % each === 0).toSorted((a, b) => a - b);
        if (due.length > 0) counted.set(due.join(), (counted.get(due.join()) ?? 0) + 1);
      }
      const kinds = slotKinds(everyMs)
        .map(
          ({ due, perMs }) => [[...due].toSorted((a, b) => a - b).join(), Math.round(perMs * 60 * 1e6) / 1e6] as const,
        )
        .filter(([, times]) => times !== 0);
      expect(new Map(kinds)).toEqual(counted);
    }),
  );
});
