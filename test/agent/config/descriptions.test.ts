import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { problemText } from '../../../agent/config/problems.ts';
import type { DeviceConfig } from '../../../agent/config/site-config.ts';
import { load, loaded, mirrors, site, type Site } from './fixtures.ts';

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

  it('has another register map with another OBIS code or modulus, or where it may fall, not with another rule for sending', () => {
    const mapWith = (some: object): string | undefined => {
      const content = site();
      content.devices = [
        { ...content.devices[0], points: [{ name: 'e', unit: 'kWh', kind: 'counter', address: 1, ...some }] },
      ];
      return loaded(content).connections[0]?.devices[0]?.points[0]?.info.map;
    };
    const others = [
      { obis: '1-0:1.8.0' },
      { obis: '1-0:2.8.0' },
      { modulus: 1000 },
      { modulus: 10_000 },
      { decreases: true },
    ];
    expect(new Set([{}, ...others].map(mapWith)).size).toBe(6);
    expect(mapWith({ decreases: false })).toBe(mapWith({}));
    expect(mapWith({ maxRate: '40/h', every: '1m', within: '10s', labels: { a: 'b' } })).toBe(mapWith({}));
  });
});

describe('a profile of the folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-profiles-'));
  const profile = { manufacturer: 'Acme', model: 'Flow 2', points: [{ name: 'flow', unit: 'm3/h', address: 1 }] };
  const device = (content: object, asset?: object): DeviceConfig | undefined => {
    writeFileSync(join(folder, 'acme.json'), JSON.stringify(content));
    const wanted = site();
    wanted.devices = [{ id: 'EM-1', connection: 'panel', unitId: 1, profile: 'acme', asset }];
    return loaded(wanted, { profileFolder: folder }).connections[0]?.devices[0];
  };
  const mapOf = (content: object): string | undefined => device(content)?.points[0]?.info.map;
  afterAll(() => rmSync(folder, { recursive: true }));

  it('says who made the meter and its model, unless the device knows better', () => {
    expect(device(profile)?.asset).toMatchObject({ manufacturer: 'Acme', model: 'Flow 2', serial: null });
    expect(device(profile, { model: 'Flow 2b', serial: '7' })?.asset).toMatchObject({
      manufacturer: 'Acme',
      model: 'Flow 2b',
      serial: '7',
    });
  });

  it('changes the register map with what its numbers mean', () => {
    const [point] = profile.points;
    expect(mapOf({ ...profile, points: [{ ...point, address: 2 }] })).not.toBe(mapOf(profile));
    expect(mapOf({ ...profile, model: 'Flow 3' })).not.toBe(mapOf(profile));
    expect(mapOf({ ...profile, document: 'rev. 4', examples: [{ raw: '0001' }], every: '1m' })).toBe(mapOf(profile));
  });

  it('is read anew at each loading', () => {
    expect(device(profile)?.points).toHaveLength(1);
    expect(
      device({ ...profile, points: [...profile.points, { name: 'b', unit: 'm', address: 2 }] })?.points,
    ).toHaveLength(2);
  });
});

describe('a folder of profiles', () => {
  it('that does not exist holds none', () => {
    expect(load(site(), { profileFolder: '/nowhere/profiles' }).problems).toEqual([]);
  });

  it('that cannot be read is told as a warning', () => {
    const { problems, config } = load(site(), { profileFolder: '/dev/null' });
    expect(problems.map(problemText)).toEqual(['/dev/null:1:1: warning: the folder of profiles is no folder']);
    expect(config).not.toBeNull();
  });
});

describe('a built-in profile', () => {
  const builtIn = mkdtempSync(join(tmpdir(), 'sluice-built-in-'));
  const own = mkdtempSync(join(tmpdir(), 'sluice-own-'));
  const registry = {
    ...mirrors,
    families: mirrors.families.map((each) => ({ ...each, schema: { ...each.schema, profileFolder: builtIn } })),
  };
  const named = (address: number): string => JSON.stringify({ points: [{ name: 'flow', unit: 'm3/h', address }] });
  const mapOf = (wanted: Site): unknown =>
    loaded(wanted, { registry, profileFolder: own }).connections[0]?.devices[0]?.points[0]?.info.map;
  const withProfile = (inFile: object = {}): Site => ({
    ...site(),
    ...inFile,
    devices: [{ id: 'EM-1', connection: 'panel', unitId: 1, profile: 'acme' }],
  });

  afterAll(() => [builtIn, own].forEach((folder) => rmSync(folder, { recursive: true })));

  it('is found by its name, gives way to one of the folder, and both to one in the file', () => {
    writeFileSync(join(builtIn, 'acme.json'), named(1));
    const first = mapOf(withProfile());
    writeFileSync(join(own, 'acme.json'), named(2));
    const second = mapOf(withProfile());
    const third = mapOf(withProfile({ profiles: { acme: JSON.parse(named(3)) as object } }));
    expect(new Set([first, second, third]).size).toBe(3);
    rmSync(join(own, 'acme.json'));
    expect(mapOf(withProfile())).toBe(first);
  });

  it('is read only when a device names it', () => {
    writeFileSync(join(builtIn, 'broken.json'), '{');
    const options = { registry, profileFolder: own };
    expect(load(withProfile(), options).problems).toEqual([]);
    const wanted = withProfile();
    wanted.devices[0] = { ...wanted.devices[0], profile: 'broken' };
    expect(load(wanted, options).problems.map(problemText)[0]).toMatch(/broken\.json:1:/);
  });
});
