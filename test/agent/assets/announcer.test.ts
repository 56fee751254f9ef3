import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Announcer } from '../../../agent/assets/announcer.ts';
import { SaidUnits } from '../../../agent/assets/said-units.ts';
import { readConfig } from '../../../agent/config/load.ts';
import type { SiteConfig } from '../../../agent/config/site-config.ts';
import { BufferFull } from '../../../agent/errors.ts';
import { openState, type State } from '../../../agent/state.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import type { OutRecord } from '../../../agent/uplink/uplink.ts';
import type { Buffer as Lanes } from '../../../buffer/buffer.ts';
import { BufferFolder, soon } from '../../support/buffer-folder.ts';
import { FakeClock } from '../../support/fake-clock.ts';

type Meter = { id: string; scale?: number; enabled?: boolean; serial?: string };

function site(meters: readonly Meter[], some: object = {}): SiteConfig {
  const content = {
    version: 1,
    gateway: 'ps-12',
    connections: { panel: { driver: 'modbus-tcp', host: '10.12.0.20' } },
    devices: meters.map(({ id, scale = 1, enabled = true, serial = `S-${id}` }) => ({
      id,
      connection: 'panel',
      unitId: 1,
      enabled,
      asset: { serial },
      points: [{ name: 'energy', kind: 'counter', unit: 'kWh', address: 0, type: 'uint32', scale }],
    })),
    stateDir: '/tmp',
    uplink: { file: { path: '/tmp/out.ndjson' } },
    ...some,
  };
  const { config, problems } = readConfig('sluice.json', Buffer.from(JSON.stringify(content)), { env: {} });
  if (config === null) throw new Error(problems.map(({ message }) => message).join('\n'));
  return config;
}

let folder: BufferFolder;
let stateDir: string;
let buffer: Lanes;
let state: State;
let announcer: Announcer;
let clock: FakeClock;
let warnings: string[];

beforeEach(async () => {
  folder = new BufferFolder();
  stateDir = mkdtempSync(join(tmpdir(), 'sluice-announcer-'));
  clock = new FakeClock();
  warnings = [];
  buffer = await folder.opened({ clock });
  start();
});
afterEach(async () => {
  state.close();
  await folder.remove();
  rmSync(stateDir, { recursive: true, force: true });
});

function start(
  parts: {
    state?: (real: State) => State;
    buffer?: Pick<Lanes, 'append' | 'before'>;
    unitOf?: (device: string, point: string) => string | null | undefined;
  } = {},
): void {
  state = openState(join(stateDir, 'state.db'), { event: () => undefined, log: (message) => warnings.push(message) });
  announcer = new Announcer({
    openState: () => parts.state?.(state) ?? state,
    restMs: 0,
    // Of all tests but one the buffer is not new.
    buffer: parts.buffer ?? { append: (...entries) => buffer.append(...entries), before: 'clean' },
    ...(parts.unitOf && { unitOf: parts.unitOf }),
    clock,
    log: { info: () => undefined, warning: (message) => warnings.push(message) },
  });
}
/** As a new process finds it: nothing in memory. */
function startedAgain(parts: Parameters<typeof start>[0] = {}): void {
  state.close();
  start(parts);
}

let [taken, last] = [0, 0];
beforeEach(() => ([taken, last] = [0, 0]));
/** What the lane got since the last call, as it would be sent. */
async function told(): Promise<OutRecord[]> {
  const records: OutRecord[] = [];
  const encode = jsonEncoding();
  while (taken < buffer.stats().accepted['asset-metadata']) {
    const batch = await buffer.next('asset-metadata', last, 1000, soon());
    records.push(...batch.entries.map((entry) => encode(entry, false)));
    taken += batch.entries.length;
    last = batch.last;
  }
  return records;
}
/** `EM-1`, `EM-1@` for its register map, `EM-1 removed`, `EM-1 tombstone`. */
const short = (records: readonly OutRecord[]): string[] =>
  records.map(({ key, value }) => {
    const name = key.replace('ps-12/', '').replace(/@.*/, '@');
    if (value === null) return `${name} tombstone`;
    return (JSON.parse(value) as { removedAt?: string | null }).removedAt ? `${name} removed` : name;
  });
async function announced(config: SiteConfig): Promise<string[]> {
  await announcer.announce(config);
  return short(await told());
}

const both = site([{ id: 'EM-1' }, { id: 'EM-2' }]);
const one = site([{ id: 'EM-1' }]);

describe('asset metadata', () => {
  it('is announced once, register map first; a start with the same configuration says nothing', async () => {
    expect(await announced(both)).toEqual(['EM-1@', 'EM-1', 'EM-2@', 'EM-2']);
    expect(await announced(site([{ id: 'EM-1' }, { id: 'EM-2' }]))).toEqual([]);
    startedAgain();
    expect(await announced(both)).toEqual([]);
  });

  it('gets id, time and clock when it is committed, and bears no other trace of when it was said', async () => {
    await announcer.announce(one);
    const [, current] = await told();
    expect(current?.value).toMatch(
      new RegExp(
        `^\\{"id":"ps-12/${buffer.epoch}/2","gateway":"ps-12","site":null,"device":"EM-1","time":"2026-11-22T13:00:00.000Z","clock":"synced","asset":null,.*"removedAt":null,`,
      ),
    );
    clock.stepWall(86_400_000);
    rmSync(stateDir, { recursive: true });
    startedAgain();
    await announcer.announce(one);
    const [, again] = await told();
    const bare = (value: string | null | undefined): string | undefined => value?.replace(/"(id|time)":"[^"]*"/g, '');
    expect(bare(again?.value)).toBe(bare(current?.value));
  });

  it('says of a device that left, at once, what it was and when it went, and then buries it; its register map stays', async () => {
    await announced(both);
    clock.stepWall(3_600_000);
    await announcer.announce(one);
    const records = await told();
    expect(short(records)).toEqual(['EM-2 removed', 'EM-2 tombstone']);
    expect(JSON.parse(records[0]?.value ?? '')).toMatchObject({
      device: 'EM-2',
      serial: 'S-EM-2',
      removedAt: '2026-11-22T14:00:00.000Z',
      time: '2026-11-22T14:00:00.000Z',
    });
    expect(await announced(one)).toEqual([]);
  });

  it('notices at the start what was removed, renamed or changed while the daemon was off', async () => {
    await announced(both);
    startedAgain();
    expect(await announced(site([{ id: 'EM-1', scale: 0.1 }, { id: 'EM-3' }]))).toEqual([
      'EM-2 removed',
      'EM-2 tombstone',
      'EM-1@',
      'EM-1',
      'EM-3@',
      'EM-3',
    ]);
  });

  it('announces a device that comes back, and a register map only where it was never told', async () => {
    await announced(both);
    await announced(one);
    expect(await announced(both)).toEqual(['EM-2']);
    expect(await announced(site([{ id: 'EM-1' }, { id: 'EM-2', scale: 10 }]))).toEqual(['EM-2@', 'EM-2']);
    expect(await announced(both)).toEqual(['EM-2']);
  });

  it('keeps a device that is switched off, and says so; one that was never on is not told', async () => {
    await announced(both);
    await announcer.announce(site([{ id: 'EM-1' }, { id: 'EM-2', enabled: false }, { id: 'EM-3', enabled: false }]));
    const records = await told();
    expect(short(records)).toEqual(['EM-2']);
    expect(JSON.parse(records[0]?.value ?? '')).toMatchObject({ enabled: false, serial: 'S-EM-2', removedAt: null });
    startedAgain();
    expect(await announced(site([{ id: 'EM-1' }, { id: 'EM-2', enabled: false }]))).toEqual([]);
    expect(await announced(both)).toEqual(['EM-2']);
    expect(await announced(one)).toEqual(['EM-2 removed', 'EM-2 tombstone']);
  });

  it('says everything again to another topic, to other brokers, and after a buffer was lost', async () => {
    const all = ['EM-1@', 'EM-1'];
    await announced(one);
    expect(await announced(site([{ id: 'EM-1' }], { uplink: { file: { path: '/tmp/other.ndjson' } } }))).toEqual(all);
    startedAgain({ buffer: { append: (...entries) => buffer.append(...entries), before: 'none' } });
    expect(await announced(one)).toEqual(all);
  });

  it('does not forget that a buffer was lost when the process ends before it could say everything again', async () => {
    await announced(one);
    startedAgain({ buffer: { append: () => new Promise(() => undefined), before: 'none' } });
    void announcer.announce(one);
    startedAgain();
    expect(await announced(one)).toEqual(['EM-1@', 'EM-1']);
  });

  it('leaves the devices of another gateway id alone', async () => {
    await announced(both);
    startedAgain();
    await announcer.announce(site([{ id: 'EM-1' }], { gateway: 'ps-13' }));
    expect((await told()).map(({ key }) => key.split('@')[0])).toEqual(['ps-13/EM-1', 'ps-13/EM-1']);
    expect(await announced(both)).toEqual([]);
  });

  it('tries again while the buffer takes nothing, with the newest configuration, and says so once', async () => {
    let isFull = true;
    startedAgain({
      buffer: {
        before: 'clean',
        append: (...entries) => (isFull ? Promise.reject(new BufferFull('no room')) : buffer.append(...entries)),
      },
    });
    void announcer.announce(both);
    await clock.advance(150_000);
    const done = announcer.announce(one);
    isFull = false;
    await clock.advance(60_000);
    await done;
    // EM-2 was begun: nobody knows any more that it was never accepted.
    expect(short(await told())).toEqual(['EM-2 removed', 'EM-2 tombstone', 'EM-1@', 'EM-1']);
    expect(warnings).toEqual([expect.stringMatching(/not accepted \(no room\)/)]);
  });

  it('never waits for the state: a disk that does not take it costs a repeat at the next start', async () => {
    startedAgain({
      state: (real) => ({
        ...real,
        announced: (gateway) => real.announced(gateway),
        keep: () => {
          throw new Error('disk full');
        },
      }),
    });
    expect(await announced(one)).toEqual(['EM-1@', 'EM-1']);
    expect(await announced(one)).toEqual([]);
    expect(warnings).toHaveLength(1);
    startedAgain();
    expect(await announced(one)).toEqual(['EM-1@', 'EM-1']);
  });
});

describe('asset metadata when the process ends at the wrong moment', () => {
  /** From the first commit on the state takes nothing, as when the process ends between the two. */
  function endsBehindTheAppend(): void {
    let hasEnded = false;
    startedAgain({
      state: (real) => ({
        announced: (gateway) => real.announced(gateway),
        keep: (...rows) => (hasEnded ? undefined : real.keep(...rows)),
        close: () => undefined,
      }),
      buffer: {
        before: 'clean',
        append: async (...entries) => {
          await buffer.append(...entries);
          hasEnded = true;
        },
      },
    });
  }
  /** What a compacted topic would hold in the end. */
  const fold = (records: readonly OutRecord[]): string[] => {
    const newest = new Map(records.map(({ key, value }) => [key, value]));
    return [...newest].flatMap(([key, value]) =>
      value === null || key.includes('@') ? [] : [`${key} ${(JSON.parse(value) as { serial: string }).serial}`],
    );
  };
  const all: OutRecord[] = [];
  beforeEach(() => void all.splice(0));
  const say = async (config: SiteConfig): Promise<void> => {
    await announcer.announce(config);
    all.push(...(await told()));
  };

  it('tells again what was accepted and not noted', async () => {
    endsBehindTheAppend();
    await say(both);
    startedAgain();
    await say(both);
    expect(short(all)).toEqual(['EM-1@', 'EM-1', 'EM-2@', 'EM-2', 'EM-1@', 'EM-1', 'EM-2@', 'EM-2']);
  });

  it('buries a device that was told, not noted, and is gone at the next start', async () => {
    endsBehindTheAppend();
    await say(both);
    startedAgain();
    await say(one);
    expect(fold(all)).toEqual(['ps-12/EM-1 S-EM-1']);
  });

  it('tells a device again that was buried, not noted as buried, and is back at the next start', async () => {
    await say(both);
    endsBehindTheAppend();
    await say(one);
    startedAgain();
    await say(both);
    expect(fold(all)).toEqual(['ps-12/EM-1 S-EM-1', 'ps-12/EM-2 S-EM-2']);
  });

  it('tells the old state again when a change was told, not noted, and taken back', async () => {
    await say(one);
    endsBehindTheAppend();
    await say(site([{ id: 'EM-1', serial: 'another' }]));
    startedAgain();
    await say(one);
    expect(fold(all)).toEqual(['ps-12/EM-1 S-EM-1']);
  });

  it('tells what was noted as begun and never accepted', async () => {
    startedAgain({ buffer: { append: () => new Promise(() => undefined), before: 'clean' } });
    void announcer.announce(both);
    startedAgain();
    await say(both);
    expect(short(all)).toEqual(['EM-1@', 'EM-1', 'EM-2@', 'EM-2']);
  });
});

describe('units that a server says', () => {
  const plc = (unit?: string): SiteConfig =>
    site([], {
      connections: { plc: { driver: 'opcua', endpoint: 'opc.tcp://10.12.0.5', securityMode: 'Sign' } },
      devices: [
        { id: 'PLC', connection: 'plc', points: [{ name: 'level', unit, nodeId: 'nsu=urn:site:plc;s=Level' }] },
      ],
    });
  const unitsTold = async (): Promise<unknown[]> =>
    (await told()).flatMap(({ key, value }) => {
      if (key !== 'ps-12/PLC') return [];
      const { points } = JSON.parse(String(value)) as { points: { unit: string | null }[] };
      return points.map(({ unit }) => unit);
    });

  it('stand in the record of the device where the configuration is silent, and stay there until the server says another', async () => {
    const said = new SaidUnits();
    const unitOf = said.of.bind(said);
    startedAgain({ unitOf });
    await announcer.announce(plc());
    expect(await unitsTold()).toEqual([null]);
    expect(said.take([{ device: 'PLC', point: 'level', unit: 'm' }])).toBe(true);
    expect(said.take([{ device: 'PLC', point: 'level', unit: 'm' }])).toBe(false);
    await announcer.announce(plc());
    expect(await unitsTold()).toEqual(['m']);
    // Of a new process, before the server was asked.
    const later = new SaidUnits();
    startedAgain({ unitOf: later.of.bind(later) });
    await announcer.announce(plc());
    expect(await unitsTold()).toEqual([]);
    later.take([{ device: 'PLC', point: 'level', unit: 'cm' }]);
    await announcer.announce(plc());
    expect(await unitsTold()).toEqual(['cm']);
    await announcer.announce(plc('mm'));
    expect(await unitsTold()).toEqual(['mm']);
    later.take([{ device: 'PLC', point: 'level', unit: null }]);
    await announcer.announce(plc());
    expect(await unitsTold()).toEqual([null]);
  });
});
