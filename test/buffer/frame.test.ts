import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stamp } from '../../agent/clock.ts';
import type { Note, Reading } from '../../agent/reading.ts';
import { corrected, decodeFrame, encodeFrame, keep } from '../../buffer/frames/frame.ts';
import type { Numbered } from '../../buffer/frames/frame.ts';
import { pointInfo, reading } from '../support/readings.ts';

const anchor: Stamp = { boot: 'b-1', bootMs: 5_000_000, wallMs: Date.parse('2026-11-22T13:15:01Z'), trust: 'synced' };

function roundTrip(
  entries: readonly Numbered[],
  stream: 'meter-readings' | 'gateway-events' = 'meter-readings',
): unknown {
  const points = new Map<number, ReturnType<typeof pointInfo>>();
  const ids = new Map<string, number>();
  const bytes = encodeFrame(anchor, entries, (point) => {
    const id = ids.get(point.hash) ?? ids.size;
    ids.set(point.hash, id);
    points.set(id, point);
    return id;
  });
  const describePoint = (id: number): ReturnType<typeof pointInfo> => {
    const point = points.get(id);
    if (!point) throw new RangeError(`no descriptor ${id}`);
    return point;
  };
  return decodeFrame(bytes, { epoch: '1-aaaaaaaa', stream, describe: describePoint });
}

const wholeMs = fc.integer({ min: 0, max: 4_102_444_800_000 });
const anyReading: fc.Arbitrary<Reading> = fc
  .record({
    point: fc.constantFrom('a', 'b', 'c').map((point) => pointInfo({ point })),
    value: fc.option(
      fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.integer({ min: -1e9, max: 1e9 }).map((value) => value / 1000),
      ),
    ),
    text: fc.option(fc.string()),
    quality: fc.constantFrom('good', 'uncertain', 'bad'),
    status: fc.constantFrom('Good', 'BadTimeout', 'UncertainEngineeringUnitsExceeded'),
    exceptionCode: fc.option(fc.integer({ min: 1, max: 255 })),
    bootMs: fc.integer({ min: 4_990_000, max: 5_000_000 }),
    timeMs: fc.option(wholeMs),
    timeSource: fc.constantFrom('gateway', 'device', 'server'),
    deviceTimeMs: fc.option(wholeMs),
    slotMs: fc.option(wholeMs),
    raw: fc.option(
      fc
        .array(fc.integer({ min: 0, max: 65_535 }), { minLength: 1, maxLength: 4 })
        .map((words) => words.map((word) => word.toString(16).padStart(4, '0')).join(' ')),
    ),
    repeat: fc.boolean(),
  })
  .map(({ bootMs, ...rest }): Reading => ({ ...rest, at: { ...anchor, bootMs } }));

describe('a frame', () => {
  it('gives every reading back to the last bit, dated by its anchor', () => {
    fc.assert(
      fc.property(
        fc.array(anyReading, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 2 ** 50 }),
        (readings, first) => {
          const numbered = readings.map((entry, row) => ({ seq: first + row * 3, entry }));
          const expected = numbered.map((one) => keep(anchor, one, '1-aaaaaaaa', 'meter-readings'));
          // −0 is not a value a reading may carry.
          const clean = JSON.parse(JSON.stringify(expected)) as unknown;
          expect(JSON.parse(JSON.stringify(roundTrip(numbered)))).toEqual(clean);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives notes and tombstones back', () => {
    const note = (json: string | null): Note => ({ at: { ...anchor, bootMs: anchor.bootMs - 20 }, key: 'ps-12', json });
    const numbered = [note('{"event":"start"}'), note(null), note('')].map((entry, row) => ({ seq: 7 + row, entry }));
    expect(roundTrip(numbered, 'gateway-events')).toEqual(
      numbered.map((one) => keep(anchor, one, '1-aaaaaaaa', 'gateway-events')),
    );
  });

  it('dates a reading by how long before the commit it arrived, not by the wall clock it saw', () => {
    const seen = reading({ at: { ...anchor, bootMs: anchor.bootMs - 818, wallMs: 0 } });
    expect(keep(anchor, { seq: 1, entry: seen }, 'e', 'meter-readings').timeMs).toBe(anchor.wallMs - 818);
  });

  it.each(['unsynced', 'synced'] as const)(
    'gives a reading that was asked for with a wrong clock and committed with a right one its true slot (read: %s)',
    (trust) => {
      const laterSlot = { everyMs: 1_000, withinMs: 1_000, lateMs: 0 };
      const seen = reading({
        at: { ...anchor, bootMs: anchor.bootMs - 400, wallMs: 0, trust },
        laterSlot,
        slotMs: null,
      });
      const slotMs = Date.parse('2026-11-22T13:15:00Z');
      const committed = corrected(anchor, { seq: 1, entry: seen });
      expect(committed.entry).toMatchObject({ slotMs });
      const kept = keep(anchor, committed, '1-aaaaaaaa', 'meter-readings');
      expect(kept).toMatchObject({ slotMs, timeMs: anchor.wallMs - 400, clock: 'synced' });
      expect(roundTrip([committed])).toEqual([kept]);
    },
  );

  it('holds 30 float values of one poll in less than 8 bytes each', () => {
    const entries = Array.from({ length: 3000 }, (_, row) => ({
      seq: 1000 + row,
      entry: reading({
        point: pointInfo({ point: `p${row}` }),
        value: Math.round(230_000 + 5000 * Math.sin(row * 12.9898)) / 1000,
        at: { ...anchor, bootMs: anchor.bootMs - Math.floor(row / 30) },
      }),
    }));
    expect(encodeFrame(anchor, entries, (point) => Number(point.point.slice(1))).length / 3000).toBeLessThan(8);
  });

  it('never hangs and never allocates without bound on damaged bytes', () => {
    const numbered = Array.from({ length: 50 }, (_, row) => ({ seq: row + 1, entry: reading({ value: row / 7 }) }));
    const bytes = encodeFrame(anchor, numbered, () => 1);
    const info = pointInfo({});
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        try {
          decodeFrame(damaged, { epoch: 'e', stream: 'meter-readings', describe: () => info });
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 500 },
    );
  });
});
