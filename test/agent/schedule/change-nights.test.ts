import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { PolledPoint } from '../../../agent/schedule/point-state.ts';
import { atLocalTimes } from '../../../agent/schedule/wall-slots.ts';
import { PollerSite, counter, gauge, minute } from '../../support/poller-site.ts';
import { pointInfo } from '../../support/scripted-driver.ts';

const hour = 60 * minute;

function local(name: string, everyMs: number, atMs = 0, kind: 'counter' | 'gauge' = 'counter'): PolledPoint {
  const schedule = atLocalTimes(everyMs, { timezone: 'Europe/Madrid', atMs });
  return { info: pointInfo(name, kind), schedule, withinMs: 5 * minute };
}

/** From Python: test/cases/slots/slots.py. */
function expected(every: string, at: string, from: string): string[] {
  const lines = readFileSync('test/cases/slots/slots.csv', 'utf8').split('\n');
  const line = lines.find((each) => each.startsWith(`Europe/Madrid,${every},${at},${from}`));
  if (line === undefined) throw new Error(`no case ${every} ${at} ${from}`);
  return line.split(',').at(-1)?.split(' ') ?? [];
}

function slots(site: PollerSite, point: string, status?: string): string[] {
  return site.readings
    .filter((reading) => reading.point.point === point && (status === undefined || reading.status === status))
    .flatMap(({ slotMs }) => (slotMs === null ? [] : [new Date(slotMs).toISOString().slice(0, 16)]));
}

const sites: PollerSite[] = [];
afterEach(async () => {
  await Promise.all(sites.splice(0).map((each) => each.stop()));
});

function madrid(wall: string): PollerSite {
  const points = [
    local('hourly', hour),
    local('half past', hour, 30 * minute),
    local('flow', hour, 0, 'gauge'),
    counter('quarter'),
    gauge('power', 10 * minute),
  ];
  const site = new PollerSite(points, wall);
  sites.push(site);
  return site;
}

describe.each([
  ['spring', '2026-03-28T22:00'],
  ['autumn', '2026-10-24T22:00'],
])('the night in %s when clocks change in Madrid', (_, from) => {
  const wall = `${from}:01Z`;

  test('has exactly one reading per counter and slot', async () => {
    const site = await madrid(wall).start();
    await site.clock.advance(8 * hour);
    expect(slots(site, 'hourly').slice(1)).toEqual(expected('1h', '00:00', from));
    expect(slots(site, 'half past')).toEqual(expected('1h', '00:30', from));
    expect(slots(site, 'flow')).toEqual(expected('1h', '00:00', from));
    expect(slots(site, 'quarter').slice(1)).toHaveLength(32);
    expect(site.readings.every(({ status }) => status === 'Good')).toBe(true);
  });

  test('has them with a restart each 25 minutes and a meter that answers every other time', async () => {
    const site = madrid(wall);
    site.driver.answer = (__, nth) => (nth % 2 === 0 ? 'BadTimeout' : 1);
    for (let run = 0; run < 20; run++) {
      await site.start();
      await site.clock.advance(25 * minute);
      await site.stop();
    }
    const last = new Date(site.clock.wallMs).toISOString().slice(0, 16);
    const until = (all: readonly string[]): string[] => all.filter((slot) => slot < last);
    expect(until(slots(site, 'hourly').slice(1))).toEqual(until(expected('1h', '00:00', from)));
    expect(until(slots(site, 'half past'))).toEqual(until(expected('1h', '00:30', from)));
  });

  test('slept through, is told as one missed record per counter and slot', async () => {
    const site = await madrid(wall).start();
    await site.clock.advance(minute);
    site.clock.bootMs += 7 * hour;
    site.clock.wallMs += 7 * hour;
    await site.clock.advance(hour);
    expect(slots(site, 'hourly').slice(1)).toEqual(expected('1h', '00:00', from));
    expect(slots(site, 'half past')).toEqual(expected('1h', '00:30', from));
    expect(slots(site, 'half past', 'BadNoData').length).toBeGreaterThanOrEqual(7);
    expect(slots(site, 'flow', 'BadNoData')).toHaveLength(1);
  });
});

test('whatever happens in the night when the clock goes back, each counter has exactly one reading per slot', async () => {
  const from = '2026-10-24T22:00';
  const happening = fc.oneof(
    fc.record({ what: fc.constant('time'), ms: fc.integer({ min: 1, max: 90 * minute }) }),
    fc.record({ what: fc.constant('suspend'), ms: fc.integer({ min: 1, max: 3 * hour }) }),
    fc.record({ what: fc.constantFrom('good', 'BadTimeout', 'lost', 'drop', 'replaced'), ms: fc.constant(0) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 12 }), async (happenings) => {
      const counters = [local('00:00', hour), local('00:30', hour, 30 * minute)];
      const site = await new PollerSite(counters, `${from}:01Z`).start();
      const endMs = site.clock.wallMs + 8 * hour;
      for (const { what, ms } of happenings) {
        const left = Math.max(0, Math.min(ms, endMs - site.clock.wallMs));
        if (what === 'time') await site.clock.advance(left);
        else if (what === 'suspend') {
          site.clock.bootMs += left;
          site.clock.wallMs += left;
        } else if (what === 'drop') site.driver.dropLink();
        else if (what === 'replaced') await site.takeOver(counters);
        else site.driver.answer = () => (what === 'good' ? 1 : what);
      }
      await site.clock.advance(endMs - site.clock.wallMs + 6 * minute);
      await site.stop();
      for (const { info } of counters) {
        const after = slots(site, info.point).filter((slot) => slot > from);
        expect(after).toEqual(expected('1h', info.point, from));
      }
    }),
    { numRuns: 12 },
  );
});

test('slots of a day and of a month are read once each at their local time', async () => {
  const site = new PollerSite(
    [
      local('day', 24 * hour, 2.5 * hour),
      local('month', 30 * 24 * hour, 6 * hour),
      local('daily', 24 * hour, 0, 'gauge'),
    ],
    '2026-03-27T12:00:00Z',
  );
  sites.push(site);
  await site.start();
  await site.clock.advance(6 * 24 * hour);
  expect(slots(site, 'day')).toEqual([
    '2026-03-28T01:30',
    '2026-03-29T01:00',
    '2026-03-30T00:30',
    '2026-03-31T00:30',
    '2026-04-01T00:30',
    '2026-04-02T00:30',
  ]);
  expect(slots(site, 'month')).toEqual(['2026-04-01T04:00']);
  expect(slots(site, 'daily')).toHaveLength(6);
});

test('a daily gauge is not asked hours after its slot, a counter is while it is due', async () => {
  const patient: PolledPoint = { ...local('patient', 24 * hour), withinMs: 3 * hour };
  const site = new PollerSite([local('level', 24 * hour, 0, 'gauge'), patient], '2026-11-22T22:59:00Z');
  sites.push(site);
  await site.start();
  await site.clock.advance(10_000);
  site.clock.bootMs += 2 * hour;
  site.clock.wallMs += 2 * hour;
  await site.clock.advance(minute);
  expect(site.told('level')).toEqual(['- 1', '23:00:00 BadNoData']);
  expect(site.told('patient')).toEqual(['23:00:00 1']);
});
