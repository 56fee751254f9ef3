import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCountingServer } from '../simulators/modbus-raw-server.ts';
import type { CountingServer } from '../simulators/modbus-raw-server.ts';
import { acceptedIds } from './checker.ts';
import type { Delivered } from './checker.ts';
import { Daemon } from './daemon.ts';

/** A daemon with one meter that counts, and a file for an uplink unless another is given: for what needs no broker. */
export class FileSite {
  readonly meters: CountingServer;
  readonly daemon: Daemon;
  readonly folder: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly fileUplink: Readonly<Record<string, unknown>>;

  private constructor(meters: CountingServer, folder: string, some: Readonly<Record<string, unknown>>) {
    this.meters = meters;
    this.folder = folder;
    const panel = { driver: 'modbus-tcp', host: '127.0.0.1', port: meters.port };
    this.fileUplink = { file: { path: join(folder, 'out.ndjson') } };
    this.config = {
      gateway: 'ps-12',
      connections: { panel },
      devices: [
        {
          id: 'EM-1',
          connection: 'panel',
          unitId: 1,
          points: [
            { name: 'polls', unit: '1', address: 0, type: 'uint32', every: '100ms' },
            { name: 'energy', kind: 'counter', unit: 'kWh', address: 2, type: 'uint32', every: '1s' },
          ],
        },
      ],
      buffer: { commitEvery: '200ms' },
      uplink: this.fileUplink,
      ...some,
    };
    this.daemon = new Daemon(folder, this.config);
  }

  static async start(some: Readonly<Record<string, unknown>> = {}): Promise<FileSite> {
    const meters = await startCountingServer({ units: [1], registers: 10 });
    return new FileSite(meters, mkdtempSync(join(tmpdir(), 'sluice-faults-')), some);
  }

  /** Resolves when so many entries have been accepted in all; rejects after half a minute. */
  async accepted(count: number): Promise<void> {
    for (const from = performance.now(); acceptedIds(this.daemon.tap(), 'ps-12').length < count; await sleep(20))
      if (performance.now() - from > 30_000) throw new Error(`${count} entries were not accepted:\n${this.daemon.log}`);
  }

  /** What the uplink's file holds. */
  delivered(): Delivered[] {
    const file = join(this.folder, 'out.ndjson');
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const { topic, key, value } = JSON.parse(line) as { topic: string; key: string; value: unknown };
        return { place: topic, key, value: JSON.stringify(value) };
      });
  }

  async remove(): Promise<void> {
    await this.daemon.end('SIGKILL');
    await this.meters.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
