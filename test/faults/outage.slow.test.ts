import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noKafka } from '../support/kafka.ts';
import { acceptedIds, gapsIn, judge } from './checker.ts';
import { FaultSite, pollsOf } from './site.ts';
import type { DeliveredRecord } from './site.ts';

const outageMs = 20_000;
const pollEveryMs = 100;

describe.skipIf(noKafka !== undefined)(`a broker that is away for ${outageMs / 1000} s`, () => {
  let site: FaultSite;
  let delivered: DeliveredRecord[];
  let exitCode: number | null;

  beforeAll(async () => {
    site = await FaultSite.start({ meters: 5, pollEveryMs, commitEveryMs: 1000 });
    site.daemon.start();
    await sleep(4_000);
    await site.broker.stop();
    await sleep(outageMs);
    await site.broker.start();
    await sleep(8_000);
    exitCode = await site.daemon.end('SIGTERM');
    delivered = await site.delivered();
  }, 180_000);

  afterAll(() => site?.remove());

  it('delivers everything that was accepted, in order per device', () => {
    expect(exitCode).toBe(0);
    const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), delivered);
    console.log({ ...verdict, lost: verdict.lost.length });
    expect(verdict.lost).toEqual([]);
    expect(verdict.altered).toEqual([]);
    expect(verdict.disordered).toEqual([]);
  });

  it('leaves no gap in what the meters served: polling went on', () => {
    for (const unitId of site.units) {
      const polls = [...pollsOf(delivered, unitId).keys()];
      expect(polls.length).toBeGreaterThan((outageMs / pollEveryMs) * 1.2);
      expect(gapsIn(polls), `EM-${unitId}`).toEqual([]);
      // What the meter counted itself: all it served arrived, but for a request under way when the daemon was told to stop.
      expect(Math.max(...polls), `EM-${unitId}`).toBeGreaterThanOrEqual(site.meters.polls(unitId) - 1);
    }
  });
});
