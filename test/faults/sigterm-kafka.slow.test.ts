import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noKafka } from '../support/kafka.ts';
import { acceptedIds, judge } from './checker.ts';
import { FaultSite } from './site.ts';
import type { DeliveredRecord } from './site.ts';
import { inOrder, stopped } from './stopping.ts';

/** One after the other on one buffer: each start finds what the stop before it left. */
describe.skipIf(noKafka !== undefined)('SIGTERM with the real broker', () => {
  let site: FaultSite;

  beforeAll(async () => {
    site = await FaultSite.start({ meters: 3, pollEveryMs: 100, commitEveryMs: 200 });
  });
  afterAll(() => site?.remove());

  /** How each start found the buffer; an event may come again. */
  const found = (delivered: readonly DeliveredRecord[]): string[] => [
    ...new Map(
      delivered
        .filter(({ record }) => record['event'] === 'start')
        .map(({ record }) => [record['id'], (record['facts'] as { before: string }).before]),
    ).values(),
  ];

  /** By then records are on their way. */
  async function startedAndPolling(): Promise<void> {
    const seen = site.meters.polls(1);
    site.daemon.start();
    await expect.poll(() => site.meters.polls(1), { timeout: 15_000 }).toBeGreaterThan(seen + 10);
  }

  it('in the middle of sending', async () => {
    await startedAndPolling();
    expect(await stopped(site.daemon)).toEqual(inOrder);
  });

  it('while the broker has stopped to answer, its links open: what was being sent is sent again', async () => {
    await startedAndPolling();
    site.broker.pause();
    await sleep(500);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    site.broker.resume();
  });

  it('while a backlog is drained: the rest waits for the next start', async () => {
    await site.broker.stop();
    site.daemon.log = '';
    await startedAndPolling();
    await site.broker.start();
    await site.daemon.logged(/delivers again/);
    expect(await stopped(site.daemon)).toEqual(inOrder);
  }, 60_000);

  it('twice: the second ends it at once', async () => {
    await startedAndPolling();
    site.broker.pause();
    await sleep(500);
    const first = site.daemon.end('SIGTERM');
    await sleep(300);
    const toldAt = performance.now();
    // As the signal ends a process that does not listen.
    expect(await site.daemon.end('SIGTERM')).toBeNull();
    expect(performance.now() - toldAt).toBeLessThan(2_000);
    await first;
    site.broker.resume();
  });

  it('loses nothing that was accepted in any of them, and finds the buffer as each was ended', async () => {
    await startedAndPolling();
    await sleep(1_500);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    const delivered = await site.delivered();
    const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), delivered);
    expect(verdict.accepted).toBeGreaterThan(100);
    expect(verdict).toMatchObject({ lost: [], altered: [], disordered: [] });
    expect(found(delivered)).toEqual(['none', 'clean', 'clean', 'clean', 'unclean']);
  }, 60_000);
});
