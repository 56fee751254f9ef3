import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log/log.ts';

/** How often status and sign of life are sent where systemd keeps no watchdog. */
const beatMs = 30_000;
/** A start is allowed another minute, told this often, for as long as a large buffer on a poor card may take. */
const extendEveryMs = 20_000;
const extendByMs = 60_000;
const longestOpeningMs = 1_800_000;

export interface NotifyOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Runs `systemd-notify` with these assignments. */
  readonly send?: (assignments: readonly string[]) => Promise<void>;
}

/** What the daemon tells systemd (sd_notify(3)); nothing at all when it does not run under it. Never throws, never holds anything up. */
export interface Notify {
  /** How often `beat` is to be called. */
  readonly everyMs: number;
  /** The start goes on until `signal`: it is not to be ended for being slow. */
  opening(signal: AbortSignal): void;
  ready(): void;
  reloading(): void;
  stopping(): void;
  /** `isWell`: the watchdog is fed. The status line is sent when it changed. */
  beat(isWell: boolean, status: string): void;
}

const nobody: Notify = {
  everyMs: beatMs,
  opening: () => undefined,
  ready: () => undefined,
  reloading: () => undefined,
  stopping: () => undefined,
  beat: () => undefined,
};

/** Node has no datagram sockets of the kind systemd listens on, so `systemd-notify` speaks for it: one process at a time. */
export function openNotify({ env, pid, clock, log, send = systemdNotify(env) }: NotifyOptions): Notify {
  if (!env['NOTIFY_SOCKET']) return nobody;
  const watchdogMs = watchdogOf(env, pid);
  const everyMs = watchdogMs === null ? beatMs : watchdogMs / 3;
  let said = Promise.resolve();
  let isBeating = false;
  let lastStatus = '';

  function say(...assignments: readonly string[]): void {
    said = said
      .then(() => send(assignments))
      .catch((error: unknown) =>
        log.error(`systemd is not told what the daemon does, meters are read all the same: ${messageOf(error)}`),
      );
  }

  return {
    everyMs,
    opening(signal) {
      void (async () => {
        for (let ms = 0; ms < longestOpeningMs; ms += extendEveryMs) {
          await clock.sleep(extendEveryMs, signal);
          say(`EXTEND_TIMEOUT_USEC=${extendByMs * 1000}`);
        }
      })().catch(() => undefined);
    },
    ready: () => say('READY=1'),
    // Both clocks are CLOCK_MONOTONIC.
    reloading: () => say('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => say('STOPPING=1'),
    beat(isWell, status) {
      // One that hangs must not gather others behind it.
      if (isBeating) return;
      const isNews = status !== lastStatus;
      lastStatus = status;
      const assignments = [
        ...(isWell && watchdogMs !== null ? ['WATCHDOG=1'] : []),
        ...(isNews ? [`STATUS=${status}`] : []),
      ];
      if (assignments.length === 0) return;
      isBeating = true;
      say(...assignments);
      void said.then(() => (isBeating = false));
    },
  };
}

/** sd_watchdog_enabled(3). null: systemd watches nobody, or another process. */
function watchdogOf(env: NotifyOptions['env'], pid: number): number | null {
  const ms = Number(env['WATCHDOG_USEC']) / 1000;
  const isForUs = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(pid);
  return isForUs && Number.isFinite(ms) && ms > 0 ? ms : null;
}

/** It waits until systemd has taken the message, for a few seconds at most. */
const sendTimeoutMs = 10_000;

/** It gets what it needs of the environment and no secret that stands there. */
function systemdNotify({
  PATH,
  NOTIFY_SOCKET,
}: NotifyOptions['env']): (assignments: readonly string[]) => Promise<void> {
  return async (assignments) => {
    await promisify(execFile)('systemd-notify', [...assignments], {
      env: { PATH, NOTIFY_SOCKET },
      timeout: sendTimeoutMs,
      killSignal: 'SIGKILL',
    });
  };
}
