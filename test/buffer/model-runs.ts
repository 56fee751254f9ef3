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

/** More than there is time for. */
const mostRuns = 2_000;

const { seed, forMs, withDamage } = JSON.parse(process.argv[2] ?? '') as ModelOptions;
const untilMs = performance.now() + forMs;
let runs = 0;
// What was begun comes to its end: fast-check's own limit drops the run that it interrupts, and what was broken in it.
const steps = fc.asyncProperty(stepsOf(40, withDamage), async (one) => {
  if (performance.now() > untilMs) return;
  runs += 1;
  const fault = await new BufferModel().run(one);
  if (fault !== null) throw new Error(fault);
});
const found = await fc.check(steps, {
  seed,
  numRuns: mostRuns,
  endOnFailure: true,
});
const fault = found.failed ? `${String(found.errorInstance)}\n${fc.defaultReportMessage(found) ?? ''}` : null;
// What writers of crashed buffers have open stays open.
process.stdout.write(JSON.stringify({ runs, fault } satisfies ModelSum), () => process.exit());
