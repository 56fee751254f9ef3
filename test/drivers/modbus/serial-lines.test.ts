import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { builtAtMs } from '../../../agent/build-time.ts';
import { startSupervisor } from '../../../agent/supervisor.ts';
import type { Supervisor } from '../../../agent/supervisor.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import type { SystemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import { noSocat, rtuAnswer, startRtuLine } from '../../simulators/rtu-line.ts';
import type { RtuBehaviour, RtuLine } from '../../simulators/rtu-line.ts';
import { hostOf, lineOf, planOf, pointsOf } from './support.ts';

/** Both lines have a meter 7; its register tells whose it is. */
const meterOf =
  (line: number): RtuBehaviour =>
  (request, send) =>
    send(rtuAnswer(request, () => line));

describe.skipIf(noSocat !== undefined)(
  `a serial line that goes and comes back${noSocat === undefined ? '' : ` (skipped: ${noSocat})`}`,
  () => {
    let folder: string;
    let clock: SystemClock;
    let supervisor: Supervisor;
    const lines: RtuLine[] = [];
    const logged: string[] = [];
    const path = (): string => join(folder, 'by-path');

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'sluice-lines-'));
      clock = systemClock({ source: timeSource('none'), builtAtMs });
      logged.length = 0;
    });
    afterEach(async () => {
      await supervisor.close();
      for (const each of lines.splice(0)) await each.close();
      clock.close();
      rmSync(folder, { recursive: true, force: true });
    });

    async function line(number: number): Promise<RtuLine> {
      const started = await startRtuLine(meterOf(number));
      lines.push(started);
      return started;
    }

    const devices = [{ id: 'M', unitId: 7, points: { whose: { address: 0 } } }];
    const plan = (): ReturnType<typeof planOf>['plan'] => planOf(lineOf(path()), devices).plan;

    function supervise(): void {
      supervisor = startSupervisor({
        connection: 'bus',
        load: () => Promise.resolve(driver),
        plan: plan(),
        host: hostOf(clock),
        clock,
        log: (_severity, message) => void logged.push(message),
      });
    }

    async function read(withinMs: number): Promise<number | null | undefined> {
      const session = await supervisor.waitForSession(AbortSignal.timeout(withinMs));
      const [seen] = await session.poll(
        { device: 'M', points: pointsOf(plan(), 'M'), dueMs: 0 },
        new AbortController().signal,
      );
      return seen?.value;
    }

    const point = (to: RtuLine): void => {
      rmSync(path(), { force: true });
      symlinkSync(to.path, path());
    };

    it('is opened again within 10 s, and only where its path leads', async () => {
      const [first, second] = [await line(1), await line(2)];
      point(first);
      supervise();
      expect(await read(2000)).toBe(1);
      const lost = supervisor.current()?.ended;
      await first.close();
      rmSync(path(), { force: true });
      expect(await lost).toBeInstanceOf(Error);
      // Another line is there all the time, with a meter of the same number: nobody looks for it.
      await expect(read(1500)).rejects.toThrow('timeout');
      expect(second.requests).toHaveLength(0);
      expect(logged.join()).toContain('is the adapter plugged in?');
      point(await line(3));
      expect(await read(10_000)).toBe(3);
      expect(second.requests).toHaveLength(0);
    });

    it('two lines whose adapters come back under exchanged names keep their meters apart', async () => {
      const byPathB = join(folder, 'by-path-b');
      const [usb0, usb1] = [join(folder, 'ttyUSB0'), join(folder, 'ttyUSB1')];
      const link = (name: string, to: string): void => {
        rmSync(name, { force: true });
        symlinkSync(to, name);
      };
      const [lineA, lineB] = [await line(1), await line(2)];
      link(usb0, lineA.path);
      link(usb1, lineB.path);
      link(path(), usb0);
      link(byPathB, usb1);
      supervise();
      const other = await driver.open(planOf(lineOf(byPathB), devices).plan, hostOf(clock), AbortSignal.timeout(5000));
      expect(await read(5000)).toBe(1);
      const lost = supervisor.current()?.ended;
      for (const each of [lineA, lineB]) await each.close();
      await other.close();
      // The kernel numbers them the other way round; the path tells where each is plugged in.
      const [again, otherAgain] = [await line(1), await line(2)];
      link(usb1, again.path);
      link(usb0, otherAgain.path);
      link(path(), usb1);
      link(byPathB, usb0);
      expect(await lost).toBeInstanceOf(Error);
      expect(await read(10_000)).toBe(1);
      expect(otherAgain.requests).toHaveLength(0);
    });

    it('that takes no bytes for a while is silent, hangs nobody, and gives its own values afterwards', async () => {
      const first = await line(1);
      point(first);
      supervise();
      expect(await read(5000)).toBe(1);
      first.block(true);
      expect(await read(5000)).toBeNull();
      first.block(false);
      expect(await read(5000)).toBe(1);
      first.block(true);
      const began = performance.now();
      await supervisor.close();
      expect(performance.now() - began).toBeLessThan(2500);
    });

    it('keeps its own line when the names of two are exchanged', async () => {
      const [first, second] = [await line(1), await line(2)];
      point(first);
      supervise();
      expect(await read(2000)).toBe(1);
      point(second);
      expect(await read(2000)).toBe(1);
      expect(second.requests).toHaveLength(0);
    });
  },
);
