import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { laneStats } from '../../buffer/view-lanes.ts';
import { BufferView } from '../../buffer/view.ts';

interface Owned {
  readonly segments: number;
  readonly waiting: number;
  readonly openMs: number;
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

// Time is given room for a machine that does other work; CPU and memory are held against an empty buffer in the same run.
it(
  'ten million readings in a month of segments cost no memory, and no more work than none',
  { timeout: 10 * minutes },
  () => {
    const home = mkdtempSync(join(tmpdir(), 'sluice-backlog-'));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    const folder = join(home, 'month');
    const none = join(home, 'empty');
    for (const one of [folder, none]) mkdirSync(one);
    run('fill-backlog.ts', folder, String(readings), '1000', '14');

    const beganMs = performance.now();
    const view = BufferView.open(folder);
    const lanes = view && laneStats(view).lanes;
    view?.close();
    expect(performance.now() - beganMs).toBeLessThan(4_000);
    expect(lanes?.find(({ stream }) => stream === 'sensor-values')?.waiting).toBe(readings);

    const full = JSON.parse(run('backlog-owner.ts', folder)) as Owned;
    const empty = JSON.parse(run('backlog-owner.ts', none)) as Owned;
    expect(full.waiting).toBe(readings);
    expect(full.segments).toBeGreaterThan(700);
    expect(full.openMs).toBeLessThan(4_000);
    expect(full.appendCpuMicrosEach).toBeLessThan(1.5 * empty.appendCpuMicrosEach);
    // Each old segment brings the descriptors of all points.
    expect(full.drainCpuMicrosEach).toBeLessThan(3 * empty.drainCpuMicrosEach);
    expect(full.peakRssMb).toBeLessThan(empty.peakRssMb + 60);
  },
);

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
