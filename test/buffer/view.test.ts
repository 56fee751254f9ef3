import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { on, once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { streams } from '../../agent/reading.ts';
import type { Kept } from '../../agent/reading.ts';
import { auditDeadLetters, auditSegment } from '../../buffer/view/view-damage.ts';
import { commitsOf } from '../../buffer/view/view-entries.ts';
import { laneStats } from '../../buffer/view/view-lanes.ts';
import { BufferView } from '../../buffer/view/view.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

const flow = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });
const owner = new URL('../support/buffer-owner.ts', import.meta.url).pathname;

let site: BufferFolder;
const views: BufferView[] = [];
beforeEach(() => {
  site = new BufferFolder();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const view of views.splice(0)) view.close();
  await site.remove();
});

function viewed(folder = site.path): BufferView {
  const view = BufferView.open(folder);
  if (view === null) throw new Error('there is no buffer');
  views.push(view);
  return view;
}

/** Two lanes interleaved: odd numbers are meter readings, their value the number. Ten commits of ten, closed in order. */
async function filled(settledThrough = 0): Promise<void> {
  const clock = new FakeClock();
  const buffer = await site.opened({ clock });
  for (let seq = 1; seq <= 100;) {
    const work = [];
    for (const end = seq + 9; seq <= end; seq += 2) {
      clock.wallMs += 1000;
      clock.bootMs += 1000;
      const at = clock.now();
      work.push(buffer.append('meter-readings', [reading({ value: seq, at })]));
      work.push(buffer.append('sensor-values', [reading({ point: flow, value: seq + 1, at })]));
    }
    await Promise.all(work);
  }
  if (settledThrough > 0)
    for (const stream of ['meter-readings', 'sensor-values'] as const) buffer.settle(stream, 1, settledThrough);
  await buffer.close(soon());
}

function entriesOf(view: BufferView): { entry: Kept; isSettled: boolean }[] {
  return view.segments.flatMap((segment) => [...commitsOf(view, segment, streams)].flatMap(({ entries }) => entries));
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** Name and content of everything in the folder, as it is. */
function fingerprint(folder: string): string[] {
  return readdirSync(folder)
    .toSorted()
    .map(
      (name) =>
        `${name} ${createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex')}`,
    );
}

function change(sql: string, file = site.segments()[0] ?? ''): void {
  const db = new Database(join(site.path, file));
  db.exec(sql);
  db.close();
}

describe('looking into a buffer', () => {
  it('finds none where none is, and refuses a folder that is something else', () => {
    expect(BufferView.open(join(site.path, 'not-there'))).toBeNull();
    expect(BufferView.open(site.path)).toBeNull();
    writeFileSync(join(site.path, 'letter.txt'), 'dear');
    expect(() => BufferView.open(site.path)).toThrow(/is no buffer: it holds neither lock.db nor a segment/);
    expect(() => BufferView.open(join(site.path, 'letter.txt'))).toThrow(/letter\.txt is no folder/);
  });

  it('shows every entry in the order of its number, with its value, and what was delivered', async () => {
    await filled(30);
    const found = entriesOf(viewed());
    expect(found.map(({ entry }) => entry.seq)).toEqual(numbers(1, 100));
    expect(found.map(({ entry }) => (entry.form === 'reading' ? entry.value : null))).toEqual(numbers(1, 100));
    expect(found.filter(({ isSettled }) => isSettled).map(({ entry }) => entry.seq)).toEqual(numbers(1, 30));
    expect(found[0]?.entry).toMatchObject({
      stream: 'meter-readings',
      timeMs: Date.parse('2026-11-22T13:00:01Z'),
      repeat: false,
    });
  });

  it('counts lanes exactly, delivered in part too', async () => {
    await filled(33);
    const lanes = (view: BufferView) => laneStats(view).lanes.slice(0, 2);
    expect(lanes(viewed())).toEqual([
      {
        stream: 'meter-readings',
        waiting: 33,
        held: 0,
        settled: 17,
        oldestWaitingMs: Date.parse('2026-11-22T13:00:18Z'),
        newestMs: Date.parse('2026-11-22T13:00:50Z'),
      },
      {
        stream: 'sensor-values',
        waiting: 34,
        held: 0,
        settled: 16,
        oldestWaitingMs: Date.parse('2026-11-22T13:00:17Z'),
        newestMs: Date.parse('2026-11-22T13:00:50Z'),
      },
    ]);
    rmSync(site.path, { recursive: true });
    mkdirSync(site.path);
    await filled(100);
    expect(lanes(viewed())).toMatchObject([
      { waiting: 0, settled: 50, oldestWaitingMs: null },
      { waiting: 0, settled: 50, oldestWaitingMs: null },
    ]);
  });

  it('reads what a kill left, changes no byte of it, and leaves no copy behind', async () => {
    await filled();
    const buffer = await site.opened();
    for (let value = 1; value <= 20; value++) await buffer.append('meter-readings', [reading({ value })]);
    const crashed = site.crashed();
    const before = fingerprint(crashed);
    expect(before.join()).toContain('.db-wal');
    // A folder of its own: others look into buffers at the same time, and their copies lie in the common one.
    const copies = join(site.path, 'copies');
    mkdirSync(copies);
    vi.stubEnv('TMPDIR', copies);
    const view = viewed(crashed);
    expect(entriesOf(view).map(({ entry }) => entry.seq)).toEqual(numbers(1, 120));
    expect(laneStats(view).lanes[0]).toMatchObject({ waiting: 70 });
    expect(view.segments.map((segment) => auditSegment(view, segment))).toMatchObject([
      { entries: 100, damaged: [], missing: null },
      { entries: 20, damaged: [], missing: null },
    ]);
    expect(fingerprint(crashed)).toEqual(before);
    expect(readdirSync(copies)).not.toEqual([]);
    view.close();
    expect(readdirSync(copies)).toEqual([]);
  });

  it('passes over a segment in which nothing was committed yet', async () => {
    await filled();
    writeFileSync(join(site.path, '000000000101-2-aaaaaaaa.db'), '');
    const view = viewed();
    expect(view.unreadable).toEqual([]);
    expect(entriesOf(view)).toHaveLength(100);
  });

  it('sees a whole and growing sequence beside a process that writes, rolls and removes, which notices nothing', async () => {
    const child = spawn(process.execPath, [owner, site.path, '2000000'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = once(child, 'exit');
    let complaints = '';
    child.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
    let onDisk = 0;
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => (onDisk = Math.max(onDisk, Number(line.split(' ').at(-1)))));
    try {
      for await (const _ of on(lines, 'line')) if (onDisk >= 2000) break;
      let through = 0;
      for (let look = 0; look < 25; look++) {
        await new Promise((resolve) => setImmediate(resolve));
        const known = onDisk;
        const view = viewed();
        const seqs = entriesOf(view).map(({ entry }) => entry.seq);
        const first = seqs[0] ?? 0;
        expect(seqs).toEqual(numbers(first, first + seqs.length - 1));
        expect(seqs.at(-1)).toBeGreaterThanOrEqual(Math.max(known, through));
        through = seqs.at(-1) ?? 0;
        view.close();
      }
      const foreign = readdirSync(site.path).filter(
        (name) => !/^(lock\.db|ballast|sealed\.list|\d+-1-[0-9a-z]{8}\.db(-wal|-shm|-journal)?)$/.test(name),
      );
      expect(foreign).toEqual([]);
    } finally {
      child.stdin.end();
    }
    expect(await ended).toEqual([0, null]);
    expect(complaints).toBe('');
    expect((await site.opened()).before).toBe('clean');
  });
});

describe('damage', () => {
  it('to a frame names exactly the numbers that are gone, and the rest is shown', async () => {
    await filled();
    change('UPDATE frames SET body = zeroblob(length(body)) WHERE lane = 0 AND first = 21');
    const view = viewed();
    const [segment] = view.segments;
    if (!segment) throw new Error('no segment');
    const gone = [21, 23, 25, 27, 29];
    expect(entriesOf(view).map(({ entry }) => entry.seq)).toEqual(numbers(1, 100).filter((seq) => !gone.includes(seq)));
    expect(auditSegment(view, segment)).toMatchObject({
      entries: 95,
      damaged: [{ segment: segment.name, table: 'frames', row: 21 }],
      missing: { ranges: gone.map((seq) => ({ first: seq, last: seq })), count: 5, lost: 5, lanes: ['meter-readings'] },
    });
    expect(laneStats(view)).toMatchObject({ lanes: [{ waiting: 50 }, { waiting: 50 }, {}, {}] });
  });

  it('to what was delivered loses nothing', async () => {
    await filled(50);
    change('UPDATE frames SET last = last + 1152921504606846976 WHERE lane = 1 AND first = 2');
    const view = viewed();
    expect(view.segments.map((segment) => auditSegment(view, segment).missing)).toMatchObject([
      { count: 5, lost: 0, lanes: ['sensor-values'] },
    ]);
  });

  it.each([
    ['descriptors', 'UPDATE descriptors SET body = zeroblob(length(body))', 100],
    ['summary', 'UPDATE summary SET count = count + 1 WHERE lane = 0', 0],
    ['slots', 'INSERT OR REPLACE INTO slots VALUES (7, zeroblob(4), 1)', 0],
    ['settlements', 'INSERT INTO settlements (settled, crc) VALUES (zeroblob(4), 1)', 0],
  ])('to a row of %s is found', async (table, sql, lost) => {
    await filled();
    change(sql);
    const view = viewed();
    const found = view.segments.map((segment) => auditSegment(view, segment));
    expect(found.flatMap(({ damaged }) => damaged.map((one) => one.table))).toContain(table);
    expect(found.reduce((sum, { missing }) => sum + (missing?.lost ?? 0), 0)).toBe(lost);
  });

  it('to a page, or a whole file, costs only that segment', async () => {
    await filled();
    await filled();
    const [first = '', second = ''] = site.segments();
    writeFileSync(join(site.path, first), Buffer.alloc(40_000, 0x20));
    const view = viewed();
    expect(view.unreadable).toMatchObject([
      { segment: first.replace('.db', ''), why: expect.stringMatching(/not a database/) },
    ]);
    expect(view.segments.map(({ name }) => `${name}.db`)).toEqual([second]);
    expect(entriesOf(view).map(({ entry }) => entry.seq)).toEqual(numbers(101, 200));
    expect(laneStats(view).unreadable).toHaveLength(1);
  });

  it('to the file behind its head is told as what cannot be read from there on', async () => {
    await filled();
    const [name = ''] = site.segments();
    const bytes = readFileSync(join(site.path, name));
    bytes.fill(0xa5, 4096);
    writeFileSync(join(site.path, name), bytes);
    const view = viewed();
    const told = [...view.unreadable, ...view.segments.flatMap((segment) => auditSegment(view, segment).damaged)];
    expect(told).not.toEqual([]);
  });
});

describe('dead letters', () => {
  it('are listed while their owner runs, damaged ones as such', async () => {
    const buffer = await site.opened();
    await buffer.append('meter-readings', [reading({ value: 1 }), reading({ value: 2 })]);
    const batch = await buffer.next('meter-readings', 0, 10, soon());
    for (const entry of batch.entries)
      await buffer.reject(entry, 'too large', { key: 'ps-12/EM-1', value: `{"seq":${entry.seq}}` });
    const view = viewed();
    expect([...view.deadLetters()]).toMatchObject([
      { seq: 1, stream: 'meter-readings', reason: 'too large', key: 'ps-12/EM-1', value: '{"seq":1}', isSound: true },
      { seq: 2, isSound: true },
    ]);
    expect(auditDeadLetters(view)).toEqual([]);
    await buffer.close(soon());
    change("UPDATE letters SET reason = 'too small' WHERE seq = 2", 'dead-letters.db');
    const later = viewed();
    expect([...later.deadLetters()].map(({ isSound }) => isSound)).toEqual([true, false]);
    expect(auditDeadLetters(later)).toMatchObject([{ segment: 'dead-letters', table: 'letters', row: 2 }]);
  });

  it('whose file is ruined are told, and harm nothing else', async () => {
    await filled();
    writeFileSync(join(site.path, 'dead-letters.db'), 'x'.repeat(5000));
    expect(auditDeadLetters(viewed())).toMatchObject([
      { segment: 'dead-letters', row: null, why: expect.stringMatching(/not a database/) },
    ]);
  });
});
