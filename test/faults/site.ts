import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '../../deploy/kafka/broker.ts';
import { startCountingServer } from '../simulators/modbus-raw-server.ts';
import type { CountingServer } from '../simulators/modbus-raw-server.ts';
import { readTopic, temporaryBroker } from '../support/kafka.ts';
import type { Delivered } from './checker.ts';
import { Daemon } from './daemon.ts';

export interface SiteOptions {
  /** Meters at one address, ids `EM-1`, `EM-2`, …; each with a gauge `polls` that counts its polls, and a counter `energy` every second. */
  readonly meters: number;
  readonly pollEveryMs: number;
  readonly commitEveryMs: number;
}

export interface DeliveredRecord extends Delivered {
  readonly record: Readonly<Record<string, unknown>>;
}

const topics = ['meter-readings', 'sensor-values', 'asset-metadata', 'gateway-events'];

/** Real broker, raw-socket meters that count, and a daemon that is not yet started. */
export class FaultSite {
  readonly broker: Broker & { remove: () => Promise<void> };
  readonly meters: CountingServer;
  readonly daemon: Daemon;
  readonly units: readonly number[];
  readonly folder: string;

  private constructor(
    broker: FaultSite['broker'],
    meters: CountingServer,
    units: readonly number[],
    options: SiteOptions,
  ) {
    this.broker = broker;
    this.meters = meters;
    this.units = units;
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'));
    this.daemon = new Daemon(this.folder, {
      gateway: 'ps-12',
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meters.port } },
      devices: units.map((unitId) => ({
        id: `EM-${unitId}`,
        connection: 'panel',
        unitId,
        points: [
          { name: 'polls', unit: '1', address: 0, type: 'uint32', every: `${options.pollEveryMs}ms` },
          { name: 'energy', kind: 'counter', unit: 'kWh', address: 2, type: 'uint32', every: '1s' },
        ],
      })),
      buffer: { commitEvery: `${options.commitEveryMs}ms` },
      uplink: { kafka: { brokers: [broker.bootstrap] } },
    });
  }

  static async start(options: SiteOptions): Promise<FaultSite> {
    const units = Array.from({ length: options.meters }, (_, at) => at + 1);
    const broker = await temporaryBroker({
      topics: topics.map((topic) => ({ topic, partitions: /^(meter|sensor)-/.test(topic) ? 3 : 1 })),
    });
    const meters = await startCountingServer({ units, registers: 10 });
    return new FaultSite(broker, meters, units, options);
  }

  /** All that lies in the topics, in order per partition. */
  async delivered(): Promise<DeliveredRecord[]> {
    const all: DeliveredRecord[] = [];
    for (const topic of topics)
      for (const { partition, key, value } of await readTopic(this.broker.bootstrap, topic)) {
        const record = JSON.parse(value ?? '{}') as Record<string, unknown>;
        all.push({ place: `${topic}/${partition}`, key: key ?? '', value: value ?? '', record });
      }
    return all;
  }

  async remove(): Promise<void> {
    await this.daemon.end('SIGKILL');
    await this.meters.close();
    await this.broker.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Per delivered poll number of a meter: the epoch of the reading that carries it. */
export function pollsOf(delivered: readonly DeliveredRecord[], unitId: number): Map<number, string> {
  return new Map(
    delivered
      .filter(
        ({ record }) =>
          record['device'] === `EM-${unitId}` && record['point'] === 'polls' && record['quality'] === 'good',
      )
      .map(({ record }) => [Number(record['value']), String(record['id']).split('/')[1] ?? '']),
  );
}
