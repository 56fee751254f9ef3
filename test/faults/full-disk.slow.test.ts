import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noKafka } from '../support/kafka.ts';
import { acceptedIds, judge } from './checker.ts';
import { FaultSite } from './site.ts';

/** No file of the daemon may grow beyond this: its disk takes nothing more. The tap stays smaller. */
const mostFileBytes = 8192;

describe.skipIf(noKafka !== undefined)('a disk that takes nothing', () => {
  let site: FaultSite;
  let exitCode: number | null;
  let stopMs: number;
  let polledOn: number;

  beforeAll(async () => {
    site = await FaultSite.start({ meters: 3, pollEveryMs: 100, commitEveryMs: 200 });
    site.daemon.start();
    await sleep(2_000);
    execFileSync('prlimit', ['--pid', String(site.daemon.pid), `--fsize=${mostFileBytes}`]);
    const before = site.meters.polls(1);
    await sleep(2_500);
    polledOn = site.meters.polls(1) - before;
    const toldAt = performance.now();
    exitCode = await site.daemon.end('SIGTERM');
    stopMs = performance.now() - toldAt;
    site.daemon.start();
    await sleep(3_000);
    await site.daemon.end('SIGTERM');
  }, 120_000);

  afterAll(() => site?.remove());

  it('does not stop the polling, is told, and does not keep a stop waiting', () => {
    expect(polledOn).toBeGreaterThan(20);
    expect(site.daemon.log).toMatch(/a commit failed, it is tried again/);
    expect(site.daemon.log).toMatch(/readings that waited in memory for the disk are lost/);
    expect(exitCode).toBe(0);
    expect(stopMs).toBeLessThan(6_000);
  });

  it('takes nothing along that was accepted before', async () => {
    const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), await site.delivered());
    expect(verdict.accepted).toBeGreaterThan(60);
    expect(verdict.lost).toEqual([]);
    expect(verdict.altered).toEqual([]);
    expect(verdict.disordered).toEqual([]);
  });
});
