import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noNotify, openNotifySocket } from '../support/notify-socket.ts';
import type { NotifySocket } from '../support/notify-socket.ts';
import { FileSite } from './file-site.ts';

describe.skipIf(noNotify !== undefined)('the daemon under systemd', () => {
  let site: FileSite;
  let socket: NotifySocket;

  beforeEach(async () => {
    site = await FileSite.start();
    socket = await openNotifySocket();
  });
  afterEach(async () => {
    await site.remove();
    socket.close();
  });

  const said = (name: string): string[] =>
    socket.messages().flatMap((all) => all.filter((one) => one.startsWith(name)));
  const within = { timeout: 15_000 };

  it('tells what it does: ready, alive, how it is, reloading, stopping', async () => {
    site.daemon.start({ NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '1500000' });
    await expect.poll(() => said('READY=1').length, within).toBe(1);
    await expect
      .poll(() => said('STATUS='), within)
      .toContainEqual(expect.stringMatching(/^STATUS=1\/1 devices ok, buffer \d+$/));
    const alive = said('WATCHDOG=1').length;
    await expect.poll(() => said('WATCHDOG=1').length, within).toBeGreaterThan(alive + 2);
    site.daemon.hangup();
    await expect.poll(() => said('READY=1').length, within).toBe(2);
    expect(said('RELOADING=1')).toHaveLength(1);
    expect(said('MONOTONIC_USEC=')).toHaveLength(1);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
    await expect.poll(() => said('STOPPING=1').length, within).toBe(1);
    const order = socket
      .messages()
      .flatMap(([first = '']) => (/^(READY|RELOADING|STOPPING)/.exec(first) ? [first] : []));
    expect(order).toEqual(['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1']);
  }, 60_000);

  it('is ready again after a reload that was refused', async () => {
    site.daemon.start({ NOTIFY_SOCKET: socket.path });
    await expect.poll(() => said('READY=1').length, within).toBe(1);
    site.daemon.rewrite('{');
    site.daemon.hangup();
    await expect.poll(() => said('READY=1').length, within).toBe(2);
    expect(said('RELOADING=1')).toHaveLength(1);
  }, 60_000);

  it('reads its meters where systemd cannot be told', async () => {
    site.daemon.start({ NOTIFY_SOCKET: '/nowhere/notify' });
    await expect.poll(() => site.meters.polls(1), within).toBeGreaterThan(10);
    expect(site.daemon.log).toMatch(/systemd is not told what the daemon does, meters are read all the same/);
    expect(await site.daemon.end('SIGTERM')).toBe(0);
  }, 60_000);
});
