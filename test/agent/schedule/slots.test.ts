import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SlotSet, fromFullHour, slotsBetween } from '../../../agent/schedule/slots.ts';

const at = (time: string): number => Date.parse(`2026-11-22T${time}Z`);

describe('slots counted from the full hour', () => {
  test.each([
    ['15m', 900_000, '13:07:12.345', '13:00:00', '13:15:00'],
    ['15m at a boundary', 900_000, '13:15:00', '13:15:00', '13:30:00'],
    ['15m a millisecond before', 900_000, '13:14:59.999', '13:00:00', '13:15:00'],
    ['15m over the hour', 900_000, '13:59:59.999', '13:45:00', '14:00:00'],
    ['10s', 10_000, '13:00:09.999', '13:00:00', '13:00:10'],
    ['100ms', 100, '13:00:00.250', '13:00:00.200', '13:00:00.300'],
    ['7.5s', 7_500, '13:00:08', '13:00:07.500', '13:00:15'],
    ['30m', 1_800_000, '13:31:00', '13:30:00', '14:00:00'],
  ])('%s', (_, everyMs, wall, before, after) => {
    const schedule = fromFullHour(everyMs);
    expect(schedule.slotAtOrBefore(at(wall))).toBe(at(before));
    expect(schedule.slotAfter(at(wall))).toBe(at(after));
  });

  test.each([0, -1, Number.NaN, 7_000, 3_600_000, 86_400_000])('%d ms is refused with what is allowed', (everyMs) => {
    expect(() => fromFullHour(everyMs)).toThrow(/allowed: under 1 h and a divisor of it/);
  });

  const everyMs = fc.constantFrom(100, 500, 1_000, 7_500, 10_000, 60_000, 720_000, 900_000, 1_800_000);
  const wallMs = fc.integer({ min: -3_600_000, max: 4_102_444_800_000 });

  test('every instant lies in exactly one slot, and each full hour begins one', () => {
    fc.assert(
      fc.property(everyMs, wallMs, (every, wall) => {
        const schedule = fromFullHour(every);
        const slotMs = schedule.slotAtOrBefore(wall);
        expect(slotMs).toBeLessThanOrEqual(wall);
        expect(schedule.slotAfter(wall)).toBeGreaterThan(wall);
        expect(schedule.slotAfter(wall) - slotMs).toBe(every);
        expect(schedule.slotAtOrBefore(slotMs)).toBe(slotMs);
        const hourMs = Math.floor(wall / 3_600_000) * 3_600_000;
        expect(schedule.slotAtOrBefore(hourMs)).toBe(hourMs);
      }),
    );
  });

  test('between two instants the newest slots are listed, oldest first, and older ones are said to exist', () => {
    const schedule = fromFullHour(900_000);
    expect(slotsBetween(schedule, at('13:00:00'), at('13:45:00'), 10)).toEqual({
      slots: [at('13:15:00'), at('13:30:00'), at('13:45:00')],
      more: false,
    });
    expect(slotsBetween(schedule, at('13:00:00'), at('13:45:00'), 2)).toEqual({
      slots: [at('13:30:00'), at('13:45:00')],
      more: true,
    });
    expect(slotsBetween(schedule, at('13:45:00'), at('13:00:00'), 2)).toEqual({ slots: [], more: false });
  });
});

describe('the set of answered slots', () => {
  test('holds exactly what was added, in whatever order', () => {
    const schedule = fromFullHour(60_000);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 80 }), (minutes) => {
        const set = new SlotSet(schedule);
        for (const minute of minutes) set.add(minute * 60_000);
        for (let minute = 0; minute <= 61; minute++) {
          expect(set.has(minute * 60_000)).toBe(minutes.includes(minute));
        }
      }),
    );
  });
});
