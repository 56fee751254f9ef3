import type { PointInfo, Reading } from '../../agent/reading.ts';

/** A descriptor with everything filled in; `hash` follows from device and point. */
export function pointInfo(some: Partial<PointInfo>): PointInfo {
  const device = some.device ?? 'EM-1';
  const point = some.point ?? 'energy';
  return {
    hash: `${device}/${point}`,
    gateway: 'ps-12',
    site: 'PS12',
    device,
    asset: null,
    serial: null,
    point,
    kind: 'counter',
    unit: 'kW.h',
    stream: 'meter-readings',
    map: '9f31c20a77e1',
    ...some,
  };
}

export function reading(some: Partial<Reading>): Reading {
  return {
    point: some.point ?? pointInfo({}),
    value: 1,
    text: null,
    quality: 'good',
    status: 'Good',
    exceptionCode: null,
    at: { boot: 'b-1', bootMs: 1_000_000, wallMs: Date.parse('2026-11-22T13:15:00Z'), trust: 'synced' },
    timeMs: null,
    timeSource: 'gateway',
    deviceTimeMs: null,
    slotMs: null,
    raw: null,
    repeat: false,
    ...some,
  };
}
