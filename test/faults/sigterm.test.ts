import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startRawServer } from '../simulators/modbus-raw-server.ts';
import { startProxy } from '../support/proxy.ts';
import type { Proxy } from '../support/proxy.ts';
import { FileSite } from './file-site.ts';
import { nextStartDelivers } from './next-start.ts';
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

describe('SIGTERM', () => {
  it('with a broker that is not there: polling had begun at once, the stop is in order', async () => {
    site = await FileSite.start({ uplink: kafkaAt(9) });
    const startedAt = performance.now();
    site.daemon.start();
    await expect.poll(polls, { ...within, interval: 20 }).toBeGreaterThan(0);
    // Mostly the start of Node: half a second on a free core, many times that on a busy one. A connect that is waited for takes 10 s.
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    await sleep(1_500);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    site.daemon.rewrite({ ...site.config, uplink: site.fileUplink });
    await nextStartDelivers(site);
  }, 60_000);

  it('with a broker that accepts and says nothing: polling had begun at once, the stop is in order', async () => {
    const silent = await startRawServer(() => undefined);
    try {
      site = await FileSite.start({ uplink: kafkaAt(silent.port) });
      const startedAt = performance.now();
      site.daemon.start();
      await expect.poll(polls, { ...within, interval: 20 }).toBeGreaterThan(0);
      expect(performance.now() - startedAt).toBeLessThan(8_000);
      await expect.poll(() => silent.connections(), within).toBeGreaterThan(0);
      expect(await stopped(site.daemon)).toEqual(inOrder);
    } finally {
      await silent.close();
    }
    site.daemon.rewrite({ ...site.config, uplink: site.fileUplink });
    await nextStartDelivers(site);
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
    await nextStartDelivers(site);
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
    await nextStartDelivers(site);
  }, 60_000);
});
