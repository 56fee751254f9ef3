import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ModelOptions, ModelSum } from './model-runs.ts';

const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 2 ** 31);
const eachMs = Number(process.env['SLUICE_MODEL_MS'] ?? 90_000);
/** Of one process: each crash leaves behind what its writer had open. */
const sliceMs = Math.min(eachMs, 15_000);

const modelRuns = fileURLToPath(new URL('model-runs.ts', import.meta.url));
const run = promisify(execFile);

describe(`the buffer beside a plain list, seed ${seed}`, () => {
  it.for([
    { what: 'restarts, crashes, failing commits and quotas', withDamage: false },
    { what: 'files damaged while it is stopped, too', withDamage: true },
  ])('loses, alters and repeats nothing without a word: $what', { timeout: 4 * eachMs }, async ({ withDamage }) => {
    let runs = 0;
    for (let slice = 0; slice * sliceMs < eachMs; slice++) {
      const options: ModelOptions = { seed: seed + slice, forMs: sliceMs, withDamage };
      const { stdout } = await run(process.execPath, [modelRuns, JSON.stringify(options)]);
      const sum = JSON.parse(stdout) as ModelSum;
      expect(sum.fault).toBeNull();
      runs += sum.runs;
    }
    console.log(`${runs} runs`);
    expect(runs).toBeGreaterThan(eachMs / 5_000);
  });
});
