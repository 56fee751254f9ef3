import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { noKafka } from '../support/kafka.ts';

const demo = join(import.meta.dirname, '../../deploy/demo/demo.ts');

describe.skipIf(noKafka !== undefined)(`the demo${noKafka === undefined ? '' : ` (skipped: ${noKafka})`}`, () => {
  it('loses nothing through a stop of the broker', async () => {
    const run = promisify(execFile)(process.execPath, [demo, '--seconds', '12', '--outage', '4-8']);
    const { stdout } = await run;
    expect(run.child.exitCode).toBe(0);
    expect(stdout).toContain('OUTAGE: the broker is stopped');
    expect(stdout).toMatch(/^lost 0, all counts agree$/m);
    const counts = /^meter-readings +(\d+) +(\d+) +\d+ +0 +(\d+)$/m.exec(stdout)?.slice(1) ?? [];
    expect(Number(counts[0])).toBeGreaterThanOrEqual(16);
    expect(new Set(counts).size).toBe(1);
  }, 120_000);
});
