import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stepsOf } from './model-steps.ts';
import { BufferModel } from './model.ts';

const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 2 ** 31);
const eachMs = Number(process.env['SLUICE_MODEL_MS'] ?? 90_000);

describe(`the buffer beside a plain list, seed ${seed}`, () => {
  it.for([
    { what: 'restarts, crashes, failing commits and quotas', withDamage: false },
    { what: 'files damaged while it is stopped, too', withDamage: true },
  ])('loses, alters and repeats nothing without a word: $what', { timeout: 4 * eachMs }, async ({ withDamage }) => {
    await fc.assert(
      fc.asyncProperty(stepsOf(40, withDamage), async (steps) => {
        expect(await new BufferModel().run(steps)).toBeNull();
      }),
      { seed, numRuns: 10_000, interruptAfterTimeLimit: eachMs, endOnFailure: true },
    );
  });
});
