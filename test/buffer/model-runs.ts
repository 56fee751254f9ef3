/**
 * Runs the buffer beside its model for a while: `model-runs.ts OPTIONS` (JSON, below). One JSON value on standard output.
 */
import fc from 'fast-check';
import { stepsOf } from './model-steps.ts';
import { BufferModel } from './model.ts';

export interface ModelOptions {
  readonly seed: number;
  readonly forMs: number;
  readonly withDamage: boolean;
}

export interface ModelSum {
  readonly runs: number;
  /** With the seed and the path that repeat it; null: nothing was broken. */
  readonly fault: string | null;
}

const { seed, forMs, withDamage } = JSON.parse(process.argv[2] ?? '') as ModelOptions;
const steps = fc.asyncProperty(stepsOf(40, withDamage), async (one) => {
  const fault = await new BufferModel().run(one);
  if (fault !== null) throw new Error(fault);
});
const found = await fc.check(steps, {
  seed,
  numRuns: 100_000,
  interruptAfterTimeLimit: forMs,
  endOnFailure: true,
});
const fault = found.failed ? `${String(found.errorInstance)}\n${fc.defaultReportMessage(found) ?? ''}` : null;
// Writers of crashed buffers are still there: what plays their threads cannot end them.
process.stdout.write(JSON.stringify({ runs: found.numRuns, fault } satisfies ModelSum), () => process.exit());
