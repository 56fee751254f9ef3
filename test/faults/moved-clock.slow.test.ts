import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { movedTime } from '../support/moved-time.ts';
import { missingTool } from '../support/tools.ts';
import { acceptedIds, judge } from './checker.ts';
import { FileSite } from './file-site.ts';

interface Sent {
  readonly id: string;
  readonly point?: string | null;
  readonly value: number | null;
  readonly status: string;
  readonly time: string;
  readonly clock: string;
  readonly slot: string | null;
  readonly repeat: boolean;
  readonly event?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

const missing = missingTool('faketime');
const kills = 6;

/**
 * A daemon whose wall clock is moved under it (libfaketime), and a `timedatectl` that says what the test wants. The meter counts its polls; when each
 * was served is noted here, on a clock that nobody moves.
 */
describe.skipIf(missing !== undefined)(
  'a daemon whose clock is an hour behind, killed before and after it is set',
  () => {
    let site: FileSite;
    let sent: Sent[];
    let heldWhileWrong: number;
    /** By poll number: it was served between these times. */
    const served = new Map<number, readonly [number, number]>();
    let pause: readonly [number, number];

    beforeAll(async () => {
      site = await FileSite.start({ clock: { source: 'timedatectl' } });
      const bin = join(site.folder, 'bin');
      mkdirSync(bin);
      const [answer, moved] = [join(site.folder, 'answer'), join(site.folder, 'moved')];
      writeFileSync(join(bin, 'timedatectl'), `#!/bin/sh\ncat ${answer}\n`);
      chmodSync(join(bin, 'timedatectl'), 0o755);
      const { FAKETIME: _, ...faked } = movedTime('-1h');
      const env = {
        ...faked,
        FAKETIME_TIMESTAMP_FILE: moved,
        FAKETIME_NO_CACHE: '1',
        PATH: `${bin}:${process.env['PATH'] ?? ''}`,
      } as Record<string, string>;
      writeFileSync(moved, '-1h\n');
      writeFileSync(answer, 'NTP=yes\nNTPSynchronized=no\n');
      let at = Date.now();
      const watching = setInterval(() => {
        const now = Date.now();
        for (const polls = site.meters.polls(1); served.size < polls;) served.set(served.size + 1, [at, now]);
        at = now;
      }, 5);
      const more = (count: number): Promise<void> =>
        site.accepted(acceptedIds(site.daemon.tap(), 'ps-12').length + count);
      for (let kill = 0; kill < kills; kill++) {
        site.daemon.start(env);
        await more(12);
        if (kill % 2 === 1) await site.daemon.nextCommitBegins();
        await site.daemon.end('SIGKILL');
      }
      site.daemon.start(env);
      await more(12);
      heldWhileWrong = readings().length;
      writeFileSync(moved, '+0\n');
      writeFileSync(answer, 'NTP=yes\nNTPSynchronized=yes\n');
      await site.daemon.logged(/is right now/);
      for (let kill = 0; kill < kills; kill++) {
        await sleep(kill * 50);
        await site.daemon.end('SIGKILL');
        site.daemon.start(env);
        await more(1);
      }
      await more(30);
      const { pid = 0 } = site.daemon;
      process.kill(pid, 'SIGSTOP');
      const stoppedAt = Date.now();
      await sleep(4_000);
      pause = [stoppedAt, Date.now()];
      process.kill(pid, 'SIGCONT');
      await more(30);
      await site.daemon.end('SIGTERM');
      clearInterval(watching);
      sent = readings();
    }, 120_000);

    afterAll(() => site?.remove());

    const readings = (): Sent[] =>
      site
        .delivered()
        .map(({ value }) => JSON.parse(value) as Sent)
        .filter(({ point }) => typeof point === 'string');

    it('sends no reading while the clock is wrong', () => {
      expect(heldWhileWrong).toBe(0);
    });

    it('sends each with the time at which the meter served it, whatever the wall showed then', () => {
      const polls = sent.filter(({ point, value }) => point === 'polls' && value !== null);
      const wrong = polls.flatMap(({ id, value, time, clock }) => {
        const [from, to] = served.get(value ?? 0) ?? [NaN, NaN];
        const at = Date.parse(time);
        // What lies between the answer and its stamp on a machine under load; the clock was an hour off.
        return at >= from - 50 && at <= to + 2_000 ? [] : [`${id} ${clock}: ${at - from}, ${at - to}`];
      });
      expect(wrong).toEqual([]);
      expect(new Set(polls.map(({ clock }) => clock))).toEqual(new Set(['corrected', 'synced']));
      expect(polls.filter(({ clock }) => clock === 'corrected').length).toBeGreaterThan(30);
    });

    it('loses none that was accepted, and a repeat is the same but for its mark', () => {
      const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), site.delivered());
      console.log({ ...verdict, lost: verdict.lost.length });
      expect(verdict).toMatchObject({ lost: [], altered: [], disordered: [] });
      expect(verdict.accepted).toBeGreaterThan(100);
    });

    it('says what became of the readings, and never that they were given up', () => {
      const told = site
        .delivered()
        .map(({ value }) => JSON.parse(value) as Sent)
        .filter(({ event }) => event === 'clock-step')
        .map(({ facts }) => facts?.['readings']);
      expect(told).toContain('held');
      expect(told).toContain('corrected');
      expect(told).not.toContain('unsynced');
    });

    it('after a pause dates nothing into it, asks nothing in a burst, and every counter slot of it has its record', () => {
      const [from, to] = pause;
      const inside = sent.filter(({ time, status }) => {
        const at = Date.parse(time);
        return status !== 'BadNoData' && at > from + 300 && at < to - 50;
      });
      expect(inside).toEqual([]);
      const after = [...served].filter(([, [at]]) => at >= to && at < to + 1_000).length;
      // Ten a second, and what the counter is asked.
      expect(after).toBeLessThan(25);
      const slots = sent.flatMap(({ point, slot }) => (point === 'energy' && slot !== null ? [Date.parse(slot)] : []));
      const own = new Set(slots);
      const first = Math.ceil(from / 1000) * 1000;
      const missed = [];
      for (let slot = first; slot <= to; slot += 1000) if (!own.has(slot)) missed.push(new Date(slot).toISOString());
      expect(missed).toEqual([]);
    });
  },
);
