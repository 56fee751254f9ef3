import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reading } from '../../../agent/reading.ts';
import { settled } from '../../support/fake-clock.ts';
import { PollerSite, counter, gauge, minute, second } from '../../support/poller-site.ts';

const counters = [counter('fast', minute, 20 * second), counter('slow', 5 * minute, 2 * minute)];
const startMs = Date.parse('2026-11-22T12:59:30Z');
const points = [...counters, gauge('power', 20 * second)];

type Happening =
  | { readonly what: 'time'; readonly ms: number }
  | { readonly what: 'answers'; readonly as: string }
  | { readonly what: 'refused' | 'open' | 'drop' | 'restart' }
  | { readonly what: 'step' | 'suspend'; readonly ms: number };

const time = fc.record({ what: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 4 * minute }) });
const answers = fc.record({
  what: fc.constant('answers' as const),
  as: fc.constantFrom('good', 'BadTimeout', 'BadDeviceFailure', 'never', 'lost', 'hangs', 'half', 'slow'),
});
const link = fc.record({ what: fc.constantFrom('refused' as const, 'open' as const, 'drop' as const) });
const suspend = fc.record({ what: fc.constant('suspend' as const), ms: fc.integer({ min: 1, max: 20 * minute }) });
const step = fc.record({ what: fc.constant('step' as const), ms: fc.integer({ min: -40 * minute, max: 40 * minute }) });
const restart = fc.record({ what: fc.constant('restart' as const) });

async function happen(site: PollerSite, happening: Happening): Promise<void> {
  const { driver, clock } = site;
  switch (happening.what) {
    case 'time':
      return clock.advance(happening.ms);
    case 'answers':
      driver.answerMs = happening.as === 'slow' ? 3_700 : 0;
      driver.answer = () =>
        happening.as === 'good' || happening.as === 'slow'
          ? 1
          : happening.as === 'half'
            ? { fast: 1, slow: 'BadTimeout', power: 1 }
            : happening.as;
      return undefined;
    case 'refused':
      driver.opening = () => 'connect ECONNREFUSED';
      return undefined;
    case 'open':
      driver.opening = () => null;
      return undefined;
    case 'drop':
      driver.dropLink();
      return settled();
    case 'suspend':
      clock.bootMs += happening.ms;
      clock.wallMs += happening.ms;
      return undefined;
    case 'step':
      clock.stepWall(happening.ms);
      return undefined;
    case 'restart':
      await site.stop();
      await site.start();
      return undefined;
    default:
      return undefined;
  }
}

async function live(happenings: readonly Happening[]): Promise<PollerSite> {
  const site = new PollerSite(points, new Date(startMs).toISOString());
  await site.start();
  for (const happening of happenings) await happen(site, happening);
  return site;
}

function slotsOf(readings: readonly Reading[], point: string): number[] {
  return readings.flatMap((reading) => (reading.point.point === point ? [reading.slotMs ?? Number.NaN] : []));
}

describe('whatever happens', () => {
  test('a counter has at most one reading per slot in one run, through outages, steps and suspends, and none for the newest of earlier runs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ arbitrary: time, weight: 4 }, answers, link, suspend, step, restart), { maxLength: 25 }),
        async (happenings) => {
          const site = await live(happenings);
          await site.stop();
          for (const { info } of counters) {
            for (const [run, from] of site.starts.entries()) {
              const before = slotsOf(site.readings.slice(0, from), info.point);
              const slots = slotsOf(site.readings.slice(from, site.starts[run + 1]), info.point);
              expect(slots.length).toBe(new Set(slots).size);
              expect(slots).not.toContain(Math.max(...before));
            }
          }
          expect(site.driver.mostOpenAtOnce).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('a counter has at most one reading per slot, through outages, suspends and restarts, where the wall is not stepped', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ arbitrary: time, weight: 4 }, answers, link, suspend, restart), { maxLength: 25 }),
        async (happenings) => {
          const site = await live(happenings);
          await site.stop();
          for (const { info } of counters) {
            const slots = slotsOf(site.readings, info.point);
            expect(slots.length).toBe(new Set(slots).size);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('a counter has exactly one reading per slot while the process runs and the wall is not stepped', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ arbitrary: time, weight: 4 }, answers, link, suspend), { maxLength: 25 }),
        async (happenings) => {
          const site = await live(happenings);
          const endMs = site.clock.wallMs;
          // The poll under way may outlast `within` by the longest deadline and its grace.
          await site.clock.advance(2 * minute + 182 * second);
          await site.stop();
          for (const { info, schedule } of counters) {
            const slots = slotsOf(site.readings, info.point).filter((slotMs) => slotMs <= endMs);
            const expected: number[] = [];
            let slotMs = schedule.slotAfter(startMs);
            for (; slotMs <= endMs; slotMs = schedule.slotAfter(slotMs)) expected.push(slotMs);
            expect(slots.filter((each) => each >= (expected[0] ?? endMs))).toEqual(expected);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('what is not a counter has at most one reading per slot in one run, and a bad one at most each 15 min but for new failures', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ arbitrary: time, weight: 4 }, answers, link, step), { maxLength: 25 }),
        async (happenings) => {
          const site = await live(happenings);
          await site.stop();
          const own = site.readings.filter((reading) => reading.point.point === 'power');
          const slots = own.flatMap(({ slotMs }) => (slotMs === null ? [] : [slotMs]));
          expect(slots.length).toBe(new Set(slots).size);
          const badBootMs = own.map((reading) => (reading.status === 'BadTimeout' ? reading.at.bootMs : null));
          for (const [n, bootMs] of badBootMs.entries()) {
            const before = badBootMs[n - 1] ?? null;
            if (bootMs !== null && before !== null) expect(bootMs - before).toBeGreaterThanOrEqual(14 * minute);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
