import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { deviceWear } from '../../buffer/wear.ts';
import { rounded } from './numbers.ts';
import type { BenchOptions } from './site.ts';

const readingsPerSecond = 200;
const ownerProgram = fileURLToPath(new URL('./wear-owner.ts', import.meta.url));
const restMs = 5_000;

/**
 * What a day at 200 readings a second writes, by `commitEvery`. `device`: what the whole device took meanwhile, less what others gave it in as long a
 * time just before; only on a quiet machine does it say something.
 */
export async function benchWear({ dir }: BenchOptions): Promise<Record<string, object>> {
  const figures: Record<string, object> = {};
  for (const everySeconds of [1, 5, 30, 60]) {
    const folder = mkdtempSync(join(dir, 'sluice-wear-'));
    try {
      const idle = deviceWear(folder)?.bytes ?? 0;
      await sleep(restMs);
      const idlePerMs = ((deviceWear(folder)?.bytes ?? 0) - idle) / restMs;
      const beganMs = performance.now();
      const found = JSON.parse(
        execFileSync(process.execPath, [ownerProgram, folder, String(readingsPerSecond), String(everySeconds)], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      ) as { commits: number; readings: number; bytes: number; deviceBytes: number | null };
      const others = idlePerMs * (performance.now() - beganMs);
      figures[`commitEvery ${everySeconds}s`] = {
        megabytesPerDay: rounded((found.bytes * 24) / 1e6),
        terabytesPerYear: rounded((found.bytes * 24 * 365) / 1e12),
        bytesPerReading: rounded(found.bytes / found.readings),
        deviceMegabytesPerDay: found.deviceBytes && rounded(((found.deviceBytes - others) * 24) / 1e6),
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return figures;
}
