import { afterEach, describe, expect, test } from 'vitest';
import { LinkError } from '../../../agent/errors.ts';
import { startPoller } from '../../../agent/poller/poller.ts';
import type { Reading } from '../../../agent/reading.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { counter, gauge, minute, nothingKept, PollerSite, pollerSites, second } from '../../support/poller-site.ts';

const { site, stopAll } = pollerSites();
afterEach(stopAll);

describe('slots', () => {
  test('points of one instant are asked in one poll, each group at its own slots', async () => {
    const s = await site([counter('energy', 30 * second, 10 * second), gauge('power'), gauge('flow')]).start();
    await s.clock.advance(30 * second);
    expect(s.polls()).toEqual([
      '13:00:00 energy power flow',
      '13:00:10 power flow',
      '13:00:20 power flow',
      '13:00:30 energy power flow',
    ]);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:00:30 1']);
    expect(s.told('power')).toEqual(['13:00:00 1', '13:00:10 1', '13:00:20 1', '13:00:30 1']);
  });

  test('at a start between slots everything is asked at once: a counter for the slot that is still due, the rest outside the schedule', async () => {
    const s = await site([counter('energy'), gauge('power')], '2026-11-22T13:02:03.500Z').start();
    await s.clock.advance(7 * second);
    expect(s.told('energy')).toEqual(['13:00:00 1']);
    expect(s.told('power')).toEqual(['- 1', '13:02:10 1']);
  });

  test('at a first start after `within` a counter waits for its next slot', async () => {
    const s = await site([counter('energy')], '2026-11-22T13:05:00Z').start();
    await s.clock.advance(15 * minute);
    expect(s.told('energy')).toEqual(['13:15:00 1']);
  });

  test('a poll is due at its slot, a second attempt when it is made', async () => {
    const s = await site([counter('energy')], '2026-11-22T12:59:00Z').start();
    s.driver.answer = (_, nth) => (nth === 1 ? 'BadTimeout' : 1);
    await s.clock.advance(2 * minute);
    const slotBootMs = 1_000_000 + minute;
    expect(s.driver.polls.map((poll) => poll.dueMs)).toEqual([slotBootMs, slotBootMs + 10 * second]);
  });

  test('uncertain counts as an answer', async () => {
    const s = site([counter('energy')]);
    s.driver.answer = () => 'UncertainEngineeringUnitsExceeded';
    await s.start();
    await s.clock.advance(10 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 UncertainEngineeringUnitsExceeded']);
    expect(s.driver.polls).toHaveLength(1);
  });

  test('readings of one poll are handed over per stream', async () => {
    const s = await site([counter('energy'), gauge('power')]).start();
    expect(s.readings.map((reading) => [reading.point.stream, reading.point.point])).toEqual([
      ['meter-readings', 'energy'],
      ['sensor-values', 'power'],
    ]);
  });
});

describe('a counter', () => {
  test('is retried until it answers, and only the points still missing are asked again', async () => {
    const s = site([counter('energy'), counter('volume')]);
    s.driver.answer = (_, nth) => (nth < 3 ? { energy: 7, volume: 'BadTimeout' } : 8);
    await s.start();
    await s.clock.advance(10 * minute);
    expect(s.polls()).toEqual(['13:00:00 energy volume', '13:00:10 volume', '13:00:20 volume']);
    expect(s.told('energy')).toEqual(['13:00:00 7']);
    expect(s.told('volume')).toEqual(['13:00:00 8']);
  });

  test('that never answers is one bad with the last status when `within` ends', async () => {
    const s = site([counter('energy', 15 * minute, minute)]);
    s.driver.answer = (_, nth) => (nth === 1 ? 'BadTimeout' : 'BadDeviceFailure');
    await s.start();
    await s.clock.advance(minute - 1);
    expect(s.told('energy')).toEqual([]);
    await s.clock.advance(1);
    expect(s.told('energy')).toEqual(['13:00:00 BadDeviceFailure']);
    await s.clock.advance(13 * minute);
    expect(s.told('energy')).toHaveLength(1);
    expect(s.driver.polls).toHaveLength(10);
  });

  test('waits for its connection until `within` ends, then is one bad BadNotConnected', async () => {
    const s = site([counter('energy')]);
    s.driver.opening = () => 'connect ECONNREFUSED 10.12.0.20:502';
    await s.start();
    await s.clock.advance(5 * minute - 1);
    expect(s.told('energy')).toEqual([]);
    await s.clock.advance(1);
    expect(s.told('energy')).toEqual(['13:00:00 BadNotConnected']);
  });

  test('is read as soon as its connection opens within `within`', async () => {
    const s = site([counter('energy')]);
    s.driver.opening = () => (s.clock.bootMs < 1_000_000 + 3 * minute ? 'connect ECONNREFUSED' : null);
    await s.start();
    await s.clock.advance(4 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1']);
    expect(s.driver.polls).toMatchObject([{ dueMs: 1_000_000 }]);
  });

  test('whose link drops in the middle of a poll is asked again on the next session at once', async () => {
    const s = site([counter('energy')]);
    s.driver.answer = (_, nth) => (nth === 1 ? 'lost' : 5);
    await s.start();
    await s.clock.advance(second);
    expect(s.told('energy')).toEqual(['13:00:00 5']);
    expect(s.eventNames()).toEqual([]);
  });

  test('slot that is on disk counts as done after a restart', async () => {
    const s = await site([counter('energy')]).start();
    await s.stop();
    await s.clock.advance(minute);
    await s.start();
    await s.clock.advance(14 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:15:00 1']);
  });

  test('slot that was still due at a stop is answered after the restart', async () => {
    const s = site([counter('energy')]);
    s.driver.answer = () => 'BadTimeout';
    await s.start();
    await s.clock.advance(minute);
    await s.stop();
    s.driver.answer = () => 9;
    await s.clock.advance(minute);
    await s.start();
    expect(s.told('energy')).toEqual(['13:00:00 9']);
  });

  test('is not silenced for a year by a slot that was recorded while the clock ran a year ahead', async () => {
    const s = await site([counter('energy')], '2027-11-22T13:00:00Z').start();
    await s.stop();
    s.clock.stepWall(-365 * 24 * 60 * minute);
    await s.start();
    await s.clock.advance(15 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:00:00 1', '13:15:00 1']);
  });

  test('is read at every slot, and the clock told once, after a start behind the newest slot on disk', async () => {
    const s = await site([counter('energy'), counter('volume')], '2026-11-22T19:00:00Z').start();
    await s.stop();
    s.clock.stepWall(-6 * 60 * minute);
    await s.start();
    await s.clock.advance(30 * minute);
    for (const point of ['energy', 'volume'])
      expect(s.told(point)).toEqual(['19:00:00 1', '13:00:00 1', '13:15:00 1', '13:30:00 1']);
    expect(s.events).toMatchObject([
      {
        event: 'clock-step',
        severity: 'warning',
        device: 'EM-1',
        facts: { newestSlot: '2026-11-22T19:00:00.000Z', now: '2026-11-22T13:00:00.000Z' },
      },
    ]);
  });

  test('is not read again for the newest slot on disk when a clock a little behind comes to it', async () => {
    const s = await site([counter('energy')]).start();
    await s.stop();
    s.clock.stepWall(-5 * minute);
    await s.start();
    await s.clock.advance(20 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:15:00 1']);
    expect(s.events).toEqual([]);
  });

  test('slots that passed while the machine slept are one bad each, and only the one still due is asked', async () => {
    const s = await site([counter('energy')], '2026-11-22T13:00:00Z').start();
    s.clock.bootMs += 47 * minute;
    s.clock.wallMs += 47 * minute;
    await s.clock.advance(10 * second);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:15:00 BadNoData', '13:30:00 BadNoData', '13:45:00 1']);
    expect(s.readings[1]).toMatchObject({ timeMs: Date.parse('2026-11-22T13:15:00Z'), quality: 'bad' });
    expect(s.driver.polls).toHaveLength(2);
  });

  test('with too many slots passed writes the newest 3360 and tells the rest as a span', async () => {
    const s = await site([counter('energy', minute, 30 * second)]).start();
    s.clock.bootMs += 4_000 * minute;
    s.clock.wallMs += 4_000 * minute;
    await s.clock.advance(10 * second);
    expect(s.told('energy')).toHaveLength(1 + 3_360);
    expect(s.events).toMatchObject([
      {
        event: 'slots-missed',
        message: expect.stringMatching(/: 1 counter was not read after .* and before /),
        facts: { counters: 1, from: '2026-11-22T13:00:00.000Z' },
      },
    ]);
  });
});

describe('a gauge', () => {
  test('that fails is one bad when it begins, one each 15 min, then the first good one', async () => {
    const s = site([gauge('power', minute)]);
    s.driver.answer = (_, nth) => (nth < 3 || nth > 40 ? 1 : 'BadDeviceFailure');
    await s.start();
    await s.clock.advance(41 * minute);
    expect(s.told('power')).toEqual([
      '13:00:00 1',
      '13:01:00 1',
      '13:02:00 BadDeviceFailure',
      '13:17:00 BadDeviceFailure',
      '13:32:00 BadDeviceFailure',
      '13:40:00 1',
      '13:41:00 1',
    ]);
  });

  test('without a connection is one bad BadNotConnected, and good at the first slot with one', async () => {
    const s = site([gauge('power')]);
    s.driver.opening = () => (s.clock.bootMs < 1_000_000 + 3 * minute ? 'connect ECONNREFUSED' : null);
    await s.start();
    await s.clock.advance(3 * minute + 20 * second);
    expect(s.told('power').slice(0, 2)).toEqual(['13:00:00 BadNotConnected', expect.stringMatching(/^13:03:[01]0 1$/)]);
  });

  test('loses nothing to a link that is back within two seconds', async () => {
    const s = await site([gauge('power')]).start();
    await s.clock.advance(9_900);
    s.driver.dropLink();
    await s.clock.advance(2 * second);
    expect(s.told('power')).toEqual(['13:00:00 1', '13:00:10 1']);
    expect(s.eventNames()).toEqual([]);
  });

  test('of a device slower than its slots skips, says so once, and is never asked in a burst', async () => {
    const s = site([gauge('power', second)]);
    s.driver.answerMs = 1_700;
    await s.start();
    await s.clock.advance(60 * second);
    expect(s.driver.polls.length).toBeLessThanOrEqual(31);
    expect(s.told('power').filter((told) => told.endsWith('BadNoData'))).toHaveLength(1);
    expect(s.poller.state().skippedSlots).toBeGreaterThan(20);
  });

  test('after a sleep of the machine is one bad and the next slot, no burst', async () => {
    const s = await site([gauge('power')]).start();
    s.clock.bootMs += 60 * minute;
    s.clock.wallMs += 60 * minute;
    await s.clock.advance(10 * second);
    expect(s.told('power')).toEqual(['13:00:00 1', '13:00:10 BadNoData', '14:00:00 1', '14:00:10 1']);
  });
});

describe('a step of the wall clock', () => {
  test('forward: the next slot is the next boundary of the new time, hours jumped over are no burst', async () => {
    const s = await site([counter('energy'), gauge('power', minute)], '2026-11-22T13:00:00Z').start();
    await s.clock.advance(20 * second);
    s.clock.stepWall(3 * 60 * minute);
    await s.clock.advance(15 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1', '16:15:00 1']);
    expect(s.told('power').slice(0, 3)).toEqual(['13:00:00 1', '16:01:00 1', '16:02:00 1']);
  });

  test('back: no slot twice, and the first boundary not yet answered is the next slot', async () => {
    const s = await site([counter('energy', 5 * minute, minute), gauge('power', minute)]).start();
    await s.clock.advance(10 * minute + 20 * second);
    s.clock.stepWall(-7 * minute);
    await s.clock.advance(13 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1', '13:05:00 1', '13:10:00 1', '13:15:00 1']);
    expect(new Set(s.told('power')).size).toBe(s.told('power').length);
    expect(s.told('power').slice(-2)).toEqual(['13:15:00 1', '13:16:00 1']);
  });

  test('back over a slot that is still due: it stays the same one slot', async () => {
    const s = site([counter('energy', minute, 20 * second)]);
    s.driver.answer = () => (s.driver.polls.length < 3 ? 'BadTimeout' : 1);
    await s.start();
    await s.clock.advance(500);
    s.clock.stepWall(-second);
    await s.clock.advance(30 * second);
    expect(s.told('energy')).toEqual(['13:00:00 1']);
  });

  test('back over a slot that failed: what skips its slots is not asked twice for one', async () => {
    const s = site([gauge('power', minute)]);
    s.driver.answer = () => 'BadDeviceFailure';
    await s.start();
    await s.clock.advance(20 * second);
    s.clock.stepWall(-30 * second);
    await s.clock.advance(90 * second);
    expect(s.polls()).toEqual(['13:00:00 power', '13:01:00 power']);
  });

  test('back to before the start: the slots there are answered as they come', async () => {
    const s = await site([counter('energy')]).start();
    await s.clock.advance(minute);
    s.clock.stepWall(-60 * minute);
    await s.clock.advance(75 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 1', '12:15:00 1', '12:30:00 1', '12:45:00 1', '13:15:00 1']);
  });

  test('over a boundary by less than a look: the boundary is late, not lost', async () => {
    const s = await site([counter('energy')], '2026-11-22T13:14:50Z').start();
    await s.clock.advance(5 * second);
    s.clock.stepWall(6 * second);
    await s.clock.advance(10 * second);
    expect(s.told('energy')).toEqual(['13:15:00 1']);
  });
});

describe('a device', () => {
  test('that falls silent is lost once and found once, with how long it was away', async () => {
    const s = site([counter('energy'), gauge('power')]);
    s.driver.answer = (_, nth) => (nth < 3 || s.clock.bootMs > 1_000_000 + 20 * minute ? 1 : 'BadTimeout');
    await s.start();
    await s.clock.advance(25 * minute);
    expect(s.events).toMatchObject([
      { event: 'device-lost', device: 'EM-1', facts: { status: 'BadTimeout' } },
      { event: 'device-found', device: 'EM-1', facts: { awayMs: 20 * minute - 10 * second } },
    ]);
  });

  test('whose answers are damaged, time and again, is lost once: nothing that can be read was heard', async () => {
    const s = site([gauge('power')]);
    s.driver.answer = (_, nth) => (nth % 2 === 0 ? 'lost' : 'BadCommunicationError');
    await s.start();
    await s.clock.advance(5 * minute);
    expect(s.eventNames()).toEqual(['device-lost']);
    expect(s.events[0]?.message).toMatch(/cannot be its answer/);
  });

  test('whose one block is silent is not lost', async () => {
    const s = site([counter('energy', 15 * minute, minute), gauge('power')]);
    s.driver.answer = () => ({ energy: 'BadTimeout', power: 1 });
    await s.start();
    await s.clock.advance(10 * minute);
    expect(s.eventNames()).toEqual([]);
  });

  test('that answers with exceptions is not lost', async () => {
    const s = site([gauge('power')]);
    s.driver.answer = () => 'BadNodeIdUnknown';
    await s.start();
    await s.clock.advance(minute);
    expect(s.eventNames()).toEqual([]);
    expect(s.poller.state().presence).toBe('ok');
  });

  test('without a connection is lost two seconds after the start, not before', async () => {
    const s = site([counter('energy')]);
    s.driver.opening = () => 'connect ECONNREFUSED';
    await s.start();
    await s.clock.advance(2 * second - 1);
    expect(s.eventNames()).toEqual([]);
    await s.clock.advance(1);
    expect(s.events).toMatchObject([{ event: 'device-lost', facts: { status: 'BadNotConnected' } }]);
    expect(s.poller.state().presence).toBe('lost');
  });

  test('is not lost at a start in the middle of a due slot while its connection is still opening', async () => {
    const s = new PollerSite([counter('energy')], '2026-11-22T13:03:00Z');
    let attempts = 0;
    s.driver.opening = () => (++attempts > 1 ? null : 'starting');
    await s.start();
    await s.clock.advance(1_500);
    expect(s.events).toEqual([]);
    expect(s.told('energy')).toEqual([expect.stringMatching(/^13:00:00 1$/)]);
    await s.stop();
  });
});

describe('a point whose values come by themselves', () => {
  test('is bad two seconds after its link was lost, though it is open again before anything was due', async () => {
    const s = await site([{ ...gauge('level'), pushed: true }]).start();
    await s.clock.advance(11 * second);
    s.driver.opening = () => 'connect ECONNREFUSED';
    s.driver.dropLink();
    await s.clock.advance(1_900);
    expect(s.told('level')).toEqual([]);
    await s.clock.advance(2_100);
    expect(s.told('level')).toEqual(['- BadNotConnected']);
    s.driver.opening = () => null;
    await s.clock.advance(20 * second);
    expect(s.told('level')).toEqual(['- BadNotConnected']);
  });
});

describe('a poll', () => {
  test('that never ends is given up after three minutes, and says nothing about the device', async () => {
    const s = site([gauge('power', minute)]);
    s.driver.answer = (_, nth) => (nth === 1 ? 'never' : 2);
    await s.start();
    await s.clock.advance(3 * minute - 1);
    expect(s.told('power')).toEqual([]);
    await s.clock.advance(1);
    expect(s.told('power').slice(0, 1)).toEqual(['13:00:00 BadTimeout']);
    expect(s.told('power').at(-1)).toBe('13:03:00 2');
    expect(s.events).toEqual([]);
    expect(s.logged.filter((line) => line.includes('not over after 180 s'))).toHaveLength(1);
  });

  test('of a counter that never ends leaves its slot a second attempt', async () => {
    const s = site([counter('energy')]);
    s.driver.answer = (_, nth) => (nth === 1 ? 'never' : 2);
    await s.start();
    await s.clock.advance(5 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 2']);
  });

  test('that is answered later than `every` gives its value', async () => {
    const s = site([gauge('power', second)]);
    s.driver.answerMs = 3 * second;
    await s.start();
    await s.clock.advance(10 * second);
    expect(s.told('power').filter((told) => told.endsWith(' 1'))).toEqual(['13:00:00 1', '13:00:03 1', '13:00:06 1']);
  });

  test('whose driver calls the link lost but keeps its session is tried again with a pause', async () => {
    const s = site([counter('energy')]);
    s.driver.answer = () => {
      throw new LinkError('lost');
    };
    await s.start();
    await s.clock.advance(10 * second);
    expect(s.driver.polls).toHaveLength(11);
  });

  test('is not made, and no time burnt, where the connection gives no session any more', async () => {
    const clock = new FakeClock('2026-11-22T13:00:00Z');
    let waits = 0;
    const link = {
      current: () => null,
      waitForSession: () => {
        waits++;
        return Promise.reject(new LinkError('connection panel is closed'));
      },
    };
    const readings: Reading[] = [];
    const poller = startPoller({
      device: { id: 'EM-1', points: [gauge('power', minute)] },
      link,
      clock,
      sink: (_, some) => Promise.resolve(void readings.push(...some)),
      event: () => {},
      log: () => {},
      kept: nothingKept,
    });
    await clock.advance(minute);
    await poller.stop();
    expect(readings.map((reading) => reading.status)).toEqual(['BadNotConnected']);
    expect(waits).toBeLessThan(20);
  });

  test('that a driver does not even give up at its deadline costs a second more, and is told', async () => {
    const s = site([counter('energy')]);
    s.driver.answer = (_, nth) => (nth === 1 ? 'hangs' : 2);
    await s.start();
    await s.clock.advance(4 * minute);
    expect(s.told('energy')).toEqual(['13:00:00 2']);
    expect(s.logged.filter((line) => line.includes('did not give up'))).toHaveLength(1);
  });

  test('in which the driver throws is BadInternalError, and told once', async () => {
    const s = site([gauge('power')]);
    s.driver.answer = () => {
      throw new TypeError('x is not a function');
    };
    await s.start();
    await s.clock.advance(minute);
    expect(s.told('power')).toEqual(['13:00:00 BadInternalError']);
    expect(s.logged.filter((line) => line.includes('x is not a function'))).toHaveLength(1);
  });

  test('under way at a stop is given up; what it has answered is kept', async () => {
    const s = site([counter('energy'), gauge('power')]);
    s.driver.answer = () => ({ energy: 5, power: 'never' });
    await s.start();
    await s.clock.advance(second);
    await s.stop();
    expect(s.told('energy')).toEqual(['13:00:00 5']);
    expect(s.told('power')).toEqual([]);
  });
});
