import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../agent/config/load.ts';
import type { SiteConfig } from '../../../agent/config/site-config.ts';
import { startGateway } from '../../../agent/gateway.ts';
import type { Gateway } from '../../../agent/gateway.ts';
import { ailments, awaited, remarks } from '../../../agent/status/health.ts';
import type { StatusRecord } from '../../../agent/status/record.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { startCountingServer } from '../../simulators/modbus-raw-server.ts';
import type { CountingServer } from '../../simulators/modbus-raw-server.ts';
import { noKafka, readTopic, temporaryBroker } from '../../support/kafka.ts';

const quiet = { info: () => undefined, warning: () => undefined, error: () => undefined };
const soon = { timeout: 20_000, interval: 100 };

describe.skipIf(noKafka !== undefined)(
  `gateway-status on a real broker${noKafka === undefined ? '' : ` (skipped: ${noKafka})`}`,
  () => {
    let broker: Awaited<ReturnType<typeof temporaryBroker>>;
    let meters: CountingServer;
    const clock = systemClock({ source: timeSource('none'), builtAtMs: 0 });
    const folders: string[] = [];
    const running = new Map<Gateway, SiteConfig>();

    beforeAll(async () => {
      const topics = ['meter-readings', 'sensor-values', 'asset-metadata', 'gateway-events', 'gateway-status'];
      broker = await temporaryBroker({ topics: topics.map((topic) => ({ topic, partitions: 2 })) });
      meters = await startCountingServer({ units: [1], registers: 10 });
    }, 60_000);

    afterEach(async () => {
      for (const gateway of running.keys()) await gateway.stop(1_000, AbortSignal.timeout(4_000));
      running.clear();
    });

    afterAll(async () => {
      clock.close();
      await meters.close();
      await broker.remove();
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    });

    async function start(topics: Readonly<Record<string, string>> = {}): Promise<Gateway> {
      const folder = mkdtempSync(join(tmpdir(), 'sluice-topic-'));
      folders.push(folder);
      const file = join(folder, 'sluice.json');
      const points = [{ name: 'polls', unit: '1', address: 0, type: 'uint32', every: '100ms' }];
      writeFileSync(
        file,
        JSON.stringify({
          version: 1,
          gateway: 'ps-12',
          connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meters.port, timeout: '300ms' } },
          devices: [{ id: 'EM-1', connection: 'panel', unitId: 1, points }],
          stateDir: join(folder, 'state'),
          uplink: { kafka: { brokers: [broker.bootstrap], topics } },
        }),
      );
      const { config, problems } = loadConfig(file, { env: {} });
      if (!config) throw new Error(problems.map(({ message }) => message).join('\n'));
      const gateway = await startGateway(config, { clock, log: quiet });
      running.set(gateway, config);
      return gateway;
    }

    function configured(gateway: Gateway): SiteConfig {
      const config = running.get(gateway);
      if (!config) throw new Error('it does not run');
      return config;
    }

    async function records(): Promise<{ key: string | null; partition: number; value: StatusRecord }[]> {
      const stored = await readTopic(broker.bootstrap, 'gateway-status');
      return stored.map(({ key, partition, value }) => ({
        key,
        partition,
        value: JSON.parse(value ?? '') as StatusRecord,
      }));
    }

    it('holds the newest state under the gateway, from running to stopped, and another epoch for a second machine', async () => {
      const first = await start();
      const second = await start();
      const delivered = (gateway: Gateway): number => gateway.status().uplink['gateway-status']?.delivered ?? 0;
      for (const gateway of [first, second]) await expect.poll(() => delivered(gateway), soon).toBeGreaterThan(0);
      const site = { id: 'PS13', name: null, timezone: null, labels: {} };
      await first.reload({ ...configured(first), site });
      await first.stop(1_000, AbortSignal.timeout(4_000));
      const found = await records();
      expect(new Set(found.map(({ key, partition }) => `${key} ${partition}`)).size).toBe(1);
      const ofFirst = found.filter(({ value }) => value.epoch === first.status().epoch).map(({ value }) => value);
      expect([ofFirst[0]?.state, ofFirst.at(-1)?.state]).toEqual(['running', 'stopped']);
      expect([ofFirst[0]?.site, ofFirst.at(-1)?.site]).toEqual([null, 'PS13']);
      expect(ofFirst[0]?.config).not.toBe(ofFirst.at(-1)?.config);
      expect(ofFirst.at(-1)).toMatchObject({ gateway: 'ps-12', devices: 1, devicesOk: 1, lost: [], ok: true });
      const epochs = new Set(found.map(({ value }) => value.epoch));
      expect(epochs).toEqual(new Set([first.status().epoch, second.status().epoch]));
    }, 60_000);

    it('is no part of what the lanes need: without its topic all readings are delivered, and one sentence says so', async () => {
      const gateway = await start({ 'gateway-status': 'not-there' });
      const lane = (name: string) => gateway.status().uplink[name];
      await expect.poll(() => lane('gateway-status')?.lastError?.fate, soon).toBe('operator');
      await expect.poll(() => lane('sensor-values')?.delivered, soon).toBeGreaterThan(5);
      expect(ailments(gateway.status())).toEqual([]);
      expect(remarks(gateway.status())).toEqual([expect.stringMatching(/^gateway-status: .*not-there/)]);
      const begunMs = performance.now();
      await gateway.stop(1_000, AbortSignal.timeout(4_000));
      expect(performance.now() - begunMs).toBeLessThan(4_000);
      expect(awaited(gateway.status())).toEqual(['nothing: it is stopping']);
    }, 60_000);
  },
);
