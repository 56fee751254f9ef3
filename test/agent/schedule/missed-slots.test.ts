import { afterEach, describe, expect, test } from 'vitest';
import { counter, gauge, minute, type PollerSite, pollerSites, second } from '../../support/poller-site.ts';

const hour = 60 * minute;
const { site, stopAll } = pollerSites();
afterEach(stopAll);

/** The process is off for so long. */
async function off(s: PollerSite, ms: number): Promise<void> {
  await s.stop();
  await s.clock.advance(ms);
  await s.start();
}

describe('slots that went by while the gateway was off', () => {
  test('each get one bad record at the start, before the first poll, from the newest on disk on', async () => {
    const s = await site([counter('energy'), gauge('power')]).start();
    await off(s, hour + 2 * minute);
    await s.clock.advance(minute);
    expect(s.told('energy')).toEqual([
      '13:00:00 1',
      '13:15:00 BadNoData',
      '13:30:00 BadNoData',
      '13:45:00 BadNoData',
      '14:00:00 1',
    ]);
    expect(s.told('power').filter((told) => told.includes('BadNoData'))).toEqual([]);
    expect(
      s.readings.filter(({ status }) => status === 'BadNoData').map(({ timeMs, slotMs }) => timeMs === slotMs),
    ).toEqual([true, true, true]);
    expect(s.events).toEqual([]);
  });

  test('where the slot of the start is no longer due, it is one of them', async () => {
    const s = await site([counter('energy')]).start();
    await off(s, 22 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:15:00 BadNoData']);
  });

  test('a point without any record gets none', async () => {
    const s = await site([counter('energy')], '2026-11-22T13:07:00Z').start();
    await s.clock.advance(20 * minute);
    expect(s.told('energy')).toEqual(['13:15:00 1']);
  });

  test('for months: the newest 3,360, the rest as a span, and the first poll waits for none of it', async () => {
    const s = await site([counter('energy'), counter('water')]).start();
    await off(s, 60 * 24 * hour + second);
    expect(s.told('energy').slice(0, 2)).toEqual(['13:00:00 1', '13:00:00 1']);
    await s.clock.advance(minute);
    const missed = s.readings.filter(({ point, status }) => point.point === 'energy' && status === 'BadNoData');
    expect(missed).toHaveLength(3_360);
    expect(new Set(missed.map(({ slotMs }) => slotMs)).size).toBe(3_360);
    expect(missed.at(-1)?.slotMs).toBe(s.clock.wallMs - minute - second - 15 * minute);
    const firstMs = missed[0]?.slotMs ?? 0;
    expect(s.events.map(({ event, facts }) => [event, facts?.['counters'], facts?.['written'], facts?.['to']])).toEqual(
      [
        ['slots-missed', 2, false, new Date(firstMs).toISOString()],
        ['slots-missed', 2, true, expect.any(String)],
      ],
    );
  });

  test('a reload in the midst of it loses none', async () => {
    const s = await site([counter('energy')]).start();
    await off(s, 10 * 24 * hour);
    await s.clock.advance(400);
    await s.takeOver([counter('energy', 15 * minute, 4 * minute)]);
    await s.clock.advance(minute);
    expect(new Set(s.readings.map(({ slotMs }) => slotMs)).size).toBe(10 * 96 + 1);
    expect(s.readings).toHaveLength(10 * 96 + 1);
  });

  test('a reload that takes away the point with the many leaves the few others, which wait no more', async () => {
    const s = await site([counter('quick', minute, 30 * second), counter('energy')]).start();
    await off(s, 6 * hour + 2 * minute);
    expect(s.told('energy')).not.toContain('14:00:00 BadNoData');
    await s.takeOver([counter('energy')]);
    expect(s.told('energy').filter((told) => told.includes('BadNoData'))).toHaveLength(23);
  });
});

describe('a counter while the clock is known to be wrong', () => {
  test.each([
    ['an hour behind', -hour],
    ['seven minutes and a half ahead', 7.5 * minute],
    ['two seconds ahead', 2 * second],
    ['in 1970', -Date.parse('2026-11-22T09:11:13.777Z')],
  ])('%s: every slot of the truth gets exactly one record, and no reading another than its own', async (_, errorMs) => {
    const trueStart = Date.parse('2026-11-22T13:00:00Z');
    const s = await site([counter('energy')]).start();
    await s.stop();
    // Off from 13:00 to 13:52; then wrong until 16:03.
    await s.clock.advance(52 * minute);
    s.clock.boot = 'boot-2';
    s.clock.trust = 'unsynced';
    s.clock.stepWall(errorMs);
    await s.start();
    await s.clock.advance(2 * hour + 11 * minute);
    expect(s.readings.filter(({ status }) => status === 'BadNoData')).toEqual([]);
    expect(s.readings.slice(1).every(({ slotMs }) => slotMs === null)).toBe(true);
    s.clock.stepWall(-errorMs);
    s.clock.trust = 'synced';
    await s.clock.advance(30 * minute);
    const slots = slotsOf(s);
    const expected = Array.from({ length: 15 }, (__, quarter) => trueStart + quarter * 15 * minute);
    expect(slots.toSorted((a, b) => a - b)).toEqual(expected);
    const bad = s.readings.filter(({ status }) => status === 'BadNoData').map(({ slotMs }) => slotMs);
    expect(bad).toEqual(expected.slice(1, 4));
  });

  test.each([
    [46, 2.5 * minute, []],
    [46, 0, []],
    [52, -hour, [65]],
    [52, 2.5 * minute, [61, 77, 78]],
    [47, 2 * second, [1, 2, 70]],
  ])(
    'with starts in it (off for %i min, %i ms wrong, starts after %j min): every slot gets exactly one record',
    async (offMinutes, errorMs, starts) => {
      const trueStart = Date.parse('2026-11-22T13:00:00Z');
      const s = await site([counter('energy')]).start();
      await s.stop();
      await s.clock.advance(offMinutes * minute);
      s.clock.boot = 'boot-2';
      s.clock.trust = 'unsynced';
      s.clock.stepWall(errorMs);
      await s.start();
      let passed = 0;
      for (const after of starts) {
        await s.clock.advance((after - passed) * minute);
        passed = after;
        await s.stop();
        await s.start();
      }
      await s.clock.advance((131 - passed) * minute);
      s.clock.stepWall(-errorMs);
      s.clock.trust = 'synced';
      await s.clock.advance(minute);
      const answered = slotsOf(s);
      const last = Math.floor((s.clock.wallMs - trueStart) / (15 * minute));
      const expected = Array.from({ length: last + 1 }, (__, quarter) => trueStart + quarter * 15 * minute);
      expect(answered.toSorted((a, b) => a - b).map(timeOf)).toEqual(expected.map(timeOf));
      const bad = s.readings.filter(({ status }) => status === 'BadNoData').map(({ slotMs }) => slotMs);
      expect(bad.length).toBeLessThanOrEqual(3);
    },
  );

  test('that was right before: its slots go on, and none is asked twice', async () => {
    const s = await site([counter('energy')]).start();
    await s.clock.advance(16 * minute);
    s.clock.trust = 'unsynced';
    s.clock.stepWall(-hour);
    await s.clock.advance(40 * minute);
    s.clock.stepWall(hour);
    s.clock.trust = 'synced';
    await s.clock.advance(20 * minute);
    const own = s.readings.flatMap(({ slotMs }) =>
      slotMs === null ? [] : [new Date(slotMs).toISOString().slice(11, 16)],
    );
    expect(own).toEqual(['13:00', '13:15', '14:00', '14:15']);
    expect(s.readings.filter(({ laterSlot }) => laterSlot !== undefined).length).toBeGreaterThanOrEqual(8);
  });
});

const timeOf = (ms: number): string => new Date(ms).toISOString().slice(11, 16);

/** Of every reading the slot that it has, or will have when its time is known, worked out from what it says. */
function slotsOf({ clock, readings }: PollerSite): number[] {
  const offsetMs = clock.wallMs - clock.bootMs;
  return readings.flatMap(({ slotMs, laterSlot, at }) => {
    if (slotMs !== null) return [slotMs];
    if (laterSlot === undefined) return [];
    const dueMs = at.bootMs + offsetMs - laterSlot.lateMs;
    const slot = dueMs - (dueMs % laterSlot.everyMs);
    return dueMs - slot < laterSlot.withinMs ? [slot] : [];
  });
}
