import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { below, randomFrom } from '../torture/random.ts';
import { noShim, Shim } from '../torture/shim.ts';
import { acceptedIds, judge } from './checker.ts';
import { FileSite } from './file-site.ts';

const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
const someMinutes = 400_000;

describe.skipIf(noShim !== undefined)('a daemon on a disk', () => {
  let site: FileSite;
  let shim: Shim;

  beforeEach(async () => {
    console.log(`SLUICE_SEED=${seed}`);
    site = await FileSite.start();
    const folder = join(site.folder, 'state');
    mkdirSync(folder);
    shim = new Shim({ folder, seed });
  });

  afterEach(async () => {
    await site.remove();
    shim.remove();
  });

  const countAccepted = (): number => acceptedIds(site.daemon.tap(), 'ps-12').length;

  /** Of what the daemon, which has ended, accepted. */
  async function expectNothingLost(): Promise<void> {
    shim.setRules([]);
    const accepted = acceptedIds(site.daemon.tap(), 'ps-12');
    site.daemon.start();
    await site.accepted(accepted.length + 10);
    await sleep(3_000);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    const verdict = judge(accepted, site.delivered());
    expect(verdict).toMatchObject({ lost: [], altered: [], disordered: [] });
    expect(verdict.accepted).toBeGreaterThan(100);
  }

  it(
    'that fails writes and syncs, once, now and then, for a while: polls go on, it recovers by itself, nothing accepted is lost',
    async () => {
      // Nobody takes anything, or what was only in memory would count as kept.
      site.daemon.rewrite({ ...site.config, uplink: { kafka: { brokers: ['127.0.0.1:1'] } } });
      site.daemon.start(shim.env);
      await site.accepted(10);
      for (const rules of [
        ['sync *-wal nth=2 EIO'],
        ['write *-wal nth=5 EIO'],
        ['sync * p=0.05 EIO', 'write * p=0.01 EIO'],
        ['truncate,rename,unlink * p=0.3 EIO', 'create * p=0.1 EIO'],
        ['write,sync * always EIO'],
        ['write,create * always EROFS'],
        ['write *-wal p=0.2 short', 'write * p=0.1 ENOSPC'],
        ['open,create,look * p=0.3 EMFILE'],
      ]) {
        const before = { polls: site.meters.polls(1), accepted: countAccepted() };
        console.log(rules.join(', '));
        shim.setRules(rules);
        await sleep(4_000);
        expect(site.meters.polls(1) - before.polls).toBeGreaterThan(20);
        shim.setRules([]);
        const wellAt = performance.now();
        const during = countAccepted();
        await site.accepted(during + 10);
        expect(performance.now() - wellAt).toBeLessThan(20_000);
      }
      expect(site.daemon.log).toMatch(/a commit failed, it is tried again/);
      await site.daemon.end('SIGKILL');
      site.daemon.rewrite(site.config);
      await expectNothingLost();
    },
    someMinutes,
  );

  it(
    'that takes up to seconds to sync: polls are as punctual as before, and memory stays',
    // Whatever else runs on these cores may delay one of the two.
    { timeout: someMinutes, retry: 2 },
    async () => {
      site.daemon.start(shim.env);
      await site.accepted(10);
      const from = Date.now();
      await sleep(10_000);
      const memoryBefore = residentMb(site.daemon.pid ?? 0);
      const slowFrom = Date.now();
      shim.setRules(['sync * always delay=50..3000']);
      await sleep(20_000);
      const slowTo = Date.now();
      expect(residentMb(site.daemon.pid ?? 0) - memoryBefore).toBeLessThan(40);
      shim.setRules([]);
      await sleep(3_000);
      expect(await site.daemon.end('SIGTERM')).toBe(0);
      await expectNothingLost();
      const [quick, slow] = [lateness(from, slowFrom), lateness(slowFrom, slowTo)];
      console.log({ quick, slow });
      expect(slow.polls).toBeGreaterThan(150);
      // A poll that waited for the disk would be late by seconds; a busy machine makes one late by less.
      expect(slow.p99Ms).toBeLessThan(quick.p99Ms + 250);
    },
  );

  it(
    'is killed at 40 of its calls: every start goes on, nothing accepted is lost',
    async () => {
      const random = randomFrom(seed);
      for (let kill = 0; kill < 40; kill++) {
        const at = 1 + below(10 ** (1.4 + random() * 1.4), random);
        shim.setRules([`* * nth=${at} exit`]);
        site.daemon.start(shim.env);
        const code = await Promise.race([site.daemon.ended, sleep(10_000, 'runs on')]);
        if (code === 'runs on') await site.daemon.end('SIGKILL');
        else expect(code, `at call ${at}\n${site.daemon.log.slice(-2_000)}`).toBe(137);
      }
      shim.setRules([]);
      const before = countAccepted();
      const startedAt = performance.now();
      site.daemon.start(shim.env);
      await site.accepted(before + 1);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      await site.daemon.end('SIGKILL');
      await expectNothingLost();
    },
    someMinutes,
  );

  /** How late after its instant (every 100 ms) the answers of a span came. */
  function lateness(fromMs: number, toMs: number): { readonly polls: number; readonly p99Ms: number } {
    const late = site
      .delivered()
      .map(({ value }) => JSON.parse(value) as { readonly point?: string; readonly time?: string })
      .filter(({ point }) => point === 'polls')
      .map(({ time }) => Date.parse(time ?? ''))
      .filter((timeMs) => timeMs >= fromMs && timeMs < toMs)
      .map((timeMs) => timeMs % 100)
      .toSorted((a, b) => a - b);
    return { polls: late.length, p99Ms: late[Math.floor(late.length * 0.99)] ?? Infinity };
  }
});

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
