import { describe, expect, it } from 'vitest';
import { loaded, site } from './fixtures.ts';

/** What a device and its points are, beside how they are read: the asset metadata is made of it. */
describe('what a loaded device says of itself', () => {
  it('is its connection, profile, asset and description, null where nothing is stated', () => {
    const content = site();
    content['profiles'] = { p: { points: [] } };
    content.devices = [
      {
        ...content.devices[0],
        profile: 'p',
        description: 'Feeder 3',
        asset: { id: 'PS12/P1', serial: '20-114-7', model: 'SDM630' },
      },
    ];
    expect(loaded(content).connections[0]?.devices[0]).toMatchObject({
      connection: 'panel',
      profile: 'p',
      description: 'Feeder 3',
      asset: { id: 'PS12/P1', name: null, serial: '20-114-7', location: null, manufacturer: null, model: 'SDM630' },
    });
    expect(loaded(site()).connections[0]?.devices[0]).toMatchObject({
      profile: null,
      description: null,
      asset: { id: null, name: null, serial: null, location: null, manufacturer: null, model: null },
      labels: {},
    });
  });

  it('has the labels of its site, its connection and its own, the nearer one where a name stands twice', () => {
    const content = site();
    content['site'] = { id: 'PS12', labels: { a: 'site', b: 'site', c: 'site' } };
    content.connections = { panel: { driver: 'mirror', host: '10.0.0.1', labels: { b: 'link', c: 'link' } } };
    content.devices = [{ ...content.devices[0], labels: { c: 'device', d: 'device' } }];
    expect(loaded(content).connections[0]?.devices[0]?.labels).toEqual({
      a: 'site',
      b: 'link',
      c: 'device',
      d: 'device',
    });
  });
});

describe('what a loaded point says of itself', () => {
  it('is its description, its OBIS code and its own labels, with those of its profile below', () => {
    const content = site();
    const flow = { name: 'flow', unit: 'm3/h', address: 1 };
    content['site'] = { id: 'PS12', labels: { a: 'site' } };
    content['profiles'] = {
      p: { points: [{ ...flow, labels: { phase: '1', side: 'in' }, description: 'Flow', obis: '8-0:2.0.0' }] },
    };
    content.devices = [
      {
        id: 'EM-1',
        connection: 'panel',
        unitId: 1,
        profile: 'p',
        points: [
          { name: 'flow', labels: { side: 'out' } },
          { ...flow, name: 'bare' },
        ],
      },
    ];
    expect(loaded(content).connections[0]?.devices[0]?.points).toMatchObject([
      { description: 'Flow', obis: '8-0:2.0.0', labels: { phase: '1', side: 'out' } },
      { description: null, obis: null, labels: {} },
    ]);
  });

  it('has another register map with another OBIS code', () => {
    const mapWith = (obis?: string): string | undefined => {
      const content = site();
      content.devices = [
        { ...content.devices[0], points: [{ name: 'e', unit: 'kWh', kind: 'counter', address: 1, obis }] },
      ];
      return loaded(content).connections[0]?.devices[0]?.points[0]?.info.map;
    };
    expect(new Set([mapWith(), mapWith('1-0:1.8.0'), mapWith('1-0:2.8.0')]).size).toBe(3);
  });
});
