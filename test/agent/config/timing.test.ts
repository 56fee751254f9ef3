import { describe, expect, it } from 'vitest';
import { MONTH_MS } from '../../../agent/schedule/wall-slots.ts';
import type { PointConfig } from '../../../agent/config/site-config.ts';
import { loaded, site, type Site } from './fixtures.ts';

const hourMs = 3_600_000;

function madrid(device: Record<string, unknown>, point: Record<string, unknown> = {}): Site {
  const content = site();
  content['site'] = { id: 'PS12', timezone: 'Europe/Madrid' };
  content.devices = [
    { ...content.devices[0], ...device, points: [{ name: 'flow', unit: 'm3/h', address: 1, ...point }] },
  ];
  return content;
}

const point = (content: Site): PointConfig | undefined => loaded(content).connections[0]?.devices[0]?.points[0];

describe('when a point is read', () => {
  it.each([
    ['15m', 900_000],
    ['30m', 1_800_000],
  ])('is counted from the full hour with every %s, whatever `at` the device has for other points', (every, everyMs) => {
    const content = madrid({ at: '06:00' });
    const points = [
      { name: 'flow', unit: 'm', address: 1, every },
      { name: 'daily', unit: 'm', address: 2, every: '1d' },
    ];
    content.devices[0] = { ...content.devices[0], points };
    expect(point(content)).toMatchObject({ everyMs, local: null, withinMs: 300_000 });
  });

  it.each([
    ['1h', hourMs],
    ['90m', 1.5 * hourMs],
    ['12h', 12 * hourMs],
    ['24h', 24 * hourMs],
    ['1d', 24 * hourMs],
    ['1mo', MONTH_MS],
  ])('follows the clocks of the site with every %s', (every, everyMs) => {
    expect(point(madrid({ every }))).toMatchObject({
      everyMs,
      local: { timezone: 'Europe/Madrid', atMs: 0 },
      withinMs: 300_000,
    });
  });

  it('takes `at` from the nearest level that states it', () => {
    const content = madrid({ every: '1d' });
    const atMs = (): number | undefined => point(content)?.local?.atMs;
    content.connections['panel'] = { ...content.connections['panel'], at: '01:00' };
    expect(atMs()).toBe(hourMs);
    content['profiles'] = { p: { at: '02:00', points: [] } };
    content.devices[0] = { ...content.devices[0], profile: 'p' };
    expect(atMs()).toBe(2 * hourMs);
    content.devices[0] = { ...content.devices[0], at: '03:00' };
    expect(atMs()).toBe(3 * hourMs);
    content['profiles'] = { p: { at: '02:00', points: [{ name: 'flow', unit: 'm', address: 1, at: '04:00' }] } };
    expect(atMs()).toBe(4 * hourMs);
    Object.assign((content.devices[0]['points'] as object[])[0] ?? {}, { at: '05:30' });
    expect(atMs()).toBe(5.5 * hourMs);
  });
});
