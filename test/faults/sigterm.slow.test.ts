import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { FileSite } from './file-site.ts';
import { nextStartDelivers } from './next-start.ts';
import { inOrder, stopped } from './stopping.ts';

let site: FileSite;
afterEach(async () => {
  await site.remove();
});

const within = { timeout: 15_000 };
const polls = (): number => site.meters.polls(1);

describe('SIGTERM, in what takes longer', () => {
  it('at any moment of a start ends it in order, or before anything was opened', async () => {
    site = await FileSite.start();
    const startedAt = performance.now();
    site.daemon.start();
    await expect.poll(polls, { ...within, interval: 10 }).toBeGreaterThan(0);
    const startMs = performance.now() - startedAt;
    expect(await stopped(site.daemon)).toEqual(inOrder);
    for (const share of [0.1, 0.4, 0.6, 0.75, 0.9, 1]) {
      const afterMs = Math.round(startMs * share);
      const epochs = site.daemon.tap();
      site.daemon.start();
      await sleep(afterMs);
      const { code, isInTime } = await stopped(site.daemon);
      expect(isInTime, `${afterMs} ms after the start`).toBe(true);
      // Node itself was still being loaded: the signal ends such a process, and nothing was touched.
      if (code === null) expect(site.daemon.tap(), `${afterMs} ms after the start`).toBe(epochs);
      else expect(code, `${afterMs} ms after the start`).toBe(0);
    }
    await nextStartDelivers(site);
  }, 60_000);

  it('while a disk holds the opening of the buffer: cut short, nothing is harmed', async () => {
    site = await FileSite.start();
    site.daemon.start();
    await expect.poll(polls, within).toBeGreaterThan(5);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    const trigger = join(site.folder, 'hang');
    execFileSync('mkfifo', [`${trigger}.fifo`]);
    writeFileSync(trigger, '');
    const NODE_OPTIONS = `--import=${resolve('test/faults/hanging-writer.ts')}`;
    site.daemon.start({ NODE_OPTIONS, HANG_WHEN: trigger, HANG_HOW: 'waits' });
    await sleep(1_500);
    expect(await stopped(site.daemon)).toEqual({ code: null, isInTime: true });
    await nextStartDelivers(site);
  }, 60_000);

  it('with a disk that takes nothing: what was accepted is there at the next start', async () => {
    site = await FileSite.start();
    site.daemon.start();
    await expect.poll(polls, within).toBeGreaterThan(10);
    execFileSync('prlimit', ['--pid', String(site.daemon.pid), '--fsize=4096']);
    await sleep(1_500);
    expect(await stopped(site.daemon)).toEqual(inOrder);
    expect(site.daemon.log).toMatch(/a commit failed, it is tried again/);
    await nextStartDelivers(site, 'unclean');
  }, 60_000);
});
