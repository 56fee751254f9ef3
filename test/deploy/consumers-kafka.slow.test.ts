import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kafkaUplink } from '../../agent/uplink/kafka.ts';
import { noKafka, temporaryBroker } from '../support/kafka.ts';
import { reading, rows, startConsumer, stop, untilRows } from './consumers-support.ts';

const topics = {
  'meter-readings': 'meter-readings',
  'sensor-values': 'sensor-values',
  'asset-metadata': 'asset-metadata',
  'gateway-events': 'gateway-events',
  'gateway-status': 'gateway-status',
};

describe.skipIf(noKafka !== undefined)(
  `consumers of the real broker${noKafka === undefined ? '' : ` (skipped: ${noKafka})`}`,
  () => {
    let broker: Awaited<ReturnType<typeof temporaryBroker>>;
    let folder: string;
    const children: ChildProcess[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sluice-consumers-'));
      broker = await temporaryBroker({
        topics: [
          { topic: 'meter-readings', partitions: 3 },
          { topic: 'sensor-values', partitions: 3 },
          { topic: 'gateway-events', partitions: 1 },
          { topic: 'asset-metadata', partitions: 1 },
        ],
      });
    });
    afterAll(async () => {
      for (const child of children) await stop(child, 'SIGKILL');
      await broker.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    function start(name: 'finance' | 'reporting', db: string): ChildProcess {
      const child = startConsumer(name, '--brokers', broker.bootstrap, '--db', db);
      children.push(child);
      return child;
    }

    /** One record per device and seq, over all partitions, compressed as the gateway does it. */
    async function send(to: 'meter-readings' | 'sensor-values', seqs: readonly number[], other = {}): Promise<void> {
      const { signal } = new AbortController();
      const config = {
        brokers: [broker.bootstrap],
        clientId: 'ps-12',
        tls: null,
        sasl: null,
        topics,
        compression: 'zstd' as const,
      };
      const uplink = kafkaUplink(config)(to);
      await uplink.connect(signal);
      const records = seqs.map((seq) => {
        const device = `EM-${seq % 10}`;
        const value = reading(seq, Math.floor(seq / 10), seq, { device, ...other });
        return { key: `ps-12/${device}`, value, timestampMs: Date.now() };
      });
      await uplink.send(to, records, signal);
      await uplink.close();
    }
    const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, at) => first + at);

    it('finance loses and doubles nothing through repeats, kills and a stop of the broker', async () => {
      const db = join(folder, 'finance.db');
      let finance = start('finance', db);
      for (let round = 0; round < 2; round++) {
        await send('meter-readings', range(round * 500, 500));
        await send('meter-readings', range(round * 500, 200), { repeat: true });
        await expect
          .poll(() => rows(db, 'select count(*) from ledger')[0], { timeout: 25_000 })
          .not.toEqual([round * 500]);
        await stop(finance, 'SIGKILL');
        finance = start('finance', db);
      }
      await untilRows(db, 'select count(*), count(distinct id) from ledger', [[1000, 1000]]);
      await broker.stop();
      await broker.start();
      await send('meter-readings', range(1000, 100));
      await untilRows(db, 'select count(*) from ledger', [[1100]]);
      expect(rows(db, 'select distinct used from consumption order by used')).toEqual([[null], [10]]);
      expect(rows(db, 'select count(*) from gaps')).toEqual([[0]]);
      expect(await stop(finance)).toBe(0);
    }, 90_000);

    it('reporting reads its own topic in its own group', async () => {
      const db = join(folder, 'reporting.db');
      const reporting = start('reporting', db);
      const gauge = { kind: 'gauge', point: 'flow' };
      await send('sensor-values', range(0, 100), gauge);
      await send('sensor-values', range(50, 50), { ...gauge, repeat: true });
      await untilRows(db, 'select count(*) from seen', [[100]]);
      expect(rows(db, 'select sum(readings), count(distinct device) from averages')).toEqual([[100, 10]]);
      expect(await stop(reporting)).toBe(0);
    });
  },
);
