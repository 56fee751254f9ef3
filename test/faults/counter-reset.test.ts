import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, startRawServer } from '../simulators/modbus-raw-server.ts';
import type { RawServer } from '../simulators/modbus-raw-server.ts';
import { Daemon } from './daemon.ts';

interface Sent {
  readonly id: string;
  readonly device?: string;
  readonly point: string | null;
  readonly value?: number | null;
  readonly quality?: string;
  readonly status?: string;
  readonly event?: string;
  readonly severity?: string;
  readonly facts?: object;
}

/** By unit and the address of a uint32: what the meters show. */
type Faces = Readonly<Record<number, Readonly<Record<number, number>>>>;

describe('a meter that was reset or replaced while the daemon lay killed', () => {
  let folder: string;
  let server: RawServer;
  let daemon: Daemon;
  let faces: Faces;

  const delivered = (): Sent[] => {
    try {
      return readFileSync(join(folder, 'out.ndjson'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { value: Sent }).value);
    } catch {
      return [];
    }
  };
  const readingsOf = (point: string): Sent[] =>
    delivered().filter((one) => one.event === undefined && one.point === point);
  async function until(what: () => boolean): Promise<void> {
    for (const from = performance.now(); !what(); await sleep(20))
      if (performance.now() - from > 20_000) throw new Error(`never came:\n${daemon.log}`);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-reset-'));
    const meter = { 0: 9_000, 2: 111 };
    faces = { 1: { 0: 471_125, 2: 800_000, 4: 5_000 }, 2: meter, 3: meter };
    server = await startRawServer((request, peer) =>
      peer.send(
        answer(
          request,
          Array.from({ length: request.count }, (_, index) => {
            const address = request.address + index;
            const total = faces[request.unitId]?.[address - (address % 2)] ?? 0;
            return address % 2 === 0 ? total >>> 16 : total & 0xffff;
          }),
        ),
      ),
    );
    const counter = { kind: 'counter', unit: 'kWh', type: 'uint32', every: '1s' };
    const said = { name: 'said', address: 2, type: 'uint32', identity: 'serial' };
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
        // Nobody wrote down which meter EM-2 is.
        { id: 'EM-2', connection: 'panel', unitId: 2, points: [{ name: 'swapped', address: 0, ...counter }, said] },
        {
          id: 'EM-3',
          connection: 'panel',
          unitId: 3,
          asset: { serial: '111' },
          points: [{ name: 'foreign', address: 0, ...counter }, said],
        },
      ],
      buffer: { commitEvery: '50ms' },
      uplink: { file: { path: join(folder, 'out.ndjson') } },
    });
    daemon.start();
    await until(() =>
      ['steady', 'swapped', 'foreign'].every(
        (point) => readingsOf(point).filter(({ quality }) => quality === 'good').length >= 2,
      ),
    );
    await daemon.end('SIGKILL');
    const other = { 0: 5, 2: 222 };
    faces = { 1: { 0: 12, 2: 900_000, 4: 5_001 }, 2: other, 3: other };
    daemon.start();
    await until(() => readingsOf('reset').some(({ value }) => value === 0.12));
    await until(() => readingsOf('reset').at(-1)?.quality === 'good' && readingsOf('reset').at(-1)?.value === 0.12);
    await until(() => delivered().filter(({ event }) => event === 'counter-jump').length === 5);
    await until(() => readingsOf('foreign').filter(({ value }) => value === 5).length >= 3);
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
    expect(delivered().filter(({ device, event }) => event === 'counter-jump' && device === 'EM-1')).toMatchObject([
      { severity: 'warning', point: 'reset', facts: { old: 4711.25, new: 0.12 } },
      { severity: 'warning', point: 'raised', facts: { old: 800_000, new: 900_000 } },
      { severity: 'info', point: 'reset', facts: { old: 4711.25, new: 0.12, newBaseline: true } },
      { severity: 'info', point: 'raised', facts: { old: 800_000, new: 900_000, newBaseline: true } },
    ]);
  });

  it('is believed at once where it says another serial number than before, and told with both', () => {
    expect(after('swapped', 5)).toEqual([good, good, good]);
    expect(delivered().filter(({ device, event }) => event === 'counter-jump' && device === 'EM-2')).toMatchObject([
      { point: 'swapped', facts: { old: 9_000, new: 5, oldSerial: '111', newSerial: '222' } },
    ]);
  });

  it('stays uncertain where it is not the configured one, told once with both serial numbers', () => {
    expect(after('foreign', 5)).toEqual([doubted, doubted, doubted]);
    expect(delivered().filter(({ event }) => event === 'serial-mismatch')).toMatchObject([
      { device: 'EM-3', facts: { configured: '111', seen: '222' } },
    ]);
  });
});
