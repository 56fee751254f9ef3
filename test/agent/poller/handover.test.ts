import { afterEach, describe, expect, test } from 'vitest';
import { counter, gauge, minute, pollerSites, second } from '../../support/poller-site.ts';

const { site, stopAll } = pollerSites();
afterEach(stopAll);

describe('a poller that takes over from another of the same device', () => {
  test('asks nothing outside the schedule for points that were there before, and new ones at once', async () => {
    const s = await site([counter('energy'), gauge('power')]).start();
    await s.clock.advance(14 * second);
    await s.takeOver([counter('energy'), gauge('power'), gauge('flow'), counter('volume')]);
    await s.clock.advance(6 * second);
    expect(s.polls()).toEqual([
      '13:00:00 energy power',
      '13:00:10 power',
      '13:00:14 flow volume',
      '13:00:20 power flow',
    ]);
    expect(s.told('volume')).toEqual(['13:00:00 1']);
  });

  test('goes on with a counter that has not answered yet, for the same slot', async () => {
    const s = site([counter('energy')]);
    s.driver.answer = (_, nth) => (nth === 1 ? 'BadTimeout' : 7);
    await s.start();
    await s.clock.advance(4 * second);
    await s.takeOver([counter('energy')]);
    await s.clock.advance(10 * second);
    expect(s.told('energy')).toEqual(['13:00:00 7']);
  });

  test('writes the one bad of a counter slot whose `within` ended between the two', async () => {
    const s = site([counter('energy', 15 * minute, minute)]);
    s.driver.answer = () => 'BadTimeout';
    await s.start();
    await s.clock.advance(minute - second);
    await s.takeOver([counter('energy', 15 * minute, minute)]);
    await s.clock.advance(2 * second);
    expect(s.told('energy')).toEqual(['13:00:00 BadTimeout']);
  });

  test('accounts for slots that fell between the two: late for who was there before, nothing for who was not', async () => {
    const every = 30 * second;
    const s = await site([counter('energy', every, 10 * second)]).start();
    await s.takeOver([counter('energy', every, 10 * second), counter('volume', every, 10 * second)], 75 * second);
    await s.clock.advance(15 * second);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:00:30 BadNoData', '13:01:00 BadNoData', '13:01:30 1']);
    expect(s.told('volume')).toEqual(['13:01:30 1']);
  });

  test.each([
    ['other slots', [counter('energy', 30 * minute)]],
    ['no such point', [gauge('power')]],
  ])('gives a slot that is still due its one record where there are %s now', async (_, points) => {
    const s = site([counter('energy'), gauge('power')]);
    s.driver.answer = () => ({ energy: 'BadTimeout', power: 1 });
    await s.start();
    await s.clock.advance(15 * minute + 5 * second);
    await s.takeOver(points);
    await s.clock.advance(20 * minute);
    expect(s.told('energy').slice(0, 2)).toEqual(['13:00:00 BadTimeout', '13:15:00 BadTimeout']);
    const slots = s.told('energy').map((text) => text.slice(0, 8));
    expect(new Set(slots).size).toBe(slots.length);
  });

  test('asks again for a due slot that is a slot of the new schedule too', async () => {
    const s = site([counter('energy', 15 * minute)]);
    s.driver.answer = (_, nth) => (nth === 1 ? 'BadTimeout' : 5);
    await s.start();
    await s.clock.advance(4 * second);
    await s.takeOver([counter('energy', 30 * minute)]);
    await s.clock.advance(minute);
    expect(s.told('energy')).toEqual(['13:00:00 5']);
  });

  test('goes on counting, and knows when the device last answered', async () => {
    const s = await site([counter('energy'), gauge('power')]).start();
    await s.clock.advance(30 * second);
    const before = s.poller.state();
    await s.takeOver([counter('energy'), gauge('power')]);
    expect(s.poller.state()).toMatchObject({ polls: before.polls, good: before.good, lastGood: before.lastGood });
    expect(before.good).toBe(5);
  });

  test('answers no slot twice, whatever the buffer knows of it', async () => {
    const s = await site([counter('energy', 30 * second, 10 * second)]).start();
    await s.takeOver([counter('energy', 30 * second, 10 * second), gauge('power')]);
    await s.takeOver([counter('energy', 30 * second, 10 * second)]);
    await s.clock.advance(30 * second);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:00:30 1']);
  });

  test('tells a device that stays lost no second time, and its return once', async () => {
    const s = site([gauge('power')]);
    s.driver.answer = () => 'BadTimeout';
    await s.start();
    await s.takeOver([gauge('power'), gauge('flow')]);
    await s.clock.advance(20 * second);
    expect(s.eventNames()).toEqual(['device-lost']);
    s.driver.answer = () => 1;
    await s.clock.advance(10 * second);
    expect(s.eventNames()).toEqual(['device-lost', 'device-found']);
    expect(s.told('power')).toEqual(['13:00:00 BadTimeout', '13:00:30 1']);
  });

  test('takes a point of other slots as a new one', async () => {
    const s = await site([gauge('power', 10 * second)]).start();
    await s.clock.advance(12 * second);
    await s.takeOver([gauge('power', 30 * second)]);
    await s.clock.advance(20 * second);
    expect(s.polls()).toEqual(['13:00:00 power', '13:00:10 power', '13:00:12 power', '13:00:30 power']);
  });
});
