import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { builtAtMs } from '../../../agent/build-time.ts';
import { startPoller } from '../../../agent/poller/poller.ts';
import type { Reading } from '../../../agent/reading.ts';
import { fromFullHour } from '../../../agent/schedule/slots.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import { honestRtu, noSocat, startRtuLine } from '../../simulators/rtu-line.ts';
import { nothingKept } from '../../support/poller-site.ts';
import { hostOf, planOf, pointsOf } from './support.ts';
import type { ConnectionPart } from './support.ts';

interface Watched {
  /** Good readings of the living, and the slots they had, between the two instants. */
  readonly good: number;
  readonly slots: number;
  /** From the slot to the answer. */
  readonly latestMs: number;
}

/** Polls units 1…`units` with the real poller; the last `dead` of them are known to the caller as dead. */
async function polled(
  to: number | ConnectionPart,
  { units, dead, everyMs, settleMs, watchMs }: Record<'units' | 'dead' | 'everyMs' | 'settleMs' | 'watchMs', number>,
): Promise<Watched> {
  const clock = systemClock({ source: timeSource('none'), builtAtMs });
  const devices = Array.from({ length: units }, (_, index) => ({
    id: `M${index + 1}`,
    unitId: index + 1,
    points: { value: { address: index } },
  }));
  const { plan } = planOf(to, devices, { every: everyMs });
  const session = await driver.open(plan, hostOf(clock), new AbortController().signal);
  const readings: Reading[] = [];
  const pollers = devices.map(({ id }) =>
    startPoller({
      device: {
        id,
        points: pointsOf(plan, id).map((info) => ({ info, schedule: fromFullHour(everyMs), withinMs: 0 })),
      },
      link: { current: () => session, waitForSession: () => Promise.resolve(session) },
      clock,
      sink: async (_stream, some) => void readings.push(...some),
      event: () => {},
      log: () => {},
      kept: nothingKept,
    }),
  );
  await sleep(settleMs);
  const fromMs = Math.ceil(Date.now() / everyMs) * everyMs;
  await sleep(fromMs + watchMs - Date.now());
  await Promise.all(pollers.map((poller) => poller.stop()));
  await session.close();
  clock.close();
  const living = new Set(devices.slice(0, units - dead).map(({ id }) => id));
  const mine = readings.filter(({ point, slotMs, quality }) => {
    const isIn = slotMs !== null && slotMs >= fromMs && slotMs < fromMs + watchMs - everyMs;
    return isIn && living.has(point.device) && quality === 'good';
  });
  return {
    good: mine.length,
    slots: living.size * (Math.ceil(watchMs / everyMs) - 1),
    latestMs: Math.max(...mine.map(({ at, slotMs }) => at.wallMs - (slotMs ?? 0))),
  };
}

describe.skipIf(noSocat !== undefined)(
  `a serial line of 9600 baud, 30 meters${noSocat === undefined ? '' : ` (skipped: ${noSocat})`}`,
  () => {
    it.concurrent.each([0, 1, 3, 10])(
      'with %i dead ones the living keep their slots',
      async (dead) => {
        const characterMs = 11_000 / 9600;
        const line = await startRtuLine(async (request, send) => {
          if (request.unitId > 30 - dead) return;
          // The request, a device that thinks 5 ms, the answer.
          await sleep(Math.ceil((8 + 5 + request.count * 2) * characterMs + 5));
          honestRtu(request, send);
        });
        const to = { driver: 'modbus-rtu', settings: { path: line.path, baudRate: 9600 } };
        const seen = await polled(to, { units: 30, dead, everyMs: 10_000, settleMs: 1000, watchMs: 100_000 });
        await line.close();
        console.log(`line, ${dead} dead: ${seen.good} of ${seen.slots}, at most ${seen.latestMs} ms late`);
        expect(seen.good).toBe(seen.slots);
      },
      150_000,
    );
  },
);
