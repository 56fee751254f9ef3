import { afterEach, describe, expect, test } from 'vitest';
import { fullJitter } from '../../agent/backoff.ts';
import { LinkError } from '../../agent/errors.ts';
import { type Supervisor, startSupervisor } from '../../agent/supervisor.ts';
import type { Driver } from '../../drivers/driver.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { ScriptedDriver } from '../support/scripted-driver.ts';

const clock = new FakeClock();
const never = new AbortController().signal;
let open: Supervisor[] = [];

afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
});

function supervise(
  driver: ScriptedDriver,
  { random = (): number => 1, load = (): Promise<Driver> => Promise.resolve(driver) } = {},
): { supervisor: Supervisor; logged: string[] } {
  const logged: string[] = [];
  const supervisor = startSupervisor({
    connection: 'panel',
    load,
    plan: null,
    host: { clock, push: () => Promise.resolve(), event: () => {} },
    clock,
    log: (severity, message) => logged.push(`${severity}: ${message}`),
    random,
  });
  open.push(supervisor);
  return { supervisor, logged };
}

describe('the backoff', () => {
  test('is anywhere between nothing and a limit that doubles up to the cap', () => {
    const limits = { baseMs: 500, capMs: 30_000 };
    const most = [1, 2, 3, 4, 5, 6, 7, 8, 5_000].map((failures) => fullJitter(failures, limits, () => 1));
    expect(most).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(fullJitter(7, limits, () => 0)).toBe(0);
    expect(fullJitter(7, limits, () => 0.5)).toBe(15_000);
  });
});

describe('the supervisor of a connection', () => {
  test('opens a session and hands it to everyone who waits', async () => {
    const driver = new ScriptedDriver(clock);
    const { supervisor } = supervise(driver);
    const [first, second] = await Promise.all([supervisor.waitForSession(never), supervisor.waitForSession(never)]);
    expect(first).toBe(second);
    expect(supervisor.current()).toBe(first);
    expect(await supervisor.waitForSession(never)).toBe(first);
    expect(supervisor.state()).toMatchObject({ state: 'open', error: null, failures: 0 });
  });

  test('tries again with growing waits, in an outage of minutes never longer than 5 s, in a long one 10 s', async () => {
    const driver = new ScriptedDriver(clock);
    driver.opening = () => 'connect ECONNREFUSED 10.12.0.20:502';
    const { supervisor } = supervise(driver);
    await settled();
    const attempts: number[] = [];
    for (const ms of [499, 1, 999, 1, 2_000, 4_000, 5_000, 5_000]) {
      await clock.advance(ms);
      attempts.push(driver.opens);
    }
    expect(attempts).toEqual([1, 2, 2, 3, 4, 5, 6, 7]);
    expect(supervisor.state()).toMatchObject({ state: 'waiting', error: 'connect ECONNREFUSED 10.12.0.20:502' });
    await clock.advance(10 * 60_000);
    const before = driver.opens;
    await clock.advance(60_000);
    expect(driver.opens - before).toBe(6);
  });

  test('opens a new session after the old one ended, and never has two', async () => {
    const driver = new ScriptedDriver(clock);
    const { supervisor } = supervise(driver);
    await clock.advance(10_000);
    for (let n = 0; n < 20; n++) {
      driver.dropLink();
      await settled();
      expect(supervisor.current()).toBeNull();
      await clock.advance(500);
      expect(supervisor.current()).not.toBeNull();
      await clock.advance(10_000);
    }
    expect(driver.opens).toBe(21);
    expect(driver.closes).toBe(20);
    expect(driver.mostOpenAtOnce).toBe(1);
  });

  test('calls a peer that accepts and hangs up with growing waits, and fills no log', async () => {
    const driver = new ScriptedDriver(clock);
    const { logged } = supervise(driver);
    await settled();
    for (let n = 0; n < 60; n++) {
      await clock.advance(1_000);
      driver.dropLink('peer hung up');
    }
    expect(driver.opens).toBeLessThan(20);
    expect(logged).toEqual(['warning: Connection panel was lost: peer hung up. It is opened again.']);
  });

  test('tells each change once, not each attempt', async () => {
    const driver = new ScriptedDriver(clock);
    const { logged } = supervise(driver);
    await clock.advance(10_000);
    driver.opening = () => 'connect ECONNREFUSED';
    driver.dropLink('reset');
    await clock.advance(60_000);
    driver.opening = () => 'connect EHOSTUNREACH';
    await clock.advance(60_000);
    driver.opening = () => null;
    await clock.advance(60_000);
    expect(logged).toEqual([
      'info: Connection panel is open.',
      'warning: Connection panel was lost: reset. It is opened again.',
      'warning: Connection panel cannot be opened: connect ECONNREFUSED. Attempts go on.',
      'warning: Connection panel cannot be opened: connect EHOSTUNREACH. Attempts go on.',
      'info: Connection panel is open.',
    ]);
  });

  test('gives up an attempt that forgets its own timeout after 30 s', async () => {
    const driver = new ScriptedDriver(clock);
    driver.opening = () => (driver.opens === 1 ? 'hangs' : null);
    const { supervisor } = supervise(driver);
    await clock.advance(29_999);
    expect(supervisor.state().state).toBe('opening');
    await clock.advance(1_000);
    expect(supervisor.state().state).toBe('open');
  });

  test('tries again when the driver itself could not be loaded', async () => {
    const driver = new ScriptedDriver(clock);
    let loads = 0;
    const load = (): Promise<Driver> =>
      ++loads === 1 ? Promise.reject(new Error('Cannot find package')) : Promise.resolve(driver);
    const { supervisor, logged } = supervise(driver, { load });
    await clock.advance(1_000);
    expect(supervisor.state().state).toBe('open');
    expect(logged[0]).toContain('Cannot find package');
  });
});

describe('closing a supervisor', () => {
  test('closes the session and opens none any more', async () => {
    const driver = new ScriptedDriver(clock);
    const { supervisor } = supervise(driver);
    await settled();
    await supervisor.close();
    await supervisor.close();
    await clock.advance(60_000);
    expect([driver.opens, driver.openNow]).toEqual([1, 0]);
    expect(supervisor.state().state).toBe('closed');
    expect(supervisor.current()).toBeNull();
  });

  test('gives up an attempt under way', async () => {
    const driver = new ScriptedDriver(clock);
    driver.opening = () => 'hangs';
    const { supervisor, logged } = supervise(driver);
    await settled();
    await supervisor.close();
    expect(driver.opens).toBe(1);
    expect(logged).toEqual([]);
  });

  test('closes a session that opened in spite of the signal', async () => {
    const driver = new ScriptedDriver(clock);
    const gate = Promise.withResolvers<void>();
    const slow: Driver = {
      open: async (plan, host) => {
        await gate.promise;
        return driver.open(plan, host, never);
      },
    };
    const { supervisor } = supervise(driver, { load: () => Promise.resolve(slow) });
    await settled();
    const closed = supervisor.close();
    gate.resolve();
    await closed;
    expect([driver.opens, driver.openNow]).toEqual([1, 0]);
  });

  test('that does not close in order is told once, and holds up neither the next session nor the end', async () => {
    const driver = new ScriptedDriver(clock);
    const stiff: Driver = {
      open: async (plan, host, signal) => {
        const session = await driver.open(plan, host, signal);
        return {
          ...session,
          close: async () => {
            await session.close();
            throw new Error('the port is stuck');
          },
        };
      },
    };
    const { supervisor, logged } = supervise(driver, { load: () => Promise.resolve(stiff) });
    await clock.advance(10_000);
    driver.dropLink();
    await clock.advance(10_000);
    expect([driver.opens, driver.openNow]).toEqual([2, 1]);
    expect(supervisor.state()).toMatchObject({ state: 'open', opened: 2, failed: 0, error: null });
    await supervisor.close();
    expect([driver.opens, driver.openNow]).toEqual([2, 0]);
    expect(supervisor.state().state).toBe('closed');
    const stuck = 'warning: Connection panel did not close in order: the port is stuck';
    expect(logged.filter((line) => line.includes('close in order'))).toEqual([stuck, stuck]);
    expect(logged).not.toContainEqual(expect.stringContaining('cannot be opened'));
  });

  test('while its driver is loading opens nothing', async () => {
    const driver = new ScriptedDriver(clock);
    const loaded = Promise.withResolvers<Driver>();
    const { supervisor } = supervise(driver, { load: () => loaded.promise });
    const closed = supervisor.close();
    loaded.resolve(driver);
    await closed;
    expect(driver.opens).toBe(0);
  });

  test('ends a wait between attempts at once', async () => {
    const driver = new ScriptedDriver(clock);
    driver.opening = () => 'connect ECONNREFUSED';
    const { supervisor } = supervise(driver);
    await settled();
    await supervisor.close();
    expect(supervisor.state().state).toBe('closed');
  });

  test('tells those who wait for a session; their own signal ends only their wait', async () => {
    const driver = new ScriptedDriver(clock);
    driver.opening = () => 'connect ECONNREFUSED';
    const { supervisor } = supervise(driver);
    const reason = new Error('no longer wanted');
    const leaving = new AbortController();
    const left = supervisor.waitForSession(leaving.signal);
    const stayed = supervisor.waitForSession(never);
    leaving.abort(reason);
    await expect(left).rejects.toBe(reason);
    const told = stayed.catch((error: unknown) => error);
    await supervisor.close();
    expect(await told).toBeInstanceOf(LinkError);
    await expect(supervisor.waitForSession(never)).rejects.toBeInstanceOf(LinkError);
  });
});
