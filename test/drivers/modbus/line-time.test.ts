import { describe, expect, test } from 'vitest';
import { startPoller } from '../../../agent/poller/poller.ts';
import type { Poller } from '../../../agent/poller/poller.ts';
import type { Kind, Reading } from '../../../agent/reading.ts';
import { fromFullHour } from '../../../agent/schedule/slots.ts';
import { ModbusSession } from '../../../drivers/modbus/session.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { minute, nothingKept, second } from '../../support/poller-site.ts';
import { WireLink } from '../../support/wire-link.ts';
import { hostOf, planOf, pointsOf } from './support.ts';

/** Units 1…`units` on a line of 9600 baud, with the real pollers, agenda and session: only the wire is played, and its time. */
class Line {
  readonly clock = new FakeClock('2026-11-22T13:00:03Z');
  readonly link: WireLink;
  readonly readings: Reading[] = [];
  readonly #session: ModbusSession;
  readonly #pollers: Poller[];

  constructor(settings: {
    units: number;
    everyMs: number;
    timeoutMs?: number;
    counters?: boolean;
    thinkMs: WireLink['thinkMs'];
  }) {
    const { units, everyMs, timeoutMs = 1000, counters = false, thinkMs } = settings;
    const { clock, readings } = this;
    this.link = new WireLink(clock, thinkMs);
    const kind: Kind = counters ? 'counter' : 'gauge';
    // Two requests of 20 registers, 74 ms each: thirty meters take 4.4 s.
    const addresses = [0, 19, 100, 119];
    const points = Object.fromEntries(addresses.map((address) => [`p${address}`, { address, kind }]));
    const devices = Array.from({ length: units }, (_, at) => ({ id: `M${at + 1}`, unitId: at + 1, points }));
    const to = { driver: 'modbus-rtu', settings: { path: '/dev/none', baudRate: 9600, parity: 'even' } };
    const { plan } = planOf(to, devices, { every: everyMs, timeout: timeoutMs, maxGap: 18 });
    const session = new ModbusSession(plan, this.link, hostOf(clock));
    const withinMs = counters ? Math.min(everyMs / 2, 5 * minute) : 0;
    this.#session = session;
    this.#pollers = devices.map(({ id }) =>
      startPoller({
        device: {
          id,
          points: pointsOf(plan, id).map((info) => ({ info, schedule: fromFullHour(everyMs), withinMs })),
        },
        link: { current: () => session, waitForSession: () => Promise.resolve(session) },
        clock,
        sink: async (_stream, some) => void readings.push(...some),
        event: () => {},
        log: () => {},
        kept: nothingKept,
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.stop()));
    await this.#session.close();
  }
}

describe('thirty meters on a line of 9600 baud', () => {
  const runs = [
    { everyMs: 10 * second, slots: 12, counters: false },
    { everyMs: minute, slots: 6, counters: false },
    { everyMs: 15 * minute, slots: 3, counters: true },
  ];
  test.each(runs.flatMap((run) => [0, 1, 3, 10].map((dead) => ({ ...run, dead }))))(
    'every $everyMs ms with $dead dead ones: once each was asked no living one misses a slot, and none waits longer than a timeout',
    async ({ everyMs, slots, counters, dead }) => {
      const living = 30 - dead;
      const line = new Line({
        units: 30,
        everyMs,
        counters,
        // Among the living, at every third place.
        thinkMs: (unitId) => (unitId % 3 === 0 && unitId <= dead * 3 ? Infinity : 5),
      });
      // The first slot finds out who is dead.
      const firstMs = (Math.ceil(line.clock.wallMs / everyMs) + 1) * everyMs;
      await line.clock.advance(firstMs - line.clock.wallMs + (slots - 0.5) * everyMs);
      await line.stop();
      const good = line.readings.filter(({ quality, slotMs }) => quality === 'good' && (slotMs ?? 0) >= firstMs);
      expect(good).toHaveLength(slots * living * 4);
      expect(new Set(good.map(({ point, slotMs }) => `${point.device} ${point.point} ${slotMs}`)).size).toBe(
        good.length,
      );
      const latestMs = Math.max(...good.map(({ at, slotMs }) => at.wallMs - (slotMs ?? 0)));
      expect(latestMs).toBeLessThanOrEqual(living * 2 * 80 + 1050);
    },
  );
});

describe('a slow but living meter among ten dead ones on a line of 9600 baud', () => {
  /** From the instant at which it can answer again to its first value. */
  async function minutesUntilBack(settings: {
    everyMs: number;
    timeoutMs: number;
    slowMs: number;
    living: number;
    afterMs: number;
  }): Promise<number> {
    const { everyMs, timeoutMs, slowMs, living, afterMs } = settings;
    const slow = living + 1;
    const alive = (unitId: number): number => (unitId <= living ? 5 : Infinity);
    const line = new Line({ units: slow + 10, everyMs, timeoutMs, thinkMs: alive });
    await line.clock.advance(afterMs);
    line.link.thinkMs = (unitId) => (unitId === slow ? slowMs : alive(unitId));
    const revivedMs = line.clock.bootMs;
    const isBack = (): boolean =>
      line.readings.some(
        ({ point, quality, at }) => point.device === `M${slow}` && quality === 'good' && at.bootMs > revivedMs,
      );
    while (!isBack() && line.clock.bootMs < revivedMs + 30 * minute) await line.clock.advance(5 * second);
    const minutes = (line.clock.bootMs - revivedMs) / minute;
    await line.stop();
    return minutes;
  }

  test.each([
    { everyMs: 10 * second, living: 19, timeoutMs: 1000, slowMs: 800, where: 'on a line with time to spare' },
    {
      everyMs: second,
      living: 3,
      timeoutMs: 1000,
      slowMs: 800,
      where: 'where no idle time is as long as its answer takes',
    },
    { everyMs: second, living: 7, timeoutMs: 1000, slowMs: 800, where: 'on a line that has no idle time at all' },
    {
      everyMs: second,
      living: 7,
      timeoutMs: 500,
      slowMs: 400,
      where: 'on a line that has no idle time, with a timeout of 500 ms',
    },
  ])('that answers after $slowMs ms is back within 10 min after it revives, $where', async (line) => {
    // Wherever between two long probes it revives.
    for (const after of [4, 9.1])
      expect(await minutesUntilBack({ ...line, afterMs: after * minute })).toBeLessThanOrEqual(10);
  });
});
