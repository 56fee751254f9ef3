import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Trust } from '../../../agent/clock.ts';
import { type ClockStep, type Machine, type SystemClock, systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import type { TimeSourcePlaces, Vouched } from '../../../agent/time/time-sources.ts';

const never = new AbortController().signal;
const builtAtMs = Date.parse('2026-11-22T00:00:00Z');

/** As the kernel's 10 ms, but such that the ticks of a second fall all over it. */
const TRUNCATION_MS = 9.7;

/** A machine whose suspends and steps are the test's; its monotonic time is the faked timers' time. */
class FakeMachine implements Machine {
  suspendedMs = 0;
  steppedMs = 0;
  readonly #startMs = Date.now();

  monotonicMs(): number {
    return Date.now() - this.#startMs + 0.25;
  }

  wallMs(): number {
    return Date.now() + this.suspendedMs + this.steppedMs;
  }

  uptimeMs(): number {
    return Math.floor((this.monotonicMs() + this.suspendedMs + 77_777) / TRUNCATION_MS) * TRUNCATION_MS;
  }

  bootId(): string {
    return 'boot-1';
  }

  close(): void {}
}

describe('the clock of a machine', () => {
  let machine: FakeMachine;
  let clock: SystemClock;
  let said: Trust | Vouched;
  let asked: number;
  let steps: ClockStep[];

  beforeEach(() => {
    vi.useFakeTimers({
      now: Date.parse('2026-11-22T13:00:00Z'),
      toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
    });
    machine = new FakeMachine();
    said = 'synced';
    asked = 0;
    steps = [];
    clock = systemClock({
      source: () => {
        asked++;
        return Promise.resolve(said);
      },
      builtAtMs,
      machine,
    });
    clock.onStep((step) => steps.push(step));
  });

  afterEach(() => {
    clock.close();
    vi.useRealTimers();
  });

  test('another source holds from its first answer on; a late answer of the one before counts no more', async () => {
    await clock.ready;
    const late = Promise.withResolvers<Trust>();
    const asking = clock.ask(() => late.promise);
    expect(clock.now().trust).toBe('synced');
    await clock.ask(() => Promise.resolve('unsynced'));
    expect(clock.now().trust).toBe('unsynced');
    late.resolve('unknown');
    await asking;
    expect(clock.now().trust).toBe('unsynced');
  });

  test('counts boot time in whole ms, without the jitter of the truncated uptime', async () => {
    const first = clock.now().bootMs;
    const offsets = new Set<number>();
    for (let n = 0; n < 1_000; n++) {
      await vi.advanceTimersByTimeAsync(17);
      offsets.add(clock.now().bootMs - first - (n + 1) * 17);
    }
    expect([...offsets]).toEqual([0]);
    expect(first).toBeGreaterThanOrEqual(77_767);
    expect(first).toBeLessThanOrEqual(77_778);
  });

  test('counts a suspend as boot time, at once, and calls it no step', async () => {
    const before = clock.now();
    machine.suspendedMs = 3_600_000;
    const after = clock.now();
    expect(after.bootMs - before.bootMs).toBeGreaterThanOrEqual(3_600_000 - 10);
    expect(after.bootMs - before.bootMs).toBeLessThanOrEqual(3_600_000 + 10);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(steps).toEqual([]);
  });

  test('never runs backwards', () => {
    machine.suspendedMs = 60_000;
    const before = clock.now().bootMs;
    machine.suspendedMs = 0;
    expect(clock.now().bootMs).toBe(before);
  });

  test('tells a step of the wall once, from what to what, and boot time does not move', async () => {
    const before = clock.now();
    machine.steppedMs = -3_600_000;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(clock.now().bootMs - before.bootMs).toBe(3_000);
    expect(steps).toHaveLength(1);
    const [step] = steps;
    expect(step?.stepMs).toBe(-3_600_000);
    expect((step?.toMs ?? 0) - (step?.fromMs ?? 0)).toBe(-3_600_000);
  });

  test('calls slewing no step', async () => {
    for (let n = 0; n < 60; n++) {
      machine.steppedMs += 40;
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(steps).toEqual([]);
  });

  test('sleeps on boot time: a step of the wall does not move it', async () => {
    const woke = vi.fn<() => void>();
    void clock.sleep(10_000, never).then(woke);
    await vi.advanceTimersByTimeAsync(1_000);
    machine.steppedMs = 3_600_000;
    await vi.advanceTimersByTimeAsync(8_998);
    expect(woke).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(3);
    expect(woke).toHaveBeenCalledOnce();
  });

  test('sleeps until a wall time: wakes within a second and a half after a step over it, waits on after a step back', async () => {
    const forward = vi.fn<() => void>();
    void clock.sleepUntil(Date.now() + 600_000, never).then(forward);
    machine.steppedMs = 900_000;
    await vi.advanceTimersByTimeAsync(1_500);
    expect(forward).toHaveBeenCalledOnce();

    const back = vi.fn<() => void>();
    void clock.sleepUntil(machine.wallMs() + 1_000, never).then(back);
    machine.steppedMs -= 5_000;
    await vi.advanceTimersByTimeAsync(5_990);
    expect(back).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(20);
    expect(back).toHaveBeenCalledOnce();
  });

  test('wakes within a second and a half after a suspend that outlasted the sleep', async () => {
    const woke = vi.fn<() => void>();
    void clock.sleep(600_000, never).then(woke);
    await vi.advanceTimersByTimeAsync(5_000);
    machine.suspendedMs = 3_600_000;
    await vi.advanceTimersByTimeAsync(1_500);
    expect(woke).toHaveBeenCalledOnce();
  });

  test('a hundred long sleepers cost one timer', async () => {
    const leaving = new AbortController();
    const sleeps = Array.from({ length: 100 }, () => clock.sleep(600_000, leaving.signal).catch(() => 'left'));
    expect(vi.getTimerCount()).toBe(1);
    leaving.abort(new Error('left'));
    expect(await Promise.all(sleeps)).toEqual(Array.from({ length: 100 }, () => 'left'));
  });

  test('a sleep ends with the reason of its signal, also of one that has fired before', async () => {
    const reason = new Error('stopped');
    await expect(clock.sleep(1_000, AbortSignal.abort(reason))).rejects.toBe(reason);
    const later = new AbortController();
    const sleep = clock.sleepUntil(Date.now() + 500, later.signal);
    later.abort(reason);
    await expect(sleep).rejects.toBe(reason);
    expect(vi.getTimerCount()).toBe(1);
  });

  test('trusts what the source says, asked every 10 s until it says synced, then each minute', async () => {
    await clock.ready;
    said = 'unsynced';
    expect(clock.now().trust).toBe('synced');
    await vi.advanceTimersByTimeAsync(61_000);
    expect(clock.now().trust).toBe('unsynced');
    expect(asked).toBe(2);
    said = 'synced';
    await vi.advanceTimersByTimeAsync(11_000);
    expect(clock.now().trust).toBe('synced');
    expect(asked).toBe(3);
  });

  test('is unsynced before the newest trusted time, unless a time service vouches for it', async () => {
    await clock.ready;
    clock.notBefore(Date.parse('2026-11-22T12:00:00Z'));
    machine.steppedMs = -3_600_001;
    expect(clock.now().trust).toBe('synced');
    await clock.ask(() => Promise.resolve('unknown'));
    expect(clock.now().trust).toBe('unsynced');
    machine.steppedMs = 0;
    expect(clock.now().trust).toBe('unknown');
  });

  test('after a step a service is believed that has compared the clock since, not before', async () => {
    said = { trust: 'synced', proof: 'at 13:00' };
    await clock.ask(() => Promise.resolve(said));
    expect(clock.now().trust).toBe('synced');
    machine.steppedMs = 3_600_000;
    expect(clock.now().trust).toBe('unsynced');
    await vi.advanceTimersByTimeAsync(25_000);
    expect(clock.now().trust).toBe('unsynced');
    said = { trust: 'synced', proof: 'at 13:01' };
    await vi.advanceTimersByTimeAsync(11_000);
    expect(clock.now().trust).toBe('synced');
    machine.steppedMs = 0;
    expect(clock.now().trust).toBe('unsynced');
  });

  test('an answer that was on its way at a step is of the time before it', async () => {
    said = { trust: 'synced', proof: 'at 13:00' };
    await clock.ask(() => Promise.resolve(said));
    const late = Promise.withResolvers<Vouched>();
    void clock.ask(() => late.promise);
    machine.steppedMs = 3_600_000;
    expect(clock.now().trust).toBe('unsynced');
    late.resolve({ trust: 'synced', proof: 'at 13:01' });
    await vi.advanceTimersByTimeAsync(0);
    expect(clock.now().trust).toBe('unsynced');
  });

  test('what a service said last holds while it is silent for less than a minute', async () => {
    said = 'unsynced';
    await clock.ask(() => Promise.resolve(said));
    said = 'unknown';
    await vi.advanceTimersByTimeAsync(45_000);
    expect(clock.now().trust).toBe('unsynced');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(clock.now().trust).toBe('unknown');
  });

  test('is unsynced before the build, even where there is nobody to ask', async () => {
    const pi = systemClock({ source: timeSource('none'), builtAtMs, machine });
    await pi.ready;
    expect(pi.now().trust).toBe('unknown');
    machine.steppedMs = -24 * 3_600_000;
    expect(pi.now().trust).toBe('unsynced');
    pi.close();
  });
});

describe('the clock of this machine', () => {
  test('agrees with /proc/uptime and names the boot', () => {
    const clock = systemClock({ source: timeSource('none'), builtAtMs });
    const uptimeMs = Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000;
    const { boot, bootMs, wallMs } = clock.now();
    expect(Math.abs(bootMs - uptimeMs)).toBeLessThan(1_000);
    expect(Math.abs(wallMs - Date.now())).toBeLessThan(1_000);
    expect(boot).toMatch(/^[0-9a-f-]{36}$/);
    expect(Number.isInteger(bootMs)).toBe(true);
    clock.close();
  });

  test('sleeps for what was asked, never shorter', async () => {
    const clock = systemClock({ source: timeSource('none'), builtAtMs });
    const lateMs: number[] = [];
    for (let n = 0; n < 20; n++) {
      const startedMs = performance.now();
      await clock.sleep(10, never);
      lateMs.push(performance.now() - startedMs - 10);
    }
    clock.close();
    expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(-1);
    // On a busy machine most of them are late, a few are not.
    expect(lateMs.toSorted((a, b) => a - b)[2]).toBeLessThan(5);
  });

  test('goes on in a process that may open no more files', () => {
    const script = `import { openSync } from 'node:fs';
      import { systemClock } from './agent/time/system-clock.ts';
      const clock = systemClock({ source: () => Promise.resolve('unknown'), builtAtMs: 0 });
      let refused;
      while (refused === undefined)
        try {
          openSync('/dev/null');
        } catch (error) {
          refused = error.code;
        }
      const before = clock.now();
      await clock.sleep(1_200, new AbortController().signal);
      process.stdout.write(refused + ' ' + Math.round((clock.now().bootMs - before.bootMs) / 200));`;
    const args = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script];
    expect(execFileSync('sh', args, { timeout: 5_000, encoding: 'utf8' })).toBe('EMFILE 6');
  });

  test('holds no process open when nobody sleeps', () => {
    const script = `import { systemClock } from './agent/time/system-clock.ts';
      const clock = systemClock({ source: () => Promise.resolve('unknown'), builtAtMs: 0 });
      await clock.sleep(5, new AbortController().signal);`;
    const args = ['--input-type=module', '-e', script];
    expect(execFileSync(process.execPath, args, { timeout: 5_000, encoding: 'utf8' })).toBe('');
  });
});

describe('the sources of trust', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-time-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function places(timedatectlScript: string | null): TimeSourcePlaces {
    const timedatectl = join(folder, 'timedatectl');
    if (timedatectlScript !== null) {
      writeFileSync(timedatectl, `#!/bin/sh\n${timedatectlScript}\n`);
      chmodSync(timedatectl, 0o755);
    }
    // Nobody answers on the port that names none.
    return { timesyncFolder: join(folder, 'timesync'), chronyPort: 9, timedatectl };
  }

  test.each([
    ['says so', 'printf "NTP=yes\\nNTPSynchronized=yes\\n"', 'synced'],
    ['says no while a time service is on', 'printf "NTP=yes\\nNTPSynchronized=no\\n"', 'unsynced'],
    ['says no and no time service is on', 'printf "NTP=no\\nNTPSynchronized=no\\n"', 'unknown'],
    ['is kept right by something else', 'printf "NTP=no\\nNTPSynchronized=yes\\n"', 'synced'],
    ['fails', 'exit 1', 'unknown'],
    ['is not installed', null, 'unknown'],
    ['hangs', 'exec sleep 20', 'unknown'],
  ])('timedatectl %s', async (_, script, trust) => {
    const answer = await timeSource('timedatectl', places(script))();
    expect(typeof answer === 'object' ? answer.trust : answer).toBe(trust);
  });

  test('a yes of timedatectl is of a comparison since: the kernel forgets at a step', async () => {
    const ask = timeSource('timedatectl', places('printf "NTP=yes\\nNTPSynchronized=yes\\n"'));
    expect(await ask()).not.toEqual(await ask());
  });

  test('timesyncd: its flag says synced, its folder without the flag unsynced, no folder nobody to ask', async () => {
    const ask = timeSource('timesyncd', places(null));
    expect(await ask()).toBe('unknown');
    mkdirSync(join(folder, 'timesync'));
    expect(await ask()).toBe('unsynced');
    writeFileSync(join(folder, 'timesync/synchronized'), '');
    const first = await ask();
    expect(first).toMatchObject({ trust: 'synced' });
    utimesSync(join(folder, 'timesync/synchronized'), 1, 2);
    expect(await ask()).toMatchObject({ trust: 'synced' });
    expect(await ask()).not.toEqual(first);
  });

  test('auto asks timedatectl only where timesyncd does not run', async () => {
    const ask = timeSource('auto', places('printf "NTP=yes\\nNTPSynchronized=yes\\n"'));
    expect(await ask()).toMatchObject({ trust: 'synced' });
    mkdirSync(join(folder, 'timesync'));
    expect(await ask()).toBe('unsynced');
  });

  test('trusted and none ask nobody', async () => {
    expect(await timeSource('trusted', places('exit 1'))()).toBe('synced');
    expect(await timeSource('none', places('printf NTPSynchronized=yes'))()).toBe('unknown');
  });
});
