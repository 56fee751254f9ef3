import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { GatewayStatus } from '../../../agent/status/facts.ts';
import { ailments } from '../../../agent/status/health.ts';
import { serveStatus } from '../../../agent/status/http.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const lane = {
  phase: 'connected',
  sinceMs: 0,
  lastError: null,
  delivered: 1,
  repeated: 0,
  rejected: 0,
  lastDeliveredMs: 0,
  oldestMs: null,
} as const;
const now = new FakeClock().now();
const nothing = { 'meter-readings': 0, 'sensor-values': 0, 'asset-metadata': 0, 'gateway-events': 0 };
const well: GatewayStatus = {
  gateway: 'ps-12',
  epoch: '1-aaaaaaaa',
  site: 'PS12',
  startedAt: now,
  now,
  connections: [],
  devices: [],
  buffer: {
    waiting: nothing,
    bytes: 900,
    maxBytes: 1000,
    full: false,
    segments: 1,
    commits: 1,
    commitsTookMs: 5,
    accepted: nothing,
    refused: 0,
    committingForMs: 5,
  },
  uplink: { 'meter-readings': lane },
  refusedReadings: 0,
  events: new Map(),
};

describe('health', () => {
  it('finds nothing wrong while readings are taken and sent, or wait for a broker that is away', () => {
    const away = { atMs: 0, fate: 'retry', code: 'ECONNREFUSED', message: 'away' } as const;
    const waiting = { ...lane, phase: 'waiting', lastError: away } as const;
    expect(ailments({ ...well, uplink: { 'meter-readings': waiting } })).toEqual([]);
  });

  it('names a full buffer, a disk that takes nothing, a topic that refuses everything and what wants a person', () => {
    const denied = {
      atMs: 0,
      fate: 'operator',
      code: 'TOPIC_AUTHORIZATION_FAILED',
      message: 'not authorised',
    } as const;
    const sick: GatewayStatus = {
      ...well,
      buffer: { ...well.buffer, full: true, committingForMs: 11_000 },
      uplink: {
        'meter-readings': { ...lane, phase: 'stalled' },
        'sensor-values': { ...lane, phase: 'waiting', lastError: denied },
      },
    };
    expect(ailments(sick)).toEqual([
      'the buffer is full (900 of 1000 bytes): readings are refused',
      'the disk has taken nothing for 11 s: readings wait in memory',
      'meter-readings: the topic refuses everything (unknown)',
      'sensor-values: not authorised',
    ]);
  });
});

describe('the status page', () => {
  it('comes by itself when a port that was taken is free, and is told once meanwhile', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const clock = new FakeClock();
    const errors: string[] = [];
    const log = { info: () => undefined, warning: () => undefined, error: (message: string) => errors.push(message) };
    const server = await serveStatus({ listen: { host: '127.0.0.1', port }, status: () => well, clock, log });
    expect(server.port).toBeNull();
    await clock.advance(60_000);
    expect(errors).toEqual([expect.stringMatching(/cannot listen on .*EADDRINUSE.*meters are read all the same/)]);
    await new Promise((resolve) => other.close(resolve));
    await clock.advance(30_000);
    await expect.poll(() => server.port).toBe(port);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    await server.close();
  });
});
