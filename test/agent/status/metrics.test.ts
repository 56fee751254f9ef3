import { describe, expect, it } from 'vitest';
import { exposition } from '../../../agent/status/exposition.ts';
import { metricsText } from '../../../agent/status/metrics.ts';
import { readExposition } from '../../support/exposition.ts';
import { deviceState, goodLane, wellStatus } from '../../support/gateway-status.ts';

const cost = { cpuSeconds: 1.5, residentBytes: 9e7, openFds: 30, worstDelayMs: 12 };

function valueOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  return readExposition(text).find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;
}

describe('the metrics', () => {
  it('keep every rule of the text format, with counters in _total and base units', () => {
    const samples = readExposition(metricsText(wellStatus, cost, '1.2.3'));
    expect(samples.length).toBeGreaterThan(40);
    expect(samples.filter(({ name }) => /_(ms|millis|kb|mb)(_|$)/.test(name))).toEqual([]);
    expect(samples).toContainEqual({ name: 'sluice_build_info', labels: { version: '1.2.3' }, value: 1 });
  });

  it('escape what stands in a label, and write numbers that Prometheus reads', () => {
    const labels = { device: 'a"b\\c\nd' };
    const text = exposition([
      { name: 'x', type: 'gauge', help: 'a\\b\nc', samples: [[labels, 1e21]] },
      {
        name: 'y',
        type: 'gauge',
        help: 'h',
        samples: [
          [{}, Infinity],
          [{ a: '' }, Number.NaN],
          [{ a: 'b' }, null],
        ],
      },
      { name: 'z', type: 'gauge', help: 'h', samples: [[{}, null]] },
    ]);
    expect(readExposition(text)).toEqual([
      { name: 'x', labels, value: 1e21 },
      { name: 'y', labels: {}, value: Infinity },
      { name: 'y', labels: { a: '' }, value: Number.NaN },
    ]);
    expect(text).not.toContain(' z');
  });

  it('say in seconds how far a lane lags, nothing where it is not known, and 0 where nothing waits or all is taken', () => {
    const waiting = { ...wellStatus.buffer.waiting, 'meter-readings': 3, 'sensor-values': 2, 'asset-metadata': 1 };
    const text = metricsText(
      {
        ...wellStatus,
        buffer: { ...wellStatus.buffer, waiting },
        uplink: {
          'meter-readings': { ...goodLane, oldestMs: wellStatus.now.wallMs - 90_500 },
          'sensor-values': { ...goodLane, phase: 'waiting', lastDeliveredMs: null },
          'gateway-events': goodLane,
          'asset-metadata': goodLane,
        },
      },
      cost,
      '1',
    );
    const lag = (lane: string): number | undefined => valueOf(text, 'sluice_lane_lag_seconds', { lane });
    expect(Object.keys(waiting).map(lag)).toEqual([90.5, undefined, 0, 0]);
    expect(valueOf(text, 'sluice_buffer_waiting_entries', { lane: 'sensor-values' })).toBe(2);
    expect(valueOf(text, 'sluice_lane_last_delivery_timestamp_seconds', { lane: 'gateway-events' })).toBe(
      Date.parse('2026-11-22T12:59:59Z') / 1000,
    );
  });

  it('name a device up, down, or not at all before it was asked', () => {
    const devices = [
      deviceState('A'),
      deviceState('B', { presence: 'lost' }),
      deviceState('C', { presence: 'waiting' }),
    ];
    const text = metricsText({ ...wellStatus, devices }, cost, '1');
    expect(['A', 'B', 'C'].map((device) => valueOf(text, 'sluice_device_up', { device }))).toEqual([1, 0, undefined]);
    expect(valueOf(text, 'sluice_devices', { presence: 'waiting' })).toBe(1);
  });

  it('have labels by lane, connection and device, and for 300 devices fewer than 4,000 series', () => {
    const devices = Array.from({ length: 300 }, (_, at) => deviceState(`EM-${at}`));
    const samples = readExposition(metricsText({ ...wellStatus, devices }, cost, '1'));
    expect(samples.length).toBeLessThan(4_000);
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
    expect([...labels].toSorted()).toEqual([
      'connection',
      'device',
      'event',
      'gateway',
      'lane',
      'presence',
      'quality',
      'site',
      'trust',
      'version',
    ]);
  });
});
