import { afterEach, expect, test } from 'vitest';
import { type Poller, startPoller } from '../../../agent/poller/poller.ts';
import type { GatewayEvent, Reading } from '../../../agent/reading.ts';
import { fromFullHour } from '../../../agent/schedule/slots.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import { hostOf, planOf, pointsOf, until } from '../../drivers/modbus/support.ts';
import { honest, startRawServer } from '../../simulators/modbus-raw-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { nothingKept, second } from '../../support/poller-site.ts';

let cleanUp: () => Promise<void> = () => Promise.resolve();
afterEach(() => cleanUp());

interface Line {
  readonly readings: readonly Reading[];
  readonly events: readonly GatewayEvent[];
  /** How often each unit was asked. */
  readonly asked: readonly number[];
}

/**
 * The real session and the real pollers of `units` meters behind one gateway that takes `answerMs` per request. The gateway moves the clock
 * itself when it is asked, so the line must never be idle. Ends after `requests`.
 */
async function liveThrough(
  requests: number,
  { units, answerMs, everyMs, ...settings }: { units: number; answerMs: number; everyMs: number; timeout: number },
): Promise<Line> {
  const clock = new FakeClock();
  const server = await startRawServer((request, peer) => {
    if (request.number < requests) void clock.advance(answerMs).then(() => honest(request, peer));
  });
  const ids = Array.from({ length: units }, (_, index) => `EM-${index + 1}`);
  const { plan } = planOf(
    server.port,
    ids.map((id, index) => ({ id, unitId: index + 1, points: { power: { address: 0 } } })),
    settings,
  );
  const session = await driver.open(plan, hostOf(clock), new AbortController().signal);
  const readings: Reading[] = [];
  const events: GatewayEvent[] = [];
  const pollers = ids.map((id): Poller =>
    startPoller({
      device: {
        id,
        points: pointsOf(plan, id).map((info) => ({ info, schedule: fromFullHour(everyMs), withinMs: 0 })),
      },
      link: { current: () => session, waitForSession: () => Promise.resolve(session) },
      clock,
      sink: (_, some) => Promise.resolve(void readings.push(...some)),
      event: (event) => events.push(event),
      log: () => {},
      kept: nothingKept,
    }),
  );
  cleanUp = async () => {
    await Promise.all(pollers.map((poller) => poller.stop()));
    await session.close();
    await server.close();
  };
  await until(() => server.requests.length > requests);
  const asked = ids.map((_, index) => server.requests.filter(({ unitId }) => unitId === index + 1).length);
  return { readings, events, asked };
}

test.each([
  ['30 units at 200 ms, every 1s', { units: 30, answerMs: 200, everyMs: second, timeout: second }],
  ['12 units at 60 ms, every 200ms', { units: 12, answerMs: 60, everyMs: 200, timeout: second }],
  [
    '12 units at 20 s, every 10s: longer than a poll may last',
    { units: 12, answerMs: 20 * second, everyMs: 10 * second, timeout: 60 * second },
  ],
])('on a line that has more to do than it can every unit has its turn (%s)', async (_, line) => {
  const { asked, events, readings } = await liveThrough(line.units * 10, line);
  expect(Math.min(...asked)).toBeGreaterThanOrEqual(9);
  expect(Math.max(...asked)).toBeLessThanOrEqual(11);
  expect(events).toEqual([]);
  expect(readings.filter(({ quality }) => quality === 'good').length).toBeGreaterThanOrEqual(line.units * 10 - 1);
});

test('a meter that answers later than `every`, within its `timeout`, gives values', async () => {
  const { readings, events } = await liveThrough(5, {
    units: 1,
    answerMs: 3 * second,
    everyMs: second,
    timeout: 5 * second,
  });
  expect(readings.filter(({ quality }) => quality === 'good')).toHaveLength(5);
  expect(events).toEqual([]);
});
