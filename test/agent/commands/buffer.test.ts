import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wearFacts, wearText } from '../../../agent/commands/buffer-wear.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import { BufferFolder, soon } from '../../support/buffer-folder.ts';
import { run, runWith } from '../../support/command-line.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { pointInfo, reading } from '../../support/readings.ts';

const flow = pointInfo({ device: 'FT-7', point: 'flow', kind: 'gauge', unit: 'm3/h', stream: 'sensor-values' });
const subcommands = ['stats', 'show', 'verify', 'dead-letters'] as const;

let site: BufferFolder;
beforeEach(() => {
  site = new BufferFolder();
});
afterEach(() => site.remove());

/** Three commits: energy 1…3 of EM-1 and flow 0.1…0.3 of FT-7, then an event; the first two numbers delivered. Left as kill -9 would. */
async function filled(): Promise<string> {
  const clock = new FakeClock();
  const buffer = await site.opened({ clock });
  for (const value of [1, 2, 3]) {
    clock.wallMs += 1000;
    clock.bootMs += 1000;
    const at = clock.now();
    await Promise.all([
      buffer.append('meter-readings', [reading({ value, at })]),
      buffer.append('sensor-values', [reading({ point: flow, value: value / 10, at })]),
    ]);
  }
  buffer.settle('meter-readings', 1, 2);
  buffer.settle('sensor-values', 1, 2);
  const json =
    '{"gateway":"ps-12","event":"device-lost","severity":"warning","device":"EM-1","message":"EM-1 is silent.","facts":{}}';
  await buffer.append('gateway-events', [{ at: clock.now(), key: 'ps-12', json }]);
  return site.crashed();
}

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

function config(path: string, more = ''): string {
  const file = join(site.path, 'site.json');
  writeFileSync(
    file,
    `{ "version": 1, "gateway": "ps-12", "buffer": { "path": "${path}"${more} },
       "connections": { "panel": { "driver": "modbus-tcp", "host": "127.0.0.1" } },
       "devices": [{ "id": "EM-1", "connection": "panel", "unitId": 1, "points": [{ "name": "energy", "kind": "counter", "unit": "kWh", "address": 0 }] }],
       "uplink": { "kafka": { "brokers": ["127.0.0.1:9092"], "topics": { "meter-readings": "scada.meters" } } } }`,
  );
  return file;
}

describe('buffer stats', () => {
  it('says what waits in each lane, as a table and as JSON', async () => {
    const folder = await filled();
    const { code, stdout } = await run('buffer', 'stats', config(folder, ', "maxSize": "2MB"'));
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/: 1 segment, [\d.]+ KB of at most 2 MB; epoch 1-[0-9a-z]{8}$/);
    expect(lines.slice(1, 6)).toEqual([
      'lane            waiting  delivered  oldest waiting            newest',
      'meter-readings        2          1  2026-11-22T13:00:02.000Z  2026-11-22T13:00:03.000Z',
      'sensor-values         2          1  2026-11-22T13:00:02.000Z  2026-11-22T13:00:03.000Z',
      'asset-metadata        0          0  -                         -',
      'gateway-events        1          0  2026-11-22T13:00:03.000Z  2026-11-22T13:00:03.000Z',
    ]);
    expect(JSON.parse((await run('buffer', 'stats', '--json', '--folder', folder)).stdout)).toMatchObject({
      folder,
      exists: true,
      segments: 1,
      maxBytes: null,
      lanes: [
        { lane: 'meter-readings', waiting: 2, settled: 1, oldestWaiting: '2026-11-22T13:00:02.000Z' },
        { lane: 'sensor-values' },
        { lane: 'asset-metadata', waiting: 0, newest: null },
        { lane: 'gateway-events', waiting: 1 },
      ],
      deadLetters: 0,
      quarantined: [],
      quarantinedBytes: 0,
      unreadable: [],
    });
  });
});

describe('buffer stats on the wear of a card', () => {
  const dayMs = 86_400_000;
  const wear = { total: { bytes: 5e9, runningMs: 4 * dayMs }, recent: { bytes: 1e9, runningMs: dayMs } };
  const device = { device: 'mmcblk0', bytes: 20e9, runningMs: 5 * dayMs };

  it('tells what the buffer writes a day, what the whole device takes, and how long a card lasts at the larger', () => {
    const facts = wearFacts(wear, device, 30e12);
    expect(facts).toEqual({
      bytes: 5e9,
      runningSeconds: 345_600,
      bytesPerDay: 1e9,
      device: { name: 'mmcblk0', bytes: 20e9, uptimeSeconds: 432_000, bytesPerDay: 4e9 },
      endurance: { bytes: 30e12, years: 20.5 },
    });
    expect(wearText(facts)).toEqual([
      'written: 1 GB a day (5 GB in 4.0 days of running)\n',
      "the whole of mmcblk0: 4 GB a day (20 GB in 5.0 days since the machine's start)\n",
      'a card of 30 TB lasts 21 years at what the whole device takes\n',
    ]);
    expect(wearText(wearFacts(wear, null, 1e12)).at(-1)).toBe(
      "a card of 1 TB lasts 3 years at the buffer's rate alone\n",
    );
    expect(wearText(wearFacts(null, null, 1e12))).toEqual([
      'how long a card of 1 TB lasts cannot be said yet: nothing was counted\n',
    ]);
  });

  it('refuses an endurance that is no size', async () => {
    const { code, stderr } = await run('buffer', 'stats', '--endurance', '30', '--folder', await filled());
    expect(code).toBe(2);
    expect(stderr).toContain('--endurance is "30"; allowed: one number and one of KB MB GB TB');
  });
});

describe('readings that wait until the clock is right', () => {
  it('are counted, and shown with the time of the wrong one', async () => {
    const clock = new FakeClock(0);
    clock.trust = 'unsynced';
    const buffer = await site.opened({ clock });
    await buffer.append('meter-readings', [reading({ at: clock.now(), value: 7 })]);
    const folder = site.crashed();
    const { stdout } = await run('buffer', 'stats', '--folder', folder);
    expect(stdout).toContain('1 reading of these wait until the clock of the gateway is right (clock.hold)');
    const [stats] = jsonLines((await run('buffer', 'stats', '--json', '--folder', folder)).stdout);
    expect(stats?.['lanes']).toMatchObject([
      { lane: 'meter-readings', waiting: 1, held: 1 },
      { held: 0 },
      { held: 0 },
      { held: 0 },
    ]);
    const shown = await run('buffer', 'show', '--folder', folder);
    expect(shown.stdout).toMatch(/^1970-01-01T00:00:00.000Z  EM-1 .* 7 .* Good \(held\)$/m);
    const [record] = jsonLines((await run('buffer', 'show', '--json', '--folder', folder)).stdout);
    expect(record).toMatchObject({ settled: false, held: true, value: { clock: 'unsynced', slot: null } });
  });
});

describe('buffer show', () => {
  it('prints the records that the forwarder will send, byte for byte', async () => {
    const buffer = await site.opened();
    await buffer.append('meter-readings', [reading({ value: 4711.25, slotMs: 0, raw: '0047 e352' })]);
    const [entry] = (await buffer.next('meter-readings', 0, 1, soon())).entries;
    const { stdout } = await run('buffer', 'show', '--json', config(site.path));
    const sent = entry && jsonEncoding()(entry, false);
    expect(stdout).toBe(
      `{"topic":"scada.meters","key":"ps-12/EM-1","timestamp":${entry?.timeMs},"value":${sent?.value},"settled":false,"held":false}\n`,
    );
  });

  it('shows what waits, oldest first, and with --settled the rest', async () => {
    const folder = await filled();
    const { code, stdout, stderr } = await run('buffer', 'show', '--folder', folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      'time                      device          point                          value  unit    status',
      '2026-11-22T13:00:02.000Z  EM-1            energy                             2  kW.h    Good',
      '2026-11-22T13:00:02.000Z  FT-7            flow                             0.2  m3/h    Good',
      '2026-11-22T13:00:03.000Z  EM-1            energy                             3  kW.h    Good',
      '2026-11-22T13:00:03.000Z  FT-7            flow                             0.3  m3/h    Good',
      '2026-11-22T13:00:03.000Z  EM-1            device-lost                                   warning EM-1 is silent.',
      '',
    ]);
    const everything = jsonLines((await run('buffer', 'show', '--settled', '--json', '--folder', folder)).stdout);
    expect(everything.map(({ settled }) => settled)).toEqual([true, true, false, false, false, false, false]);
  });

  it.each([
    [
      ['--lane', 'sensor-values'],
      ['flow', 'flow'],
    ],
    [
      ['--lane', 'sensor-values', '--lane', 'gateway-events'],
      ['flow', 'flow', undefined],
    ],
    [
      ['--device', 'FT-7'],
      ['flow', 'flow'],
    ],
    [
      ['--device', 'EM-1'],
      ['energy', 'energy', undefined],
    ],
    [
      ['--last', '2'],
      ['flow', undefined],
    ],
    [
      ['--limit', '3'],
      ['energy', 'flow', 'energy'],
    ],
    [['--last', '1', '--settled', '--device', 'FT-7'], ['flow']],
    [['--device', 'EM-99'], []],
  ])('%j picks', async (options, points) => {
    const { stdout } = await run('buffer', 'show', '--json', '--folder', await filled(), ...options);
    const shown = stdout === '' ? [] : jsonLines(stdout);
    expect(shown.map(({ value }) => (value as { point?: string }).point ?? undefined)).toEqual(points);
  });

  it('says that nothing matches', async () => {
    const folder = await filled();
    const { stderr } = await run('buffer', 'show', '--folder', folder, '--device', 'EM-99');
    expect(stderr).toBe(`${folder}: nothing waits that matches\n`);
  });

  it('stops after a hundred lines on its own, and says that more follow', async () => {
    const buffer = await site.opened();
    await buffer.append(
      'meter-readings',
      Array.from({ length: 120 }, () => reading({})),
    );
    const long = await run('buffer', 'show', '--folder', site.path);
    expect(long.stdout.split('\n')).toHaveLength(102);
    expect(long.stderr).toBe('more follow; see --limit, --last and --json\n');
  });

  it('ends when it is told to', async () => {
    const ending = new AbortController();
    ending.abort();
    const { code, stdout } = await runWith(
      { signal: ending.signal },
      'buffer',
      'show',
      '--json',
      '--folder',
      await filled(),
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });
});

describe('buffer verify', () => {
  it('finds a sound buffer sound', async () => {
    const folder = await filled();
    expect(await run('buffer', 'verify', '--folder', folder)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/: 1 segment, \d+ rows, 7 entries: all sound\n$/),
    });
  });

  it('lists damaged rows and the numbers that are gone, and exits 1', async () => {
    const folder = await filled();
    const name = readdirSync(folder).find((each) => /^0.*\.db$/.test(each)) ?? '';
    const db = new Database(join(folder, name));
    db.exec('UPDATE frames SET count = count + 1 WHERE first IN (1, 4)');
    db.close();
    const { code, stdout } = await run('buffer', 'verify', '--folder', folder);
    const segment = name.replace('.db', '');
    expect(code).toBe(1);
    expect(stdout.split('\n')).toEqual([
      `${segment}: frames row 1: its checksum is wrong`,
      `${segment}: frames row 4: its checksum is wrong`,
      // Whoever changed the rows has closed the file, as a kill would not.
      expect.stringMatching(/: its WAL is not there: a stop that was cut short leaves it so, and nothing is missing; /),
      `${segment}: 2 entries missing, seq 1, 4, of any lane; up to 2 lost`,
      expect.stringMatching(/: damaged; up to 2 undelivered entries are lost\. What is sound will be sent\./),
      '',
    ]);
    expect(JSON.parse((await run('buffer', 'verify', '--json', '--folder', folder)).stdout)).toMatchObject({
      ok: false,
      segments: 1,
      entries: 5,
      damaged: [{ segment, table: 'frames', row: 1 }, { row: 4 }],
      missing: [
        {
          segment,
          ranges: [
            { first: 1, last: 1 },
            { first: 4, last: 4 },
          ],
          count: 2,
          lost: 2,
        },
      ],
      lost: 2,
    });
    const shown = await run('buffer', 'show', '--json', '--folder', folder);
    expect(shown.code).toBe(1);
    expect(jsonLines(shown.stdout)).toHaveLength(4);
    expect(shown.stderr).toContain('look closer with: sluice buffer verify');
    expect((await run('buffer', 'stats', '--folder', folder)).code).toBe(1);
  });
});

describe('buffer dead-letters', () => {
  it('lists them with their reason, and changes nothing', async () => {
    const buffer = await site.opened();
    expect(await run('buffer', 'dead-letters', '--folder', site.path)).toMatchObject({
      code: 0,
      stdout: 'no dead letters\n',
    });
    await buffer.append('meter-readings', [reading({})]);
    for (const entry of (await buffer.next('meter-readings', 0, 10, soon())).entries)
      await buffer.reject(entry, 'MESSAGE_TOO_LARGE', { key: 'ps-12/EM-1', value: '{"id":"x"}' });
    for (let again = 0; again < 2; again++) {
      const { code, stdout } = await run('buffer', 'dead-letters', '--folder', site.path);
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^20\S+Z {2}meter-readings {2}ps-12\/EM-1 {2}1-[0-9a-z]{8}\/1 {2}MESSAGE_TOO_LARGE\n1 dead letter\n$/,
      );
    }
    const { stdout } = await run('buffer', 'dead-letters', '--json', '--folder', site.path);
    expect(JSON.parse(stdout)).toMatchObject({
      stream: 'meter-readings',
      seq: 1,
      reason: 'MESSAGE_TOO_LARGE',
      value: { id: 'x' },
    });
    expect((await run('buffer', 'stats', '--folder', site.path)).stdout).toContain('1 dead letter; look at them');
  });
});

describe.each(subcommands)('buffer %s', (subcommand) => {
  it('says that there is no buffer yet, and makes none', async () => {
    const folder = join(site.path, 'later');
    const { code, stdout, stderr } = await run('buffer', subcommand, config(folder));
    expect(code).toBe(0);
    expect(stdout + stderr).toBe(`${folder}: no buffer yet; sluice run makes it at its first start\n`);
    expect(existsSync(folder)).toBe(false);
  });

  it.each([
    ['a folder that is not there', 1, ['--folder', '/nowhere/buffer'], '/nowhere/buffer does not exist or is empty'],
    ['a folder of other things', 1, ['--folder', 'test/cases'], 'is no buffer: it holds neither lock.db nor a segment'],
    ['a file for a folder', 1, ['--folder', 'package.json'], 'is no folder'],
    ['two buffers', 2, ['--folder', '/tmp', 'site.json'], 'name two buffers; one is allowed'],
    ['a wrong configuration', 78, ['test/cases/config/unit-id-out-of-range/sluice.json'], 'unitId is 300; allowed'],
    ['a configuration that is not there', 78, ['/nowhere/sluice.json'], 'the file does not exist'],
  ])('refuses %s with exit code %i', async (_what, code, args, message) => {
    const ended = await run('buffer', subcommand, ...args);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) });
  });
});

it('a lane, a number or a combination that cannot be is refused before anything is opened', async () => {
  for (const [args, message] of [
    [
      ['--lane', 'meter-reading'],
      '--lane is "meter-reading"; allowed: meter-readings, sensor-values, asset-metadata, gateway-events (did you mean `meter-readings`?)',
    ],
    [['--last', '0'], '--last is "0"; allowed: a whole number, 1…100000'],
    [['--limit', '1e3'], '--limit is "1e3"; allowed: a whole number, 1 or more'],
    [['--limit', '-1'], '--limit is "-1"; allowed: a whole number, 1 or more'],
    [['--limit', '5', '--last', '5'], '--last and --limit exclude each other; one is allowed'],
  ] as const)
    expect(await run('buffer', 'show', '--folder', '/nowhere', ...args)).toEqual({
      code: 2,
      stdout: '',
      stderr: `sluice: ${message}\n`,
    });
});

it('a reader that has seen enough leaves no copy behind', async () => {
  const temporary = join(site.path, 'temporary');
  mkdirSync(temporary);
  const buffer = await site.opened();
  await buffer.append(
    'meter-readings',
    Array.from({ length: 5000 }, () => reading({})),
  );
  const main = new URL('../../../agent/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, 'buffer', 'show', '--json', '--folder', site.path], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let complaints = '';
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
  await once(child, 'close');
  expect(complaints).toBe('');
  expect(readdirSync(temporary)).toEqual([]);
});
