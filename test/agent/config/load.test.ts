import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { assert, boolean, integer, nat, property } from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { contentHash } from '../../../agent/config/canonical.ts';
import { Secret } from '../../../agent/config/grammar.ts';
import { loadConfig, readConfig } from '../../../agent/config/load.ts';
import { problemText } from '../../../agent/config/problems.ts';
import type { PointConfig } from '../../../agent/config/site-config.ts';
import type { PlannedConnection } from '../../../drivers/driver.ts';
import { load, loaded, mirrors, site, type Site } from './fixtures.ts';

const texts = (content: unknown): string[] => load(content).problems.map(problemText);
const firstPoint = (content: Site): PointConfig => {
  const point = loaded(content).connections[0]?.devices[0]?.points[0];
  if (point === undefined) throw new Error('no point');
  return point;
};
const planOf = (content: Site): PlannedConnection => loaded(content).connections[0]?.plan as PlannedConnection;
const planned = (content: Site): Readonly<Record<string, unknown>> =>
  planOf(content).devices[0]?.points[0]?.settings ?? {};

describe('a right file', () => {
  it('becomes a configuration with every default filled in', () => {
    expect(loaded(site())).toMatchObject({
      file: 'sluice.json',
      gateway: 'ps-12',
      site: { id: 'PS12', name: null, timezone: null, labels: {} },
      stateDir: '/tmp',
      clock: { source: 'auto' },
      buffer: { path: '/tmp/buffer', commitEveryMs: 1000, maxBytes: null, whenFull: 'thin' },
      uplink: { file: { path: resolve('readings.ndjson') } },
      status: null,
    });
  });

  it('names a topic for every stream unless told otherwise', () => {
    const content = {
      ...site(),
      uplink: { kafka: { brokers: ['[::1]:9092'], topics: { 'meter-readings': 'scada.meters' } } },
    };
    expect(loaded(content).uplink).toEqual({
      kafka: {
        brokers: ['[::1]:9092'],
        clientId: 'sluice-ps-12',
        tls: null,
        sasl: null,
        topics: {
          'meter-readings': 'scada.meters',
          'sensor-values': 'sensor-values',
          'asset-metadata': 'asset-metadata',
          'gateway-events': 'gateway-events',
          'gateway-status': 'gateway-status',
        },
        compression: 'zstd',
      },
    });
  });

  it('reads status, sizes and durations as numbers', () => {
    const content = {
      ...site(),
      status: { listen: '[::1]:8686' },
      buffer: { path: 'here', maxSize: '2GB', commitEvery: '5s' },
    };
    expect(loaded(content)).toMatchObject({
      status: { host: '::1', port: 8686 },
      buffer: { path: resolve('here'), maxBytes: 2e9, commitEveryMs: 5000 },
    });
  });

  it('leaves out what is disabled: connections, devices and points', () => {
    const content = site();
    content.connections['off'] = { driver: 'mirror', host: 'x', enabled: false };
    content.devices.push({ ...content.devices[0], id: 'EM-2', enabled: false });
    content.devices.push({ ...content.devices[0], id: 'EM-3', connection: 'off' });
    content.devices[0] = {
      ...content.devices[0],
      points: [
        { name: 'a', unit: 'm', address: 1 },
        { name: 'b', unit: 'm', address: 2, enabled: false },
      ],
    };
    const { connections } = loaded(content);
    expect(connections.map(({ id }) => id)).toEqual(['panel']);
    expect(connections[0]?.devices.map(({ id, points }) => [id, points.map(({ info }) => info.point)])).toEqual([
      ['EM-1', ['a']],
    ]);
  });

  it('gives the driver a plan that nobody can change', () => {
    const plan = planOf(site());
    expect(Object.isFrozen(plan)).toBe(true);
    expect(Object.isFrozen(plan.devices[0]?.points[0]?.settings)).toBe(true);
    expect(Object.isFrozen(firstPoint(site()).info)).toBe(true);
  });
});

describe('inheritance', () => {
  const levels = ['own', 'inProfile', 'device', 'profile', 'connection'] as const;
  const at = (stated: readonly string[], value: (level: string) => unknown, key: string): Site => {
    const set = (level: string): Record<string, unknown> => (stated.includes(level) ? { [key]: value(level) } : {});
    const content = site();
    content['profiles'] = {
      p: { ...set('profile'), points: [{ name: 'flow', unit: 'm3/h', address: 1, ...set('inProfile') }] },
    };
    content.connections['panel'] = { ...content.connections['panel'], ...set('connection') };
    content.devices[0] = {
      id: 'EM-1',
      connection: 'panel',
      unitId: 1,
      profile: 'p',
      ...set('device'),
      points: [{ name: 'flow', ...set('own') }],
    };
    return content;
  };
  const everyOf = (level: string): string => `${[1, 2, 3, 4, 5][levels.indexOf(level as 'own')]}s`;

  it.each(levels.map((level, index) => [level, levels.slice(index)] as const))(
    'takes `every` from %s when only it and farther levels state it',
    (level, stated) => {
      expect(firstPoint(at(stated, everyOf, 'every')).everyMs).toBe(Number.parseInt(everyOf(level), 10) * 1000);
    },
  );

  it.each(levels.map((level, index) => [level, levels.slice(index)] as const))(
    "takes a driver's inherited key from %s when only it and farther levels state it",
    (level, stated) => {
      expect(planned(at(stated, everyOf, 'timeout'))['timeout']).toBe(Number.parseInt(everyOf(level), 10) * 1000);
    },
  );

  it('polls counters every 15 min and the rest every 10 s, due for the smaller of half of that and 5 min', () => {
    const content = site();
    expect(firstPoint(content)).toMatchObject({
      everyMs: 10_000,
      withinMs: 5000,
      info: { kind: 'gauge', stream: 'sensor-values' },
    });
    content.devices[0] = { ...content.devices[0], points: [{ name: 'e', kind: 'counter', unit: 'kWh', address: 1 }] };
    expect(firstPoint(content)).toMatchObject({
      everyMs: 900_000,
      withinMs: 300_000,
      info: { kind: 'counter', stream: 'meter-readings' },
    });
  });

  it('cuts an inherited `within` to a shorter `every`', () => {
    const content = site();
    content.devices[0] = {
      ...content.devices[0],
      within: '5m',
      every: '15m',
      points: [{ name: 'a', unit: 'm', address: 1, every: '10s' }],
    };
    expect(firstPoint(content)).toMatchObject({ everyMs: 10_000, withinMs: 10_000 });
  });

  it("merges a device's points into its profile's, key by key, in the profile's order", () => {
    const content = site();
    content['profiles'] = {
      p: {
        order: 'BA',
        points: [
          { name: 'a', unit: 'm', address: 1 },
          { name: 'b', unit: 'm', address: 2 },
          { name: 'c', unit: 'm', address: 3 },
        ],
      },
    };
    content.devices[0] = {
      id: 'EM-1',
      connection: 'panel',
      unitId: 1,
      profile: 'p',
      points: [
        { name: 'd', unit: 'm', address: 4 },
        { name: 'b', address: 22, order: 'AB' },
        { name: 'c', enabled: false },
      ],
    };
    const points = planOf(content).devices[0]?.points.map(({ info, settings }) => [
      info.point,
      info.unit,
      settings['address'],
      settings['order'],
    ]);
    expect(points).toEqual([
      ['a', 'm', 1, 'BA'],
      ['b', 'm', 22, 'AB'],
      ['d', 'm', 4, 'BA'],
    ]);
  });

  it('asks the driver for the kind that the file does not state', () => {
    const content = site();
    content.devices[0] = { ...content.devices[0], points: [{ name: 'pump', address: 0 }] };
    expect(firstPoint(content).info).toMatchObject({ kind: 'state', unit: null });
  });
});

describe('what a reading says of its point', () => {
  const changed = (change: (device: Record<string, unknown>) => void): { map: string; hash: string } => {
    const content = site();
    change(content.devices[0] ?? {});
    return firstPoint(content).info;
  };
  const before = changed(() => {});

  it('holds gateway, site, asset and serial as configured, the unit as UCUM', () => {
    const content = site();
    content.devices[0] = {
      ...content.devices[0],
      asset: { id: 'PS12/P1', serial: '20-1' },
      points: [{ name: 'e', kind: 'counter', unit: 'kWh', address: 1 }],
    };
    expect(firstPoint(content).info).toMatchObject({
      gateway: 'ps-12',
      site: 'PS12',
      device: 'EM-1',
      asset: 'PS12/P1',
      serial: '20-1',
      point: 'e',
      unit: 'kW.h',
      hash: expect.stringMatching(/^[0-9a-f]{12}$/),
      map: expect.stringMatching(/^[0-9a-f]{12}$/),
    });
  });

  it('keeps map and hash when only the manner of asking changes', () => {
    const after = changed((device) => Object.assign(device, { every: '1m', timeout: '3s', labels: { a: 'b' } }));
    expect(after).toMatchObject({ map: before.map, hash: before.hash });
  });

  it.each([
    ['an address', { points: [{ name: 'flow', unit: 'm3/h', address: 2 }] }],
    ['an inherited byte order', { order: 'BA' }],
    ['the asset', { asset: { serial: '1' } }],
    [
      'another point',
      {
        points: [
          { name: 'flow', unit: 'm3/h', address: 1 },
          { name: 'x', unit: 'm', address: 5 },
        ],
      },
    ],
  ])('has another map, and so another hash, after a change of %s', (_, change) => {
    const after = changed((device) => Object.assign(device, change));
    expect(after.map).not.toBe(before.map);
    expect(after.hash).not.toBe(before.hash);
  });

  it('does not depend on the order of keys', () => {
    const after = changed((device) => Object.assign(device, { points: [{ address: 1, unit: 'm3/h', name: 'flow' }] }));
    expect(after.hash).toBe(before.hash);
    expect(contentHash({ a: 1, b: [{ c: 2, d: 3 }] })).toBe(contentHash({ b: [{ d: 3, c: 2 }], a: 1 }));
    expect(contentHash([1, 2])).not.toBe(contentHash([2, 1]));
  });
});

describe('what a driver tells', () => {
  it('stands at the key that is at fault, in the profile if it is stated there, with the device named', () => {
    const content = site();
    content['profiles'] = {
      p: {
        order: 'BA',
        points: [
          { name: 'a', unit: 'm', address: 13 },
          { name: 'b', unit: 'm', address: 14 },
        ],
      },
    };
    content.devices[0] = {
      id: 'EM-1',
      connection: 'panel',
      unitId: 1,
      profile: 'p',
      points: [{ name: 'c', unit: 'm', address: 13, order: 'BA' }],
    };
    expect(texts(content)).toEqual([
      'sluice.json:24:20 devices[0].points[0] "EM-1": point "c": says no to order',
      'sluice.json:37:16 profiles.p "EM-1": point "a": says no to order',
      'sluice.json:44:9 profiles.p.points[1] "EM-1": point "b": says no to null',
    ]);
  });

  it('is told once when many devices share the profile that is at fault', () => {
    const content = site();
    content['profiles'] = { p: { points: [{ name: 'a', address: 14 }] } };
    content.devices = ['EM-1', 'EM-2', 'EM-3'].map((id) => ({ id, connection: 'panel', unitId: 1, profile: 'p' }));
    expect(load(content).problems.map(({ severity, device }) => [severity, device])).toEqual([
      ['warning', 'EM-1'],
      ['error', 'EM-1'],
    ]);
  });

  it('is heard although another object of the file is wrong', () => {
    const content = site();
    content.devices[0] = {
      ...content.devices[0],
      points: [
        { name: 'a', unit: 'm', address: 14 },
        { name: 'b', unit: 'm', address: -1 },
      ],
    };
    content.devices.push({ id: 'EM-2', connection: 'panel', unitId: 999 });
    expect(texts(content).join('\n')).toMatch(/says no to null[^]*address is -1[^]*unitId is 999/);
  });

  it('is heard about points although their device or connection is wrong', () => {
    const content = site();
    content.connections['panel'] = { driver: 'mirror', host: 5 };
    content.devices[0] = { ...content.devices[0], unitId: 999, points: [{ name: 'a', unit: 'm', address: 14 }] };
    expect(texts(content).join('\n')).toMatch(/host is 5[^]*unitId is 999[^]*says no to null/);
  });

  it('is not asked about points that inherit what is wrong', () => {
    const content = site();
    content.devices[0] = { ...content.devices[0], order: 'CD', points: [{ name: 'a', unit: 'm', address: 14 }] };
    expect(texts(content)).toEqual([expect.stringContaining('order is "CD"')]);
  });
});

it('tells when two connections open one link, as badly as the driver takes it', () => {
  const content = site();
  content.connections['again'] = { driver: 'mirror', host: '10.0.0.1' };
  content.connections['off'] = { driver: 'mirror', host: '10.0.0.1', enabled: false };
  content.connections['serial'] = { driver: 'mirror', host: '10.0.0.1', speed: 9 };
  content.devices.push({ ...content.devices[0], id: 'EM-2', connection: 'again' });
  content.devices.push({ ...content.devices[0], id: 'EM-3', connection: 'serial' });
  expect(load(content).problems.map(({ severity, path, message }) => [severity, path, message])).toEqual([
    ['warning', 'connections.again', 'opens 10.0.0.1 as connection "panel" does; put the devices on one connection'],
    ['error', 'connections.serial', 'opens 10.0.0.1 as connection "panel" does; put the devices on one connection'],
  ]);
});

describe('secrets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const withPassword = (password: unknown): Site => {
    const content = site();
    content.connections['panel'] = { ...content.connections['panel'], password };
    content['uplink'] = {
      kafka: { brokers: ['b:1'], tls: true, sasl: { mechanism: 'PLAIN', username: 'u', password } },
    };
    return content;
  };
  const passwordOf = (content: Site, env: Record<string, string> = {}): unknown => {
    const config = loaded(content, { env });
    return 'kafka' in config.uplink ? config.uplink.kafka.sasl?.password : undefined;
  };

  it('come from the environment, for the agent and for drivers', () => {
    const content = withPassword('${env:PW}');
    const password = passwordOf(content, { PW: 'hunter2' });
    expect(password).toBeInstanceOf(Secret);
    expect((password as Secret).reveal()).toBe('hunter2');
    const plan = loaded(content, { env: { PW: 'hunter2' } }).connections[0]?.plan as PlannedConnection;
    expect((plan.settings['password'] as Secret).reveal()).toBe('hunter2');
  });

  it('come from files beside the configuration, without the newline at the end', () => {
    writeFileSync(join(folder, 'pw'), 'hunter2\n');
    const bytes = Buffer.from(JSON.stringify({ ...withPassword('${file:pw}'), connections: {}, devices: [] }));
    const { config } = readConfig(join(folder, 'sluice.json'), bytes, { env: {} });
    expect(config !== null && 'kafka' in config.uplink && config.uplink.kafka.sasl?.password.reveal()).toBe('hunter2');
  });

  it('are told of when every user may read their file, or when it holds more than the secret', () => {
    const told = (content: string, mode: number): string[] => {
      writeFileSync(join(folder, 'open'), content);
      chmodSync(join(folder, 'open'), mode);
      const bytes = Buffer.from(JSON.stringify(withPassword('${file:open}')));
      const { problems } = readConfig(join(folder, 'sluice.json'), bytes, { env: {}, registry: mirrors });
      return [...new Set(problems.map(({ severity, message }) => `${severity}: ${message.replaceAll(folder, '')}`))];
    };
    expect(told('hunter2\n', 0o600)).toEqual([]);
    expect(told('\uFEFFhunter2\r\n', 0o640)).toEqual([]);
    expect(told('hunter2', 0o644)).toEqual([
      'warning: password: every user of this machine may read the file /open; sudo chown sluice /open, then sudo chmod 600 /open (sluice: the user that the daemon runs as)',
    ]);
    expect(told('# Kafka\nhunter2\n', 0o600)).toEqual([
      'warning: password: the file /open holds more than one line, or blanks at an end; all of it is taken',
    ]);
    expect(told('h\0u\0n\0', 0o600)[0]).toMatch(/^error: password is missing; the file \/open is no UTF-8 text/);
  });

  it('may be missing with noSecrets, and are then not there to be revealed', () => {
    const { config, problems } = load(withPassword('${env:PW}'), { noSecrets: true });
    expect(problems.map(({ severity }) => severity)).toEqual(['warning', 'warning']);
    if (config === null || !('kafka' in config.uplink)) throw new Error('no config');
    const password = config.uplink.kafka.sasl?.password;
    expect(() => password?.reveal()).toThrow('not resolved');
  });

  it('are in no dump of the configuration and in no problem, however they were given', () => {
    for (const password of ['${env:PW}', 'hunter2', 'hunter2${x}', ['hunter2'], { hunter2: 'hunter2' }]) {
      const { config, problems } = load(withPassword(password), { env: { PW: 'hunter2' } });
      const dump =
        JSON.stringify(config) + inspect(config, { depth: 20, showHidden: true }) + problems.map(problemText).join('');
      expect(dump.replaceAll('"hunter2" is no key here', '')).not.toContain('hunter2');
    }
  });
});

describe('whatever stands in the file', () => {
  const seed = Buffer.from(
    `// site\n${JSON.stringify(
      {
        ...site(),
        profiles: { p: { order: 'BA', points: [{ name: 'a', unit: 'kWh', kind: 'counter', address: 1 }] } },
        uplink: {
          kafka: { brokers: ['b:1'], tls: true, sasl: { mechanism: 'PLAIN', username: 'u', password: '${env:PW}' } },
        },
        devices: [
          {
            id: 'EM-1',
            connection: 'panel',
            unitId: 1,
            profile: 'p',
            every: '15m',
            points: [{ name: 'flow', unit: 'm3/h', address: 1 }],
          },
        ],
      },
      null,
      1,
    )}`,
  );
  const inClear = Buffer.from(
    seed.toString().replaceAll(/\n ?/g, '').replace('// site', '').replace('${env:PW}', 'hunter2'),
  );
  const check = (bytes: Buffer): void => {
    const { config, problems } = readConfig('sluice.json', bytes, { env: { PW: 'hunter2' }, registry: mirrors });
    const isWrong = problems.some(({ severity }) => severity === 'error');
    if ((config === null) !== isWrong) throw new Error('a configuration and errors exclude each other');
    if (problems.some((problem) => problemText(problem).includes('hunter2'))) throw new Error('a secret was told');
    const wild = problems.find(({ message }) => /undefined|\[object|Invalid (?:key|type|format|value)/.test(message));
    if (wild !== undefined) throw new Error(problemText(wild));
  };

  it('a changed byte never makes loading throw, leak or mumble', () => {
    assert(
      property(nat(), integer({ min: 0, max: 255 }), boolean(), (at, byte, isClear) => {
        const bytes = Buffer.from(isClear ? inClear : seed);
        bytes[at % bytes.length] = byte;
        check(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it('a value or a key replaced by any other never makes loading throw, leak or mumble', () => {
    const values = [
      'null',
      '0',
      '-1',
      '1e999',
      '""',
      '"x"',
      '[]',
      '{}',
      '[[]]',
      'true',
      '"${env:PW}"',
      '"__proto__"',
      '"constructor"',
      '"${env:constructor}"',
      '{"__proto__":1}',
    ];
    const text = seed.toString();
    const places = [...text.matchAll(/(?<=: )("[^"]*"|\d+|true)/g)];
    const keys = [...text.matchAll(/"[^"]*"(?=: )/g)];
    for (const place of [...places, ...keys]) {
      for (const value of values)
        check(Buffer.from(text.slice(0, place.index) + value + text.slice(place.index + place[0].length)));
    }
    expect(places.length).toBeGreaterThan(20);
  });

  it('very deep nesting is a problem, not a crash', () => {
    expect(texts('['.repeat(200_000))).toEqual([expect.stringContaining('nested too deeply')]);
    expect(texts('{"a":'.repeat(2000) + '1' + '}'.repeat(2000))).toEqual([
      expect.stringContaining('nested too deeply'),
    ]);
  });

  it('keys that JavaScript knows are keys like others', () => {
    const text = JSON.stringify(site())
      .replace('"panel":', '"__proto__":')
      .replace('"connection":"panel"', '"connection":"__proto__"');
    expect(loaded(text).connections[0]?.id).toBe('__proto__');
  });
});

it('a buffer that is larger than its file system is told where its size is stated', () => {
  const text = `{"buffer": {"maxSize": "900000TB"},${JSON.stringify(site()).slice(1)}`;
  expect(texts(text)).toEqual([
    expect.stringMatching(
      /^sluice\.json:1:24 buffer: maxSize is larger than its file system; allowed: up to \d+MB at "\/tmp"$/,
    ),
  ]);
});

it('a file that is not there is told as a problem of the whole file', () => {
  const { config, problems } = loadConfig('/nowhere/sluice.json', { env: {} });
  expect(config).toBeNull();
  expect(problems).toMatchObject([
    { severity: 'error', file: '/nowhere/sluice.json', line: 1, column: 1, path: '', device: null },
  ]);
  expect(problems[0]?.message).toMatch(/^the file does not exist/);
});

it('a named pipe that nobody writes to holds up nobody', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pipe-'));
  const pipe = join(folder, 'sluice.json');
  execFileSync('mkfifo', [pipe]);
  const { config, problems } = loadConfig(pipe, { env: {} });
  rmSync(folder, { recursive: true });
  expect(config).toBeNull();
  expect(problems.map(({ message }) => message)).toEqual([
    'the file is a named pipe, which may never end; name another: sluice check FILE',
  ]);
});
