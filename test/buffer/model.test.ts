import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stepsOf } from './model-steps.ts';
import { BufferModel } from './model.ts';

describe('the buffer beside a plain list', () => {
  it('gives what was accepted, unaltered, in order, and tells what is missing, whatever happens to it', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOf(14, true), async (steps) => {
        expect(await new BufferModel().run(steps)).toBeNull();
      }),
      { numRuns: 2, endOnFailure: true },
    );
  }, 60_000);
});
