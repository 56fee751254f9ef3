import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startRawServer } from '../simulators/modbus-raw-server.ts';
import { startProxy } from '../support/proxy.ts';
import type { Proxy } from '../support/proxy.ts';
import { acceptedIds, judge } from './checker.ts';
import { FileSite } from './file-site.ts';
import { inOrder, stopped } from './stopping.ts';

let site: FileSite;
let proxy: Proxy | null = null;
afterEach(async () => {
  await site.remove();
  await proxy?.close();
  proxy = null;
});

const within = { timeout: 15_000 };
const polls = (): number => site.meters.polls(1);
const kafkaAt = (port: number): object => ({ kafka: { brokers: [`127.0.0.1:${port}`] } });

/** Everything that was accepted arrives by the next start, which finds the buffer as an orderly end leaves it, as all before it did. */
async function nextStartDelivers(before: 'clean' | 'unclean' = 'clean'): Promise<void> {
  const seen = polls();
  site.daemon.start();
  await expect.poll(polls, within).toBeGreaterThan(seen + 5);
  expect(await stopped(site.daemon)).toEqual(inOrder);
  const delivered = site.delivered();
  const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), delivered);
  expect(verdict).toMatchObject({ lost: [], altered: [], disordered: [] });
  const found = delivered
    .map(({ value }) => JSON.parse(value) as { event?: string; facts?: { before: string } })
    .flatMap(({ event, facts }) => (event === 'start' && facts ? [facts.before] : []));
  expect(found.at(-1)).toBe(before);
  expect(found.slice(0, -1)).not.toContain('unclean');
}

describe('SIGTERM', () => {
  it('at any moment of a start ends it in order, or before anything was opened', async () => {
    site = await FileSite.start();
    const startedAt = performance.now();
    site.daemon.start();
    await expect.poll(polls, { ...within, interval: 10 }).toBeGreaterThan(0);
    const startMs = performance.now() - startedAt;
    expect(await stopped(site.daemon)).toEqual(inOrder);
    for (const share of [0.1, 0.4, 0.6, 0.75, 0.9, 1]) {
      const afterMs = Math.round(startMs * share);
      const epochs = site.daemon.tap();
      site.daemon.start();
      await sleep(afterMs);
      const { code, isInTime } = await stopped(site.daemon);
      expect(isInTime, `${afterMs} ms after the start`).toBe(true);
      // Node itself was still being loaded: the signal ends such a process, and nothing was touched.
      if (code === null) expect(site.daemon.tap(), `${afterMs} ms after the start`).toBe(epochs);
      else expect(code, `${afterMs} ms after the start`).toBe(0);
    }
    await nextStartDelivers();
  }, 60_000);

  it('while a disk holds the opening of the buffer: cut short, nothing is harmed', async () => {
    site = await FileSite.start();
    site.daemon.start();
    await expect.poll(polls, within).toBeGreaterThan(5);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    const trigger = join(site.folder, 'hang');
    execFileSync('mkfifo', [`${trigger}.fifo`]);
    writeFileSync(trigger, '');
    const NODE_OPTIONS = `--import=${resolve('test/faults/hanging-writer.ts')}`;
    site.daemon.start({ NODE_OPTIONS, HANG_WHEN: trigger, HANG_HOW: 'waits' });
    await sleep(1_500);
    expect(await stopped(site.daemon)).toEqual({ code: null, isInTime: true });
    await nextStartDelivers();
  }, 60_000);

  it('with a broker that is not there: polling had begun at once, the stop is in order', async () => {
    site = await FileSite.start({ uplink: kafkaAt(9) });
    const startedAt = performance.now();
    site.daemon.start();
    await expect.poll(polls, { ...within, interval: 20 }).toBeGreaterThan(0);
    // Mostly the start of Node: half a second on a free core. A connect that is waited for takes 10 s.
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    await sleep(1_500);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    site.daemon.rewrite({ ...site.config, uplink: site.fileUplink });
    await nextStartDelivers();
  }, 60_000);

  it('with a broker that accepts and says nothing: polling had begun at once, the stop is in order', async () => {
    const silent = await startRawServer(() => undefined);
    try {
      site = await FileSite.start({ uplink: kafkaAt(silent.port) });
      const startedAt = performance.now();
      site.daemon.start();
      await expect.poll(polls, { ...within, interval: 20 }).toBeGreaterThan(0);
      expect(performance.now() - startedAt).toBeLessThan(4_000);
      await expect.poll(() => silent.connections(), within).toBeGreaterThan(0);
      expect(await stopped(site.daemon)).toEqual(inOrder);
    } finally {
      await silent.close();
    }
    site.daemon.rewrite({ ...site.config, uplink: site.fileUplink });
    await nextStartDelivers();
  }, 60_000);

  it('with a link to a device that is half-open', async () => {
    proxy = await startProxy(() => site.meters.port);
    site = await FileSite.start({
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: proxy.port, timeout: '30s' } },
    });
    site.daemon.start();
    await expect.poll(polls, within).toBeGreaterThan(5);
    proxy.freeze();
    await sleep(500);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    proxy.thaw();
    await nextStartDelivers();
  }, 60_000);

  it('with a disk that takes nothing: what was accepted is there at the next start', async () => {
    site = await FileSite.start();
    site.daemon.start();
    await expect.poll(polls, within).toBeGreaterThan(10);
    execFileSync('prlimit', ['--pid', String(site.daemon.pid), '--fsize=4096']);
    await sleep(1_500);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    expect(site.daemon.log).toMatch(/a commit failed, it is tried again/);
    await nextStartDelivers('unclean');
  }, 60_000);

  it('during a commit, three times', async () => {
    site = await FileSite.start();
    for (let time = 0; time < 3; time++) {
      site.daemon.start();
      const seen = polls();
      await expect.poll(polls, { ...within, interval: 20 }).toBeGreaterThan(seen);
      await site.daemon.nextCommitBegins();
      expect(await stopped(site.daemon)).toEqual(inOrder);
    }
    await nextStartDelivers();
  }, 60_000);
});
