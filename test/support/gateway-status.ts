import type { DeviceState, GatewayStatus } from '../../agent/status/facts.ts';
import { FakeClock } from './fake-clock.ts';

const now = new FakeClock().now();
const nothing = { 'meter-readings': 0, 'sensor-values': 0, 'asset-metadata': 0, 'gateway-events': 0 };

export const goodLane = {
  phase: 'connected',
  sinceMs: now.wallMs - 3_600_000,
  lastError: null,
  lastDeliveredMs: now.wallMs - 1_000,
  oldestMs: null,
  dueMs: null,
  delivered: 10,
  repeated: 1,
  rejected: 0,
} as const;

/** A gateway at which all is well. */
export const wellStatus: GatewayStatus = {
  gateway: 'ps-12',
  site: 'PS12',
  epoch: '1-aaaaaaaa',
  startedAt: { ...now, bootMs: now.bootMs - 3_600_000, wallMs: now.wallMs - 3_600_000 },
  now,
  isStopping: false,
  connections: [
    { connection: 'panel', state: 'open', since: now, error: null, remarks: [], failures: 0, opened: 1, failed: 0 },
  ],
  devices: [deviceState('EM-1')],
  buffer: {
    waiting: nothing,
    held: nothing,
    bytes: 900,
    maxBytes: 1000,
    full: false,
    fill: 'low',
    whenFull: 'thin',
    isVolatile: false,
    segments: 1,
    quarantineBytes: 0,
    writtenBytes: 4_000_000,
    wear: {
      total: { bytes: 40_000_000, runningMs: 36_000_000 },
      recent: { bytes: 4_000_000, runningMs: 3_600_000 },
    },
    commits: 4,
    commitsTookMs: 50,
    accepted: { ...nothing, 'meter-readings': 7 },
    refused: 0,
    dropped: nothing,
    committingForMs: 5,
  },
  uplink: { 'meter-readings': goodLane },
  refusedConfig: null,
  refusedReadings: 0,
  events: new Map([['start', 1]]),
};

export function deviceState(device: string, some: Partial<DeviceState> = {}): DeviceState {
  return {
    device,
    connection: 'panel',
    presence: 'ok',
    lostSince: null,
    lostBecause: null,
    lastGood: now,
    badPoints: 0,
    firstBad: null,
    nextSlotMs: now.wallMs + 1_000,
    polls: 3,
    good: 5,
    uncertain: 1,
    bad: 2,
    skippedSlots: 0,
    dueMs: null,
    ...some,
  };
}
