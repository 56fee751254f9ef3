import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noNotify, openNotifySocket } from '../support/notify-socket.ts';
import type { NotifySocket } from '../support/notify-socket.ts';
import { acceptedIds, judge } from './checker.ts';
import { FileSite } from './file-site.ts';

/** More than a writer may compute without an answer, and a few looks. */
const waitMs = 80_000;

interface Result {
  readonly site: FileSite;
  readonly socket: NotifySocket;
  /** Since the thread went astray. */
  readonly fedUntilMs: number;
  readonly polls: number;
}

describe.skipIf(noNotify !== undefined)("the buffer's writer thread", () => {
  const ways = ['computes', 'waits'] as const;
  const sites = new Map<string, Result>();
  function resultOf(how: (typeof ways)[number]): Result {
    const result = sites.get(how);
    if (!result) throw new Error(`${how} was not run`);
    return result;
  }

  beforeAll(async () => {
    await Promise.all(
      ways.map(async (how) => {
        const site = await FileSite.start();
        const socket = await openNotifySocket();
        const trigger = join(site.folder, 'hang');
        execFileSync('mkfifo', [`${trigger}.fifo`]);
        site.daemon.start({
          NOTIFY_SOCKET: socket.path,
          WATCHDOG_USEC: '6000000',
          NODE_OPTIONS: `--import=${resolve('test/faults/hanging-writer.ts')}`,
          HANG_WHEN: trigger,
          HANG_HOW: how,
        });
        await sleep(5_000);
        writeFileSync(trigger, '');
        const hungMs = Date.now();
        let fedUntilMs = hungMs;
        let fed = 0;
        while (Date.now() - hungMs < waitMs) {
          const now = socket.messages().filter((all) => all.includes('WATCHDOG=1')).length;
          if (now > fed) fedUntilMs = Date.now();
          fed = now;
          await sleep(500);
        }
        sites.set(how, { site, socket, fedUntilMs: fedUntilMs - hungMs, polls: site.meters.polls(1) });
      }),
    );
  }, 180_000);

  afterAll(async () => {
    for (const { site, socket } of sites.values()) {
      await site.remove();
      socket.close();
    }
  });

  it('feeds the watchdog no more when it computes and answers nothing, so that systemd starts the daemon anew, and nothing accepted is lost', async () => {
    const { site, fedUntilMs } = resultOf('computes');
    expect(fedUntilMs).toBeGreaterThan(50_000);
    expect(fedUntilMs).toBeLessThan(72_000);
    expect(site.daemon.log).toMatch(/The daemon hangs and should be started anew: the buffer's writer thread/);
    // What systemd sends first (SIGABRT) ends it, whatever its threads do.
    expect(await site.daemon.end('SIGABRT')).toBeNull();
    site.daemon.start();
    await sleep(3_000);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), site.delivered());
    expect(verdict.accepted).toBeGreaterThan(20);
    expect(verdict.lost).toEqual([]);
  });

  it('is waited for when its disk holds it: polling goes on, the watchdog is fed, the log shouts', () => {
    const { site, fedUntilMs, polls } = resultOf('waits');
    expect(fedUntilMs).toBeGreaterThan(waitMs - 6_000);
    expect(site.daemon.log).toMatch(/The disk has taken nothing for more than 60 s/);
    expect(polls).toBeGreaterThan(500);
  });

  it('does not keep a stop waiting, though its disk holds it for ever', async () => {
    const { site } = resultOf('waits');
    const toldAt = performance.now();
    // Cut short, as the signal ends a process that does not listen.
    expect(await site.daemon.end('SIGTERM')).toBeNull();
    expect(performance.now() - toldAt).toBeLessThan(5_500);
  });
});
