import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { laneStats } from '../../buffer/view/view-lanes.ts';
import { BufferView } from '../../buffer/view/view.ts';
import { segmentsOpened } from '../support/segments-opened.ts';
import { noShim } from '../torture/shim.ts';

interface Owned {
  readonly segments: number;
  readonly waiting: number;
  readonly openCpuMs: number;
  readonly appendCpuMicrosEach: number;
  readonly drainCpuMicrosEach: number;
  readonly peakRssMb: number;
}

const minutes = 60_000;
const readings = 10_000_000;

/** A program of the bench, in a process of its own. */
function run(program: string, ...args: readonly string[]): string {
  const file = fileURLToPath(new URL(`../bench/${program}`, import.meta.url));
  return execFileSync(process.execPath, ['--max-semi-space-size=4', file, ...args], { encoding: 'utf8' });
}

// Nothing of it is a matter of the machine's speed: what is opened is counted, CPU and memory are held against an empty buffer in the same run.
it.skipIf(noShim !== undefined)(
  'ten million readings in a month of segments cost no memory, and no more work than none',
  { timeout: 10 * minutes },
  () => {
    const home = mkdtempSync(join(tmpdir(), 'sluice-backlog-'));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    const folder = join(home, 'month');
    const none = join(home, 'empty');
    for (const one of [folder, none]) mkdirSync(one);
    run('fill-backlog.ts', folder, String(readings), '1000', '14');

    const [newest, oldest] = [segmentNames(folder).at(-1), segmentNames(folder).at(0)];
    const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
    expect(segmentsOpened(folder, [main, 'buffer', 'stats', '--folder', folder])).toEqual([newest, oldest]);
    const store = fileURLToPath(new URL('../support/open-store.ts', import.meta.url));
    expect(segmentsOpened(folder, [store, folder])).toEqual([newest]);
    const view = BufferView.open(folder, { isQuick: true });
    const lanes = view && laneStats(view).lanes;
    view?.close();
    expect(lanes?.find(({ stream }) => stream === 'sensor-values')?.waiting).toBe(readings);

    const full = JSON.parse(run('backlog-owner.ts', folder)) as Owned;
    const empty = JSON.parse(run('backlog-owner.ts', none)) as Owned;
    expect(full.waiting).toBe(readings);
    expect(full.segments).toBeGreaterThan(700);
    expect(full.openCpuMs).toBeLessThan(2 * empty.openCpuMs);
    expect(full.appendCpuMicrosEach).toBeLessThan(1.5 * empty.appendCpuMicrosEach);
    // Each old segment brings the descriptors of all points.
    expect(full.drainCpuMicrosEach).toBeLessThan(3 * empty.drainCpuMicrosEach);
    expect(full.peakRssMb).toBeLessThan(empty.peakRssMb + 60);
  },
);

function segmentNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^\d{12}-[^/]*\.db$/.test(name))
    .toSorted();
}

// The frames behind the newest packed slots are looked through at a start: 600 commits, however large.
it(
  'a start behind commits of a thousand readings needs no memory for all of them at once',
  { timeout: 5 * minutes },
  () => {
    const home = mkdtempSync(join(tmpdir(), 'sluice-backlog-'));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    const flood = fileURLToPath(new URL('../torture/flood.ts', import.meta.url));
    const heap = ['--max-old-space-size=64', '--max-semi-space-size=4'];
    const said = execFileSync(process.execPath, [...heap, flood, home, '1000000', 'outage'], { encoding: 'utf8' });
    expect(JSON.parse(said.trim().split('\n').at(-1) ?? '')).toMatchObject({ appended: 1_000_000, sent: 1_000_000 });
  },
);
