import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, startRawServer } from '../simulators/modbus-raw-server.ts';
import type { RawServer } from '../simulators/modbus-raw-server.ts';
import { Daemon } from './daemon.ts';

interface Record {
  readonly id: string;
  readonly device?: string;
  readonly point: string | null;
  readonly value?: number | null;
  readonly quality?: string;
  readonly status?: string;
  readonly event?: string;
  readonly facts?: object;
}

/** Of a unit, by the address of a uint32: what it shows. */
type Face = { [address: number]: number };

describe('a meter that was reset while the daemon lay killed', () => {
  let folder: string;
  let server: RawServer;
  let daemon: Daemon;
  let face: Face;

  const delivered = (): Record[] => {
    try {
      return readFileSync(join(folder, 'out.ndjson'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { value: Record }).value);
    } catch {
      return [];
    }
  };
  const readingsOf = (point: string): Record[] =>
    delivered().filter((one) => one.event === undefined && one.point === point);
  async function until(what: () => boolean): Promise<void> {
    for (const from = performance.now(); !what(); await sleep(20))
      if (performance.now() - from > 20_000) throw new Error(`never came:\n${daemon.log}`);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-reset-'));
    face = { 0: 471_125, 2: 800_000, 4: 5_000 };
    server = await startRawServer((request, peer) =>
      peer.send(
        answer(
          request,
          Array.from({ length: request.count }, (_, index) => {
            const address = request.address + index;
            const total = face[address - (address % 2)] ?? 0;
            return address % 2 === 0 ? total >>> 16 : total & 0xffff;
          }),
        ),
      ),
    );
    const counter = { kind: 'counter', unit: 'kWh', type: 'uint32', every: '1s' };
    daemon = new Daemon(folder, {
      gateway: 'ps-12',
      clock: { source: 'trusted' },
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: server.port } },
      devices: [
        {
          id: 'EM-1',
          connection: 'panel',
          unitId: 1,
          points: [
            { name: 'reset', address: 0, scale: 0.01, ...counter },
            { name: 'raised', address: 2, maxRate: '40/h', ...counter },
            { name: 'steady', address: 4, ...counter },
          ],
        },
      ],
      buffer: { commitEvery: '50ms' },
      uplink: { file: { path: join(folder, 'out.ndjson') } },
    });
    daemon.start();
    await until(() => readingsOf('steady').filter(({ quality }) => quality === 'good').length >= 2);
    await daemon.end('SIGKILL');
    face = { 0: 12, 2: 900_000, 4: 5_001 };
    daemon.start();
    await until(() => readingsOf('reset').some(({ value }) => value === 0.12));
    await until(() => readingsOf('reset').at(-1)?.quality === 'good' && readingsOf('reset').at(-1)?.value === 0.12);
    await until(() => delivered().filter(({ event }) => event === 'counter-jump').length === 2);
    await daemon.end('SIGTERM');
  }, 60_000);

  afterAll(async () => {
    await daemon?.end('SIGKILL');
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The first three that say the new total. */
  const after = (point: string, total: number): object[] =>
    readingsOf(point)
      .filter(({ value }) => value === total)
      .slice(0, 3)
      .map(({ quality, status }) => ({ quality, status }));
  const doubted = { quality: 'uncertain', status: 'UncertainSensorNotAccurate' };
  const good = { quality: 'good', status: 'Good' };

  it('is sent with its number, uncertain, until three fit each other', () => {
    expect(after('reset', 0.12)).toEqual([doubted, doubted, good]);
  });

  it('is sent as uncertain where it rose faster than it can, by the time that truly passed', () => {
    expect(after('raised', 900_000)).toEqual([doubted, doubted, good]);
  });

  it('is told with the total before and the total after; a counter that went on is not', () => {
    expect(after('steady', 5_001)).toEqual([good, good, good]);
    expect(delivered().filter(({ event }) => event === 'counter-jump')).toMatchObject([
      { device: 'EM-1', point: 'reset', facts: { old: 4711.25, new: 0.12 } },
      { device: 'EM-1', point: 'raised', facts: { old: 800_000, new: 900_000 } },
    ]);
  });
});
