import { describe, expect, it } from 'vitest';
import type { GatewayStatus } from '../../../agent/status/facts.ts';
import { ailments, remarks } from '../../../agent/status/health.ts';
import { deviceState, goodLane, wellStatus } from '../../support/gateway-status.ts';

const { now } = wellStatus;
const away = { atMs: 0, fate: 'retry', code: 'ECONNREFUSED', message: 'connection refused' } as const;
const denied = { atMs: 0, fate: 'operator', code: 'TOPIC_AUTHORIZATION_FAILED', message: 'not authorised' } as const;

describe('health', () => {
  it('finds nothing wrong while readings are taken and sent, or wait for a broker that is away', () => {
    expect([ailments(wellStatus), remarks(wellStatus)]).toEqual([[], []]);
    const waiting = { ...goodLane, phase: 'waiting', sinceMs: now.wallMs - 5_000, lastError: away } as const;
    const status = { ...wellStatus, uplink: { 'meter-readings': waiting } };
    expect([ailments(status), remarks(status)]).toEqual([[], []]);
  });

  it('names a full buffer, a disk that takes nothing, a topic that refuses everything and what wants a person', () => {
    const sick: GatewayStatus = {
      ...wellStatus,
      buffer: { ...wellStatus.buffer, full: true, committingForMs: 11_000 },
      uplink: {
        'meter-readings': { ...goodLane, phase: 'stalled' },
        'sensor-values': { ...goodLane, phase: 'waiting', lastError: denied },
      },
    };
    expect(ailments(sick)).toEqual([
      'the buffer is full (900 of 1000 bytes): readings are refused',
      'the disk has taken nothing for 11 s: readings wait in memory',
      'meter-readings: the topic refuses everything (unknown)',
      'sensor-values: not authorised',
    ]);
  });

  it('names the quarantine where it is what fills the buffer', () => {
    const buffer = { ...wellStatus.buffer, full: true, quarantineBytes: 600 };
    expect(ailments({ ...wellStatus, buffer })).toEqual([
      'the buffer is full (900 of 1000 bytes, 600 of them in its folder quarantine): readings are refused',
    ]);
  });

  it('remarks on a changed configuration that was refused', () => {
    const refusedConfig = { atMs: Date.parse('2026-11-22T13:00:00Z'), reason: 'it has 2 problems' };
    expect(remarks({ ...wellStatus, refusedConfig })).toEqual([
      'the changed configuration was refused at 2026-11-22T13:00:00.000Z (it has 2 problems): a restart may fail',
    ]);
  });

  it('remarks on what is the matter of the site or is over, without calling the gateway ill', () => {
    const lost = Array.from({ length: 7 }, (_, at) => deviceState(`EM-${at}`, { presence: 'lost', badPoints: 2 }));
    const lane = {
      ...goodLane,
      phase: 'waiting',
      lastError: away,
      oldestMs: now.wallMs - 720_000,
      rejected: 2,
    } as const;
    const status: GatewayStatus = {
      ...wellStatus,
      now: { ...now, trust: 'unsynced' },
      connections: wellStatus.connections.map((one) => ({ ...one, state: 'waiting' })),
      devices: [...lost, deviceState('FT-1', { badPoints: 1 })],
      refusedReadings: 12,
      uplink: { 'meter-readings': { ...lane, sinceMs: now.wallMs } },
    };
    expect(ailments(status)).toEqual([]);
    expect(remarks(status)).toEqual([
      'not open: panel',
      '7 of 8 devices do not answer: EM-0, EM-1, EM-2, EM-3, EM-4 and 2 more',
      'bad points on FT-1',
      'the clock is known to be wrong; look at the time service',
      '12 readings were refused by the buffer since the start',
      'meter-readings has not been delivered for 720 s: connection refused',
      'meter-readings: 2 records lie in the dead letters',
    ]);
  });
});
