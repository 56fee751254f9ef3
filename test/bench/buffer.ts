import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rounded } from './numbers.ts';
import type { BenchOptions } from './site.ts';

const readings = 200_000;
/** Under strace, which slows every call. */
const tracedReadings = 20_000;
const perCommit = 100;
const ownerProgram = fileURLToPath(new URL('./buffer-owner.ts', import.meta.url));

interface Kept {
  readonly bytesOnDiskEach: number;
  readonly append: { readonly perSecond: number };
  readonly drain: { readonly perSecond: number };
}

/** Keeping readings in frames beside a JSON row each in SQLite: WAL, FULL, a hundred a commit, removed when delivered. */
export async function benchBuffer({ dir }: BenchOptions): Promise<Record<string, object | number>> {
  const figures: Record<string, Kept & { syncsPerCommit: number | null }> = {};
  for (const how of ['frames', 'rows'])
    figures[how] = {
      ...inFolder(
        dir,
        (folder) =>
          JSON.parse(
            execFileSync(process.execPath, [ownerProgram, how, folder, String(readings)], { encoding: 'utf8' }),
          ) as Kept,
      ),
      syncsPerCommit: syncsPerCommit(dir, how),
    };
  const { frames, rows } = figures;
  if (!frames || !rows) throw new Error('nothing was measured');
  return {
    ...figures,
    appendRatio: rounded(frames.append.perSecond / rows.append.perSecond),
    drainRatio: rounded(frames.drain.perSecond / rows.drain.perSecond),
    bytesOnDiskRatio: rounded(rows.bytesOnDiskEach / frames.bytesOnDiskEach),
  };
}

/** fsync and fdatasync of all threads, append and drain together, as the kernel sees them; null: there is no strace. */
function syncsPerCommit(dir: string, how: string): number | null {
  return inFolder(dir, (folder) => {
    const log = join(folder, '..', `${how}.strace`);
    const options = ['-f', '-qq', '-o', log, '-e', 'trace=fsync,fdatasync', '-e', 'signal=none'];
    const owner = [process.execPath, ownerProgram, how, folder, String(tracedReadings)];
    const traced = spawnSync('strace', [...options, ...owner]);
    if (traced.error) return null;
    const calls = readFileSync(log, 'utf8').match(/f(?:data)?sync\(.*= 0$/gm)?.length ?? 0;
    rmSync(log);
    return rounded(calls / (tracedReadings / perCommit));
  });
}

function inFolder<T>(dir: string, work: (folder: string) => T): T {
  const folder = mkdtempSync(join(dir, 'sluice-buffer-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
