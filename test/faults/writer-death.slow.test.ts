import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { acceptedIds, judge } from './checker.ts';
import { FileSite } from './file-site.ts';

describe("the buffer's writer thread dies", () => {
  let site: FileSite;

  afterEach(() => site.remove());

  // By an error the daemon ends in order; an abort in native code takes the process along.
  it.each([
    ['throws', 1, /writer thread died/],
    ['aborts', null, /./],
  ] as const)('(%s): the daemon ends, a start goes on, and nothing accepted is lost', async (how, code, log) => {
    site = await FileSite.start();
    const trigger = join(site.folder, 'die');
    site.daemon.start({
      NODE_OPTIONS: `--import=${resolve('test/faults/hanging-writer.ts')}`,
      HANG_WHEN: trigger,
      HANG_HOW: how,
    });
    await site.accepted(10);
    writeFileSync(trigger, '');
    expect(await site.daemon.ended).toBe(code);
    expect(site.daemon.log).toMatch(log);
    const before = acceptedIds(site.daemon.tap(), 'ps-12').length;
    const restartedAt = performance.now();
    site.daemon.start();
    await site.accepted(before + 1);
    expect(performance.now() - restartedAt).toBeLessThan(5_000);
    await sleep(2_000);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), site.delivered());
    expect(verdict).toMatchObject({ lost: [], altered: [], disordered: [] });
  });
});
