import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { acceptedIds, judge } from './checker.ts';
import { Daemon } from './daemon.ts';
import { FileSite } from './file-site.ts';

describe('a second daemon on the buffer of another', () => {
  let site: FileSite;
  const elsewhere = mkdtempSync(join(tmpdir(), 'sluice-second-'));
  afterEach(async () => {
    await site.remove();
    rmSync(elsewhere, { recursive: true });
  });

  it('ends with a word and touches nothing: the first goes on, and delivers all that it accepts', async () => {
    site = await FileSite.start();
    site.daemon.start();
    await site.accepted(10);
    const second = new Daemon(elsewhere, { ...site.config, stateDir: join(site.folder, 'state') });
    second.start();
    expect(await second.ended).toBe(1);
    expect(second.log).toMatch(/another sluice process owns this buffer.*"stateDir"/);
    expect(second.tap()).toBe('');
    const before = acceptedIds(site.daemon.tap(), 'ps-12').length;
    await site.accepted(before + 10);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), site.delivered());
    expect(verdict).toMatchObject({ altered: [], disordered: [], repeated: 0 });
    // What was accepted while it stopped lies in the buffer.
    expect(verdict.delivered).toBeGreaterThan(before);
  }, 30_000);
});
