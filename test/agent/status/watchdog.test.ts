import { describe, expect, it } from 'vitest';
import { Watchdog, stuck } from '../../../agent/status/watchdog.ts';
import type { Vitals } from '../../../agent/status/watchdog.ts';
import { goodLane, wellStatus } from '../../support/gateway-status.ts';

const well: Vitals = {
  nowMs: 1_000_000,
  pollers: [{ device: 'EM-1', dueMs: 1_005_000 }],
  lanes: [
    { lane: 'meter-readings', dueMs: null },
    { lane: 'sensor-values', dueMs: 1_100_000 },
  ],
  writer: { silentMs: 0, computingMs: 0 },
};

describe('what hangs', () => {
  it.each([
    ['nothing while all come round in time or owe nothing', {}, []],
    ['nothing on a machine short of breath', { pollers: [{ device: 'EM-1', dueMs: 975_000 }] }, []],
    [
      'a poller that did not wake',
      { pollers: [...well.pollers, { device: 'EM-2', dueMs: 940_000 }] },
      ['the poller of EM-2 is 60 s late'],
    ],
    [
      'a forwarder beyond its deadlines',
      { lanes: [{ lane: 'gateway-events', dueMs: 900_000 }] },
      ['the forwarder of gateway-events is 100 s late'],
    ],
    [
      'a writer that computes and does not answer',
      { writer: { silentMs: 80_000, computingMs: 61_000 } },
      ["the buffer's writer thread has answered nothing for 61 s"],
    ],
    ['nothing when the writer computes and answers', { writer: { silentMs: 0, computingMs: 300_000 } }, []],
    ['nothing when the writer waits for its disk', { writer: { silentMs: 3_600_000, computingMs: 0 } }, []],
  ])('is %s', (_, some: Partial<Vitals>, expected) => {
    expect(stuck({ ...well, ...some })).toEqual(expected);
  });
});

describe('a writer thread that answers nothing', () => {
  const at = (ms: number) => ({ ...wellStatus, now: { ...wellStatus.now, bootMs: wellStatus.now.bootMs + ms } });

  it('hangs when it computes at every look', () => {
    const watchdog = new Watchdog();
    const looks = [0, 20_000, 40_000, 60_000, 80_000].map((ms) =>
      watchdog.look(at(ms), { silentMs: ms, isComputing: true }),
    );
    expect(looks.map((found) => found.length)).toEqual([0, 0, 0, 0, 1]);
  });

  it('is at the mercy of its disk when it was seen waiting once', () => {
    const watchdog = new Watchdog();
    const looks = [0, 20_000, 40_000, 60_000, 80_000, 100_000].map((ms) =>
      watchdog.look(at(ms), { silentMs: ms, isComputing: ms !== 40_000 }),
    );
    expect(looks.flat()).toEqual([]);
  });
});

describe('what is no hang', () => {
  it('is a broker that is away, a device that is lost, a disk that takes nothing', () => {
    const away = { atMs: 0, fate: 'retry', code: 'ECONNREFUSED', message: 'away' } as const;
    const status = {
      ...wellStatus,
      devices: wellStatus.devices.map((device) => ({ ...device, presence: 'lost' as const })),
      uplink: { 'meter-readings': { ...goodLane, phase: 'waiting' as const, lastError: away } },
      buffer: { ...wellStatus.buffer, committingForMs: 3_600_000 },
    };
    expect(new Watchdog().look(status, { silentMs: 3_600_000, isComputing: false })).toEqual([]);
  });
});
