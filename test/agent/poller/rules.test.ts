import { afterEach, describe, expect, test } from 'vitest';
import { startPoller } from '../../../agent/poller/poller.ts';
import type { Reading } from '../../../agent/reading.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { PollerSite, counter, gauge, minute, nothingKept, second } from '../../support/poller-site.ts';
import { observation } from '../../support/scripted-driver.ts';

const sites: PollerSite[] = [];
afterEach(async () => {
  await Promise.all(sites.splice(0).map((each) => each.stop()));
});

async function site(...points: ConstructorParameters<typeof PollerSite>[0]): Promise<PollerSite> {
  const made = new PollerSite(points);
  sites.push(made);
  made.driver.answer = () => 100;
  return made.start();
}

const onChange = { report: { deadband: 0.5, maxAgeMs: minute } };
const meter = { counter: { modulus: 1_000_000, maxRate: { amount: 40, perMs: 3_600_000 }, decreases: false } };

describe('a point that reports changes', () => {
  test('is read at each slot and sent when it changes, or is as old as it may be', async () => {
    const s = await site({ ...gauge('flow'), ...onChange });
    await s.clock.advance(20 * second);
    s.driver.answer = () => 100.6;
    await s.clock.advance(100 * second);
    expect(s.told('flow')).toEqual(['13:00:00 100', '13:00:30 100.6', '13:01:30 100.6']);
    expect(s.driver.polls).toHaveLength(13);
    expect(s.poller.state()).toMatchObject({ polls: 13, good: 3 });
  });

  test('tells a failure and its end', async () => {
    const s = await site({ ...gauge('flow'), ...onChange });
    s.driver.answer = () => 'BadTimeout';
    await s.clock.advance(30 * second);
    s.driver.answer = () => 100;
    await s.clock.advance(20 * second);
    expect(s.told('flow')).toEqual(['13:00:00 100', '13:00:10 BadTimeout', '13:00:40 100']);
  });

  test('is sent again when the buffer refused it', async () => {
    const clock = new FakeClock();
    const point = { ...gauge('flow'), ...onChange };
    const offered: Reading[] = [];
    const session = {
      poll: () => Promise.resolve([observation(point.info, clock.now(), 1)]),
      ended: new Promise<undefined>(() => {}),
      close: () => Promise.resolve(),
    };
    const poller = startPoller({
      device: { id: 'EM-1', points: [point] },
      link: { current: () => session, waitForSession: () => Promise.resolve(session) },
      clock,
      sink: (_, readings) => {
        offered.push(...readings);
        return offered.length <= 2 ? Promise.reject(new Error('full')) : Promise.resolve();
      },
      event: () => {},
      log: () => {},
      kept: nothingKept,
    });
    await settled();
    await clock.advance(50 * second);
    await poller.stop();
    expect(offered.map(({ slotMs }) => (slotMs ?? 0) % minute)).toEqual([0, 10_000, 20_000]);
  });
});

describe('a counter', () => {
  test('that jumps is sent as uncertain with its number, and told', async () => {
    const s = await site({ ...counter('volume'), ...meter });
    s.driver.answer = () => 12;
    await s.clock.advance(15 * minute);
    expect(s.readings.at(-1)).toMatchObject({
      value: 12,
      quality: 'uncertain',
      status: 'UncertainSensorNotAccurate',
      slotMs: Date.parse('2026-11-22T13:15:00Z'),
    });
    expect(s.events).toMatchObject([{ event: 'counter-jump', point: 'volume', facts: { old: 100, new: 12 } }]);
    expect(s.poller.state()).toMatchObject({ good: 1, uncertain: 1, bad: 0 });
  });

  test('is held against what was good before its poller was replaced', async () => {
    const s = await site({ ...counter('volume'), ...meter });
    await s.takeOver([{ ...counter('volume'), ...meter }]);
    s.driver.answer = () => 12;
    await s.clock.advance(15 * minute);
    expect(s.told('volume')).toEqual(['13:00:00 100', '13:15:00 12']);
    expect(s.eventNames()).toEqual(['counter-jump']);
  });

  test('that rolls over stays good', async () => {
    const s = await site({ ...counter('volume'), ...meter });
    s.driver.answer = () => 999_999;
    await s.clock.advance(45 * minute);
    s.driver.answer = () => 4;
    await s.clock.advance(15 * minute);
    expect(s.readings.at(-1)).toMatchObject({ value: 4, quality: 'good' });
    expect(s.eventNames()).toEqual(['counter-jump', 'counter-jump', 'counter-rollover']);
  });
});
