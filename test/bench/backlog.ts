import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { rounded } from './numbers.ts';
import { figuresOf } from './process-figures.ts';
import type { BenchOptions } from './site.ts';

const readings = 10_000_000;
const lookMs = 50;
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const main = here('../../dist/agent/main.js');

/** How the ten million came to lie there. `perHour`: commits after which a segment was an hour old; 0: all within the hour. */
const shapes = {
  empty: { count: 0, perCommit: 1, perHour: 0 },
  withinAnHour: { count: readings, perCommit: 1000, perHour: 0 },
  inAMonth: { count: readings, perCommit: 1000, perHour: 14 },
  inThreeMonths: { count: readings, perCommit: 250, perHour: 20 },
} as const;

/** Start, append, drain and memory of a buffer with ten million readings beside an empty one, and what looking into it takes. */
export async function benchBacklog({ dir }: BenchOptions): Promise<Record<string, object>> {
  const figures: Record<string, object> = {};
  for (const [name, { count, perCommit, perHour }] of Object.entries(shapes)) {
    const folder = mkdtempSync(join(dir, 'sluice-backlog-'));
    try {
      if (count > 0) run('./fill-backlog.ts', folder, String(count), String(perCommit), String(perHour));
      const stats = count > 0 ? await looked(['buffer', 'stats', '--json', '--folder', folder]) : null;
      const shown =
        name === 'inAMonth'
          ? await looked(['buffer', 'show', '--json', '--limit', '3000000', '--folder', folder])
          : null;
      const owner = JSON.parse(run('./backlog-owner.ts', folder)) as object;
      figures[name] = {
        ...owner,
        ...(stats && { statsMs: stats.tookMs, statsPeakRssMb: stats.peakRssMb }),
        ...(shown && { show3MillionMs: shown.tookMs, show3MillionPeakRssMb: shown.peakRssMb }),
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return figures;
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(process.execPath, ['--max-semi-space-size=4', here(program), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** The command as it is shipped, its output thrown away. */
async function looked(args: readonly string[]): Promise<{ tookMs: number; peakRssMb: number }> {
  const beganMs = performance.now();
  const command = spawn(process.execPath, ['--max-semi-space-size=4', main, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = (once(command, 'exit') as Promise<[number | null]>).then(([code]) => ({
    code,
    tookMs: rounded(performance.now() - beganMs),
  }));
  let peakRssMb = 0;
  for (;;) {
    const end = await Promise.race([ended, sleep(lookMs)]);
    if (end?.code === 0) return { tookMs: end.tookMs, peakRssMb: rounded(peakRssMb) };
    if (end) throw new Error(`sluice ${args.join(' ')} ended with ${end.code}`);
    peakRssMb = Math.max(peakRssMb, peakOf(command.pid ?? 0));
  }
}

/** 0 where it ended a moment ago. */
function peakOf(pid: number): number {
  try {
    return figuresOf(pid).peakRssMb;
  } catch {
    return 0;
  }
}
