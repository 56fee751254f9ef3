import { describe, expect, it } from 'vitest';
import { beat, statusLine } from '../../../agent/status/heart.ts';
import { openNotify } from '../../../agent/status/notify.ts';
import type { NotifyOptions } from '../../../agent/status/notify.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { deviceState, wellStatus } from '../../support/gateway-status.ts';
import { noNotify, openNotifySocket } from '../../support/notify-socket.ts';

const errors: string[] = [];
const log = { info: () => undefined, warning: () => undefined, error: (message: string) => void errors.push(message) };
const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' };

function opened(some: Partial<NotifyOptions> = {}) {
  const sent: string[] = [];
  const clock = new FakeClock();
  const send = (assignments: readonly string[]): Promise<void> => {
    sent.push(assignments.join(' '));
    return Promise.resolve();
  };
  return { sent, clock, notify: openNotify({ env, pid: 7, clock, log, send, ...some }) };
}

describe('what systemd is told', () => {
  it('is nothing when the daemon does not run under it', async () => {
    const { notify, sent } = opened({ env: {} });
    notify.ready();
    notify.beat(true, 'fine');
    await settled();
    expect(sent).toEqual([]);
  });

  it('is what happens, in order, with the time on its own clock around a reload', async () => {
    const { notify, sent } = opened();
    notify.ready();
    notify.reloading();
    notify.ready();
    notify.stopping();
    await settled();
    expect(sent.map((text) => text.replace(/\d{6,}/, 'N'))).toEqual([
      'READY=1',
      'RELOADING=1 MONOTONIC_USEC=N',
      'READY=1',
      'STOPPING=1',
    ]);
    const usec = Number(/USEC=(\d+)/.exec(sent[1] ?? '')?.[1]);
    expect(Math.abs(usec / 1e6 - Number(process.hrtime.bigint()) / 1e9)).toBeLessThan(5);
  });

  it('is a sign of life three times in the time of the watchdog, and the status where it changed', async () => {
    const { notify, sent } = opened();
    expect(notify.everyMs).toBe(20_000);
    for (const status of ['a', 'a', 'b']) {
      notify.beat(true, status);
      await settled();
    }
    notify.beat(false, 'b');
    notify.beat(false, 'c');
    await settled();
    expect(sent).toEqual(['WATCHDOG=1 STATUS=a', 'WATCHDOG=1', 'WATCHDOG=1 STATUS=b', 'STATUS=c']);
  });

  it('has no sign of life when systemd watches nobody, or another process', async () => {
    for (const other of [
      { ...env, WATCHDOG_USEC: undefined },
      { ...env, WATCHDOG_PID: '8' },
    ]) {
      const { notify, sent } = opened({ env: other });
      notify.beat(true, 'a');
      notify.beat(true, 'a');
      await settled();
      expect(sent).toEqual(['STATUS=a']);
    }
  });

  it('gathers no processes behind one that hangs', async () => {
    let sends = 0;
    const { notify } = opened({
      send: () => {
        sends++;
        return new Promise(() => undefined);
      },
    });
    for (let time = 0; time < 100; time++) notify.beat(true, `${time}`);
    await settled();
    expect(sends).toBe(1);
  });

  it('is that a long start goes on, for half an hour and not for ever', async () => {
    const { notify, sent, clock } = opened();
    notify.opening(new AbortController().signal);
    await clock.advance(60_000);
    expect(sent).toEqual(Array.from({ length: 3 }, () => 'EXTEND_TIMEOUT_USEC=60000000'));
    for (let minute = 0; minute < 120; minute++) await clock.advance(60_000);
    expect(sent).toHaveLength(90);
  });

  it('does not matter to anybody else when it cannot be told', async () => {
    errors.length = 0;
    const { notify } = opened({ send: () => Promise.reject(new Error('spawn systemd-notify ENOENT')) });
    notify.ready();
    await settled();
    expect(errors).toEqual([expect.stringMatching(/meters are read all the same: .*ENOENT/)]);
  });
});

describe('the heart', () => {
  it('feeds the watchdog while all moves, and stops when a loop hangs', async () => {
    errors.length = 0;
    const { notify, sent, clock } = opened();
    const ending = new AbortController();
    let dueMs = Infinity;
    const gateway = {
      status: () => ({ ...wellStatus, now: clock.now(), devices: [deviceState('EM-1', { dueMs })] }),
      writer: () => ({ silentMs: 0, isComputing: false }),
    };
    const beating = beat({ gateway, notify, clock, log, signal: ending.signal });
    await clock.advance(40_000);
    expect(sent).toHaveLength(3);
    dueMs = clock.bootMs;
    await clock.advance(100_000);
    expect(sent).toHaveLength(4);
    expect(errors[0]).toBe('The daemon hangs and should be started anew: the poller of EM-1 is 40 s late.');
    ending.abort();
    await beating;
  });

  it('shouts about a disk that takes nothing, and feeds the watchdog: a restart would not help', async () => {
    errors.length = 0;
    const { notify, sent, clock } = opened();
    const ending = new AbortController();
    const buffer = { ...wellStatus.buffer, committingForMs: 70_000 };
    const gateway = {
      status: () => ({ ...wellStatus, now: clock.now(), buffer }),
      writer: () => ({ silentMs: 70_000, isComputing: false }),
    };
    const beating = beat({ gateway, notify, clock, log, signal: ending.signal });
    await clock.advance(60_000);
    expect(sent.filter((text) => text.includes('WATCHDOG=1'))).toHaveLength(4);
    expect(errors[0]).toMatch(/The disk has taken nothing for more than 60 s/);
    ending.abort();
    await beating;
  });

  it('says how many devices are well and what waits, in a line', () => {
    const devices = [deviceState('EM-1'), deviceState('EM-2'), deviceState('EM-3', { presence: 'lost' })];
    const waiting = { ...wellStatus.buffer.waiting, 'meter-readings': 40, 'gateway-events': 2 };
    expect(statusLine({ ...wellStatus, devices, buffer: { ...wellStatus.buffer, waiting } })).toBe(
      '2/3 devices ok, buffer 42',
    );
    expect(statusLine({ ...wellStatus, buffer: { ...wellStatus.buffer, full: true } })).toBe(
      '1/1 devices ok, buffer 0; the buffer is full (900 of 1000 bytes): readings are refused',
    );
  });
});

describe.skipIf(noNotify !== undefined)('a socket that speaks sd_notify(3)', () => {
  it('hears it, whatever stands in the status', async () => {
    const socket = await openNotifySocket();
    const { PATH } = process.env;
    try {
      const notify = openNotify({
        env: { ...env, PATH, NOTIFY_SOCKET: socket.path },
        pid: 7,
        clock: new FakeClock(),
        log,
      });
      notify.ready();
      notify.stopping();
      await expect.poll(() => socket.messages().length, { timeout: 10_000 }).toBe(2);
      notify.beat(true, '--help; $(reboot) "12/13" größer');
      await expect.poll(() => socket.messages().length, { timeout: 10_000 }).toBe(3);
      expect(socket.messages()).toEqual([
        ['READY=1'],
        ['STOPPING=1'],
        ['WATCHDOG=1', 'STATUS=--help; $(reboot) "12/13" größer'],
      ]);
    } finally {
      socket.close();
    }
  });
});
