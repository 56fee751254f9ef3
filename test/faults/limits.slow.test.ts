import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { acceptedIds, judge } from './checker.ts';
import type { Verdict } from './checker.ts';
import { FileSite } from './file-site.ts';
import { LoopDisk, noLoopDisk } from './loop-disk.ts';

let site: FileSite;
let disk: LoopDisk;
afterEach(async () => {
  await site.remove();
  disk.remove();
});

/** A site whose buffer lies on the small disk. */
async function begin(made: LoopDisk): Promise<void> {
  disk = made;
  const buffer = { commitEvery: '100ms', path: join(disk.path, 'buffer'), maxSize: '8MB' };
  site = await FileSite.start({ buffer, status: { listen: '127.0.0.1:18686' } });
}

const contents = (folder: string): unknown[] =>
  readdirSync(folder).map((name) => [name, statSync(join(folder, name)).size, statSync(join(folder, name)).mtimeMs]);

const verdict = (): Verdict => judge(acceptedIds(site.daemon.tap(), 'ps-12'), site.delivered());

async function polledDuring(ms: number): Promise<number> {
  const before = site.meters.polls(1);
  await sleep(ms);
  return site.meters.polls(1) - before;
}

describe.skipIf(noLoopDisk !== undefined)('a disk filled by a neighbour', () => {
  it('stops no polling and loses nothing accepted; the ballast goes and comes back; all recovers by itself', async () => {
    await begin(LoopDisk.make(24));
    site.daemon.start();
    await site.daemon.logged(/Gateway ps-12 started/);
    await sleep(1_500);
    const ballast = join(disk.path, 'buffer', 'ballast');
    expect(statSync(ballast).size).toBe(160_000);
    disk.fill();
    await site.daemon.logged(/the ballast is given up/);
    expect(existsSync(ballast)).toBe(false);
    disk.fill();
    expect(await polledDuring(3_000)).toBeGreaterThan(20);
    disk.free();
    await sleep(3_000);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    expect(verdict()).toMatchObject({ lost: [], altered: [], disordered: [] });
    expect(verdict().accepted).toBeGreaterThan(60);
  }, 60_000);

  it('is survived where not room but inodes are missing', async () => {
    await begin(LoopDisk.make(24, 16));
    site.daemon.start();
    await site.daemon.logged(/Gateway ps-12 started/);
    await sleep(2_000);
    expect(await polledDuring(2_000)).toBeGreaterThan(10);
    await site.daemon.end('SIGTERM');
    site.daemon.start();
    await sleep(2_000);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    expect(verdict()).toMatchObject({ lost: [], altered: [], disordered: [] });
  }, 60_000);
});

describe.skipIf(noLoopDisk !== undefined)('a file system that turns read-only', () => {
  it('is told and outlived: readings are sent from memory under their own ids, and written down once it is mended', async () => {
    await begin(LoopDisk.make(24));
    site.daemon.start();
    await site.daemon.logged(/Gateway ps-12 started/);
    await sleep(1_500);
    disk.breakDown();
    await site.daemon.logged(/is read-only since/);
    const before = site.delivered().length;
    expect(await polledDuring(3_000)).toBeGreaterThan(20);
    expect(site.delivered().length).toBeGreaterThan(before + 15);
    expect(site.delivered().some(({ value }) => /"possible-loss"/.test(value))).toBe(true);
    const health = await fetch('http://127.0.0.1:18686/healthz');
    expect(health.status).toBe(503);
    expect(await health.text()).toMatch(/read-only/);
    disk.mend();
    await site.daemon.logged(/can be written again/);
    await sleep(2_000);
    expect((await fetch('http://127.0.0.1:18686/healthz')).status).toBe(200);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    expect(readdirSync(join(disk.path, 'buffer')).filter((name) => name.endsWith('-wal'))).toEqual([]);
    const polls = site.delivered().filter(({ value }) => /"point":"polls"/.test(value));
    expect(polls.length).toBeGreaterThan(60);
    expect(verdict()).toMatchObject({ lost: [], altered: [], disordered: [] });
  }, 60_000);

  it('is started on as well: it sends what lies there, then what comes, writes nothing, and begins anew once it can write', async () => {
    await begin(LoopDisk.make(24));
    const away = { kafka: { brokers: ['127.0.0.1:1'] } };
    site.daemon.rewrite({ ...site.config, uplink: away });
    site.daemon.start();
    await site.daemon.logged(/Gateway ps-12 started/);
    await sleep(2_000);
    await site.daemon.end('SIGKILL');
    const before = acceptedIds(site.daemon.tap(), 'ps-12');
    expect(before.length).toBeGreaterThan(20);
    disk.remount('ro');
    const listing = contents(join(disk.path, 'buffer'));
    site.daemon.rewrite(site.config);
    site.daemon.start();
    await site.daemon.logged(/is read-only since/);
    await sleep(2_500);
    // Metadata is announced from memory only when the disk is back.
    const drained = judge(before, site.delivered());
    expect(drained).toMatchObject({ lost: [], altered: [] });
    const fromMemory = site
      .delivered()
      .filter(({ value }) => /"point":"polls"/.test(value) && !/"repeat":true/.test(value));
    expect(fromMemory.length).toBeGreaterThan(15);
    expect(acceptedIds(site.daemon.tap(), 'ps-12')).toHaveLength(before.length);
    expect(contents(join(disk.path, 'buffer'))).toEqual(listing);
    disk.remount('rw');
    await site.daemon.logged(/a new start takes over what lies there/);
    expect(await site.daemon.end('SIGTERM')).toBe(1);
    for (let starts = 0; starts < 2; starts++) {
      site.daemon.start();
      await sleep(3_000);
      expect(await site.daemon.end('SIGTERM')).toBe(0);
    }
    expect(verdict()).toMatchObject({ lost: [], altered: [] });
    expect(site.delivered().filter(({ value }) => /"event":"loss"/.test(value))).toEqual([]);
    // Events bear no mark that would tell a consumer of the older ones that come later.
    const marked = site.delivered().filter(({ value }) => /"repeat":/.test(value));
    expect(judge([], marked).disordered).toEqual([]);
    expect(new Set(site.delivered().map(({ value }) => /ps-12\/(\d+-\w+)\//.exec(value)?.[1])).size).toBe(4);
  }, 60_000);
});

describe.skipIf(noLoopDisk !== undefined)('a process that may open hardly any file', () => {
  it('goes on with those it has, and with all of them when it may again', async () => {
    await begin(LoopDisk.make(24));
    site.daemon.start();
    await site.daemon.logged(/Gateway ps-12 started/);
    await sleep(1_000);
    const open = new Set(readdirSync(`/proc/${site.daemon.pid}/fd`).map(Number));
    const limit = (files: number): unknown =>
      execFileSync('prlimit', ['--pid', String(site.daemon.pid), `--nofile=${files}:4096`]);
    // Not one more: all numbers below the limit are taken.
    let firstFree = 0;
    while (open.has(firstFree)) firstFree += 1;
    limit(firstFree);
    expect(await polledDuring(3_000)).toBeGreaterThan(20);
    limit(1024);
    await sleep(2_000);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    expect(verdict()).toMatchObject({ lost: [], altered: [], disordered: [] });
  }, 60_000);
});
