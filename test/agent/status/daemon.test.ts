import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../../faults/daemon.ts';
import { startCountingServer } from '../../simulators/modbus-raw-server.ts';
import type { CountingServer } from '../../simulators/modbus-raw-server.ts';
import { readExposition } from '../../support/exposition.ts';
import type { Sample } from '../../support/exposition.ts';
import { listeningPorts } from '../../support/sockets.ts';

let folder: string;
let meters: CountingServer;
let daemon: Daemon;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-status-'));
  meters = await startCountingServer({ units: [1], registers: 10 });
});

afterEach(async () => {
  await daemon.end('SIGTERM');
  await meters.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(status: { listen: string } | undefined): void {
  const gauge = { name: 'polls', unit: '1', address: 0, type: 'uint32', every: '100ms' };
  const counter = { name: 'energy', kind: 'counter', unit: 'kWh', address: 0, type: 'uint32', every: '1s' };
  daemon = new Daemon(folder, {
    gateway: 'ps-12',
    connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meters.port, timeout: '300ms' } },
    devices: [{ id: 'EM-1', connection: 'panel', unitId: 1, points: [gauge, counter] }],
    buffer: { commitEvery: '50ms' },
    uplink: { file: { path: join(folder, 'out.ndjson') } },
    ...(status && { status }),
  });
  daemon.start();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const delivered = (topic: string): number =>
  readFileSync(join(folder, 'out.ndjson'), 'utf8').split(`"topic":"${topic}"`).length - 1;

describe('a daemon', () => {
  it('listens on the status port and on no other', async () => {
    const port = await freePort();
    start({ listen: `127.0.0.1:${port}` });
    await expect.poll(() => daemon.log, { timeout: 20_000 }).toContain('Status at');
    await expect.poll(() => meters.polls(1)).toBeGreaterThan(2);
    expect(listeningPorts(daemon.pid ?? 0)).toEqual([port]);
  });

  it('listens nowhere when no status is configured', async () => {
    start(undefined);
    await expect.poll(() => meters.polls(1), { timeout: 20_000 }).toBeGreaterThan(2);
    expect(listeningPorts(daemon.pid ?? 0)).toEqual([]);
  });

  it('tells counts that the meter and the receiver count too', async () => {
    const port = await freePort();
    start({ listen: `127.0.0.1:${port}` });
    const metrics = async (): Promise<(name: string, labels?: Sample['labels']) => number> => {
      const samples = readExposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
      return (name, labels = {}) =>
        samples
          .filter((one) => one.name === name && Object.entries(labels).every(([key, text]) => one.labels[key] === text))
          .reduce((sum, { value }) => sum + value, 0);
    };
    await expect.poll(() => meters.polls(1), { timeout: 20_000 }).toBeGreaterThan(20);

    const before = await metrics();
    const polls = meters.polls(1);
    const after = await metrics();
    // A poll is counted when it is asked, the meter counts it a moment later.
    expect(polls).toBeGreaterThanOrEqual(before('sluice_device_polls_total') - 1);
    expect(polls).toBeLessThanOrEqual(after('sluice_device_polls_total'));

    // Without its meter the gateway comes to rest, and every count can be compared.
    await meters.close();
    await expect
      .poll(async () => (await metrics())('sluice_devices', { presence: 'lost' }), { timeout: 20_000 })
      .toBe(1);
    // It is lost a moment before its last `bad` is kept, and what was sent is in the file a moment before it is counted.
    const apart = async (): Promise<Record<string, number>> => {
      const rest = await metrics();
      const of = (lane: string, name: string): number => rest(name, { lane }) - delivered(lane);
      return {
        waiting: rest('sluice_buffer_waiting_entries'),
        sensorsDelivered: of('sensor-values', 'sluice_lane_delivered_records_total'),
        sensorsAccepted: of('sensor-values', 'sluice_buffer_accepted_entries_total'),
        eventsDelivered: of('gateway-events', 'sluice_lane_delivered_records_total'),
        eventsAccepted: of('gateway-events', 'sluice_buffer_accepted_entries_total'),
      };
    };
    await expect
      .poll(apart, { timeout: 20_000 })
      .toEqual({ waiting: 0, sensorsDelivered: 0, sensorsAccepted: 0, eventsDelivered: 0, eventsAccepted: 0 });
    const rest = await metrics();
    const readings = delivered('sensor-values') + delivered('meter-readings');
    expect(Math.abs(rest('sluice_device_readings_total') - readings)).toBeLessThanOrEqual(1);
    expect(rest('sluice_events_total', { event: 'device-lost' })).toBe(1);
    expect(rest('sluice_connection_up')).toBe(0);
  }, 60_000);
});
