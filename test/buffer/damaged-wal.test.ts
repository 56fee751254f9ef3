import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../agent/reading.ts';
import { streams } from '../../agent/reading.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { SegmentFile } from '../../buffer/segments/segment.ts';
import { Store } from '../../buffer/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { run } from '../support/command-line.ts';
import { pointInfo, reading } from '../support/readings.ts';

const sensor = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });
const accepted = 120;
const maxBytes = 64_000_000;

let folder: string;
let owner: Store;
/** Files beside each other as they were when the last commit had returned, and some commits earlier. */
let left: string;
let oldShm: Buffer;
let name = '';
const made: string[] = [];

/** Twenty commits of both lanes, three entries each. No thread, so that many starts take little time. */
beforeAll(() => {
  folder = newFolder();
  owner = new Store({ path: folder, maxBytes }, () => undefined);
  const encoder = new FrameEncoder();
  const clock = new FakeClock();
  for (let seq = 1; seq < accepted; seq += 6) {
    clock.wallMs += 1000;
    const at = clock.now();
    const numbered = (from: number, some: object) =>
      [from, from + 1, from + 2].map((one) => ({ seq: one, entry: reading({ at, value: one, ...some }) }));
    const frames = [
      encoder.encode(at, 'meter-readings', numbered(seq, {})),
      encoder.encode(at, 'sensor-values', numbered(seq + 3, { point: sensor })),
    ];
    const described = encoder.takeDescribed();
    owner.commit({ frames, described, slots: null, dating: [], maxBytes: null, drops: [], heard: 0 });
    name = readdirSync(folder).find((file) => /^\d{12}-.*\.db$/.test(file)) ?? '';
    if (seq < accepted / 2) oldShm = readFileSync(join(folder, `${name}-shm`));
  }
  left = newFolder();
  cpSync(folder, left, { recursive: true });
});
afterAll(() => {
  owner.close([]);
  for (const one of made) rmSync(one, { recursive: true, force: true });
});

function newFolder(): string {
  const made_ = mkdtempSync(join(tmpdir(), 'sluice-wal-'));
  made.push(made_);
  return made_;
}

interface Started {
  readonly path: string;
  readonly events: GatewayEvent[];
  /** Numbers that are neither given nor told. */
  readonly silent: number[];
  readonly given: number;
  readonly nextSeq: number;
}

/** Starts beside what a kill left, after `harm` was done to it, and reads everything. */
function started(harm: (segment: string) => void): Started {
  const path = newFolder();
  cpSync(left, path, { recursive: true });
  harm(join(path, name));
  const events: GatewayEvent[] = [];
  const store = new Store({ path, maxBytes }, (event) => events.push(event));
  const { nextSeq } = store.opened();
  const known = new Set<number>();
  for (const lane of streams.keys())
    for (const { first, last } of store.read({ lane, after: 0, most: 1_000_000, before: null, known: new Map() })
      .frames)
      for (let seq = first; seq <= last; seq++) known.add(seq);
  const given = known.size;
  for (const { event, facts } of events)
    if (event === 'loss' || event === 'possible-loss')
      for (let seq = Number(facts?.['firstSeq']); seq <= Number(facts?.['lastSeq'] ?? accepted); seq++) known.add(seq);
  store.close([]);
  const silent = Array.from({ length: accepted }, (_, at) => at + 1).filter((seq) => !known.has(seq));
  return { path, events, silent, given, nextSeq };
}

/** Of a start that keeps its events. */
function possibleLosses(path: string): GatewayEvent[] {
  const events: GatewayEvent[] = [];
  const store = new Store({ path, maxBytes }, (event) => events.push(event));
  const { nextSeq } = store.opened();
  const at = new FakeClock().now();
  const frame = new FrameEncoder().encode(at, 'gateway-events', [
    { seq: nextSeq, entry: { at, key: 'k', json: '{}' } },
  ]);
  const heard = events.length;
  store.commit({ frames: [frame], described: [], slots: null, dating: [], maxBytes: null, drops: [], heard });
  const killedThere = newFolder();
  cpSync(path, killedThere, { recursive: true });
  store.close([]);
  rmSync(path, { recursive: true });
  cpSync(killedThere, path, { recursive: true });
  return events.filter(({ event }) => event === 'possible-loss');
}

const flipped =
  (at: number, ...without: string[]) =>
  (segment: string): void => {
    const bytes = readFileSync(`${segment}-wal`);
    bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
    writeFileSync(`${segment}-wal`, bytes);
    for (const tail of without) rmSync(segment + tail);
  };

const zeroed =
  (at: number, count: number, ...without: string[]) =>
  (segment: string): void => {
    const bytes = readFileSync(`${segment}-wal`);
    bytes.fill(0, at - (at % 512), at - (at % 512) + count);
    writeFileSync(`${segment}-wal`, bytes);
    for (const tail of without) rmSync(segment + tail);
  };

const walBytes = (): number => readFileSync(join(left, `${name}-wal`)).length;

/** Seeded: a failing place can be made again. */
function places(count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * walBytes());
  });
}

it('what a kill left is given whole, and nothing is told', () => {
  expect(started(() => undefined)).toMatchObject({ events: [], silent: [], given: accepted });
  expect(started((segment) => rmSync(`${segment}-shm`))).toMatchObject({ events: [], given: accepted });
  expect(started((segment) => writeFileSync(`${segment}-shm`, oldShm))).toMatchObject({ events: [], given: accepted });
});

it('a sealing that was cut short behind its summary is told by nobody: all is there', () => {
  const { events, given } = started((segment) => {
    const sealed = SegmentFile.open(segment);
    const { lanes } = sealed.index();
    sealed.seal(
      lanes.map((frames) => ({
        first: frames[0]?.first ?? 0,
        last: frames.at(-1)?.last ?? 0,
        count: frames.reduce((sum, { count }) => sum + count, 0),
      })),
    );
    sealed.close();
    const db = new Database(segment);
    db.pragma('journal_mode = WAL');
    db.close();
    expect(existsSync(`${segment}-wal`)).toBe(false);
  });
  expect({ events, given }).toEqual({ events: [], given: accepted });
});

describe('damage to a WAL', () => {
  it.each([5_000, 20_000, 100_000])(
    'at %i is told by the next start where a kill kept the first from it, once',
    (at) => {
      const path = newFolder();
      cpSync(left, path, { recursive: true });
      flipped(at, '-shm')(join(path, name));
      const first: GatewayEvent[] = [];
      const killed = new Store({ path, maxBytes }, (event) => first.push(event));
      killed.opened();
      const killedThere = newFolder();
      cpSync(path, killedThere, { recursive: true });
      killed.close([]);
      const told = first.filter(({ event }) => event === 'possible-loss');
      expect(told).toHaveLength(1);
      expect(possibleLosses(killedThere)).toEqual(told);
      expect(possibleLosses(killedThere)).toEqual([]);
    },
  );

  it('ends no start, and what is not given is told, wherever a byte was changed', () => {
    for (const at of [0, 12, 20, 30, ...places(20, 7)])
      for (const harm of [flipped(at), flipped(at, '-shm')]) {
        const { silent, given, events } = started(harm);
        expect({ at, silent }).toEqual({ at, silent: [] });
        expect(given).toBeLessThan(accepted);
        expect(events.map(({ event }) => event)).toContain('possible-loss');
      }
  });

  it('ends no start, and what is not given is told, wherever sectors read as zeros', () => {
    for (const at of [0, 4096, ...places(20, 11)])
      for (const bytes of [512, 8192])
        for (const without of [[], ['-shm']]) {
          const { silent, given, events } = started(zeroed(at, bytes, ...without));
          expect({ at, bytes, without, silent }).toEqual({ at, bytes, without, silent: [] });
          if (given < accepted) expect(events.map(({ event }) => event)).toContain('possible-loss');
        }
  });

  it.each<[string, (segment: string) => void]>([
    ['cut short', (segment) => truncateSync(`${segment}-wal`, 60_000)],
    ['emptied', (segment) => truncateSync(`${segment}-wal`, 0)],
    ['removed', (segment) => rmSync(`${segment}-wal`)],
    ['removed with its index', (segment) => [`${segment}-wal`, `${segment}-shm`].forEach((file) => rmSync(file))],
    [
      'changed beside an old index',
      (segment) => {
        writeFileSync(`${segment}-shm`, oldShm);
        flipped(100_000)(segment);
      },
    ],
  ])('that was %s is told', (_, harm) => {
    const { silent, given, events } = started(harm);
    expect(silent).toEqual([]);
    expect(given).toBeLessThan(accepted);
    expect(events.map(({ event }) => event)).toContain('possible-loss');
  });

  it('is told with its bounds, and the files as they were are kept for people', () => {
    const { path, events, given } = started(flipped(100_000));
    expect(given).toBeGreaterThan(0);
    const segment = name.replace('.db', '');
    const facts = {
      segment,
      firstSeq: given + 1,
      lastSeq: null,
      notBefore: expect.stringMatching(/^2026-11-22T13:00/),
    };
    expect(events).toMatchObject([
      { event: 'quarantine', facts: { segment } },
      { event: 'possible-loss', severity: 'error', facts },
    ]);
    expect(Number(events[1]?.facts?.['unreadableWalFrames'])).toBeGreaterThan(0);
    const harmed = newFolder();
    cpSync(left, harmed, { recursive: true });
    flipped(100_000)(join(harmed, name));
    for (const tail of ['', '-wal'])
      expect(readFileSync(join(path, 'quarantine', name + tail))).toEqual(readFileSync(join(harmed, name + tail)));
    // No commit held it when the buffer was closed.
    expect(possibleLosses(path)).toHaveLength(1);
    expect(possibleLosses(path)).toEqual([]);
  });

  it('that leaves nothing readable is told, and the segment is not taken for an empty one', () => {
    const { path, events, given } = started(flipped(5000));
    expect(given).toBe(0);
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'possible-loss', facts: expect.objectContaining({ firstSeq: 1 }) }),
    );
    expect(existsSync(join(path, 'quarantine', `${name}-wal`))).toBe(true);
  });

  it.each([5000, 100_000])('at %i is told and ends no start where no copy can be kept', (at) => {
    const { events, silent } = started((segment) => {
      writeFileSync(join(segment, '..', 'quarantine'), 'no folder');
      flipped(at)(segment);
    });
    expect(silent).toEqual([]);
    expect(events).toMatchObject([{ event: 'possible-loss', message: expect.stringMatching(/No copy could be kept/) }]);
  });

  it.each([5000, 20_000, 100_000])('at %i is seen by whoever looks into the buffer', async (at) => {
    const path = newFolder();
    cpSync(left, path, { recursive: true });
    expect((await run('buffer', 'verify', '--folder', path)).stdout).toMatch(/120 entries: all sound/);
    flipped(at)(join(path, name));
    for (const command of ['verify', 'stats', 'show']) {
      const { code, stdout, stderr } = await run('buffer', command, '--folder', path);
      expect(`${stdout}${stderr}`).toMatch(
        /of its WAL's \d+ frames the last \d+ cannot be read: entries that were accep/,
      );
      expect(code).toBe(1);
    }
    const { damaged, ok } = JSON.parse((await run('buffer', 'verify', '--json', '--folder', path)).stdout) as {
      damaged: object[];
      ok: boolean;
    };
    expect(ok).toBe(false);
    expect(damaged).toContainEqual(expect.objectContaining({ segment: name.replace('.db', ''), table: 'WAL' }));
  });
});
