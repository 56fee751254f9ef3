import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holdersOf, holdersText } from '../../../drivers/modbus/port-holders.ts';
import { honestRtu, noSocat, startRtuLine } from '../../simulators/rtu-line.ts';
import type { RtuLine } from '../../simulators/rtu-line.ts';
import { run, runWith } from '../../support/command-line.ts';
import { noPython } from '../../support/python.ts';

const missing = noSocat ?? noPython;

describe.skipIf(missing !== undefined)(
  `a serial port that another program has open${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let folder: string;
    let line: RtuLine;
    let path: string;
    const holders: ChildProcess[] = [];

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sluice-holders-'));
      line = await startRtuLine(honestRtu);
      path = join(folder, 'by-id');
      symlinkSync(line.path, path);
    });
    afterEach(async () => {
      for (const holder of holders) await letGo(holder);
      holders.length = 0;
      await line.close();
      rmSync(folder, { recursive: true, force: true });
    });

    async function hold(how: 'open' | 'lock' | 'exclusive'): Promise<ChildProcess> {
      const holder = spawn('python3', ['test/simulators/port-holder.py', line.path, how], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      holders.push(holder);
      if (holder.stdout !== null) await once(holder.stdout, 'data');
      return holder;
    }

    async function letGo(holder: ChildProcess): Promise<void> {
      if (holder.exitCode !== null || holder.signalCode !== null) return;
      const ended = once(holder, 'exit');
      holder.stdin?.end();
      await ended;
    }

    function site(): string {
      const file = join(folder, 'sluice.json');
      const config = {
        version: 1,
        gateway: 'ps-12',
        site: { id: 's', timezone: 'UTC' },
        stateDir: join(folder, 'state'),
        connections: { bus: { driver: 'modbus-rtu', path, timeout: '300ms' } },
        devices: [
          {
            id: 'FT-7',
            connection: 'bus',
            unitId: 7,
            points: [{ name: 'flow', unit: 'm3/h', address: 3, every: '1s' }],
          },
        ],
        uplink: { file: { path: join(folder, 'out') } },
      };
      writeFileSync(file, JSON.stringify(config));
      return file;
    }

    const told = (holder: ChildProcess): string => `python3 port-holder.py (pid ${holder.pid}) has it open`;

    it.each(['open', 'lock', 'exclusive'] as const)(
      'is opened by no command, which says who has it: %s',
      async (how) => {
        const holder = await hold(how);
        const url = `modbus+rtu://${path}`;
        for (const argv of [
          ['read', site()],
          ['probe', `${url}/7?address=3`],
          ['scan', url, '--units', '7'],
        ]) {
          const { code, stdout, stderr } = await run(...argv);
          expect({ argv, code, said: `${stdout}${stderr}` }).toEqual({
            argv,
            code: 1,
            said: expect.stringContaining(`${path} cannot be opened: ${told(holder)}`),
          });
        }
        expect(line.requests).toHaveLength(0);
        await letGo(holder);
        expect(await run('probe', `${url}/7?address=3`)).toMatchObject({ code: 0 });
      },
    );

    it('is waited for by the daemon, which says who has it', async () => {
      const holder = await hold('open');
      const stop = new AbortController();
      let log = '';
      const stderr = { write: (text: string) => void (log += text) };
      const out = join(folder, 'out');
      const daemon = runWith({ signal: stop.signal, stderr, stdout: stderr }, 'run', site());
      await expect.poll(() => log, { timeout: 15_000 }).toContain(told(holder));
      expect(line.requests).toHaveLength(0);
      await letGo(holder);
      await expect.poll(() => line.requests.length, { timeout: 15_000 }).toBeGreaterThan(0);
      stop.abort();
      expect(await daemon).toMatchObject({ code: 0 });
      expect(existsSync(out)).toBe(true);
    }, 45_000);

    it('is known by what it is, not by its name; nobody else is named, and not this process', async () => {
      expect(await holdersOf(path)).toEqual([]);
      const [first, second] = [await hold('open'), await hold('open')];
      const seen = await holdersOf(path);
      expect(new Set(seen.map(({ pid }) => pid))).toEqual(new Set([first.pid, second.pid]));
      expect(holdersText(seen)).toMatch(
        /^python3 port-holder\.py \(pid \d+\) and python3 port-holder\.py \(pid \d+\)$/,
      );
      expect(await holdersOf('/nowhere')).toEqual([]);
      expect(await holdersOf('/dev/null')).not.toContainEqual(expect.objectContaining({ pid: process.pid }));
    });
  },
);
