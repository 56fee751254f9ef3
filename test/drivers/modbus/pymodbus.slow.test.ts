import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listeningPorts } from '../../support/sockets.ts';
import { noPymodbus, pymodbusPython } from '../../support/pymodbus.ts';
import { noSocat } from '../../simulators/rtu-line.ts';

/**
 * Profiles, registers and values come from three sides: the profile from the maker's manual, the registers from a second source, and the server that holds
 * them from strangers. Nothing here is computed by our decoder or encoder.
 */

const missing = noPymodbus ?? noSocat;
const cases = resolve('test/cases/profiles');
const names = readdirSync(cases)
  .filter((file) => file.endsWith('.csv'))
  .map((file) => basename(file, '.csv'))
  .toSorted();

interface Value {
  readonly device: string;
  readonly point: string;
  readonly value: number | null;
  readonly quality: string;
}

/** What the second sources say, as readings would. */
const expected: readonly Value[] = names.flatMap((device) => {
  const [, head = '', ...rows] = readFileSync(join(cases, `${device}.csv`), 'utf8')
    .trimEnd()
    .split('\n');
  const [pointAt, valueAt] = ['point', 'value'].map((key) => head.split(',').indexOf(key));
  return rows.map((row) => {
    const cells = row.split(',');
    return { device, point: cells[pointAt ?? 0] ?? '', value: Number(cells[valueAt ?? 0]), quality: 'good' };
  });
});

/** Of the points that the second sources know, in their order. */
function known(readings: readonly Value[]): Value[] {
  const byName = new Map(readings.map((each) => [`${each.device}/${each.point}`, each]));
  return expected.flatMap(({ device, point }) => {
    const { value = null, quality = 'none' } = byName.get(`${device}/${point}`) ?? {};
    return [{ device, point, value, quality }];
  });
}

/** What the profile wants seldom, at the pace of the test. */
function sooner(name: string): { name: string; every: string }[] {
  const profile = JSON.parse(readFileSync(resolve('drivers/modbus/profiles', `${name}.json`), 'utf8')) as {
    points: { name: string; every?: string }[];
  };
  return profile.points.flatMap(({ name: point, every }) =>
    every === undefined ? [] : [{ name: point, every: '10s' }],
  );
}

const readings = new Set(['meter-readings', 'sensor-values']);
const records = (lines: string): Record<string, unknown>[] =>
  lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe.skipIf(missing !== undefined)(
  `pymodbus with the registers of all built-in profiles${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let folder: string;
    const children: ChildProcess[] = [];

    beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'sluice-pymodbus-'))));
    afterEach(async () => {
      for (const child of children.splice(0)) await ended(child);
      rmSync(folder, { recursive: true, force: true });
    });

    async function ended(child: ChildProcess): Promise<void> {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    }

    /** Resolves with its process id. */
    async function serve(...argv: string[]): Promise<number> {
      const child = spawn(pymodbusPython, ['test/simulators/pymodbus-meters.py', ...argv], {
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      children.push(child);
      let told = '';
      child.stderr.on('data', (text: Buffer) => (told += text.toString()));
      await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
      if (child.exitCode !== null || child.pid === undefined) throw new Error(`pymodbus did not start:\n${told}`);
      return child.pid;
    }

    /** The settings of a connection to a server of this kind, which runs. */
    async function connected(driver: string, ...how: string[]): Promise<Record<string, unknown>> {
      if (driver !== 'modbus-rtu') {
        const pid = await serve(driver.slice('modbus-'.length), '127.0.0.1', '0', ...how);
        return { driver, host: '127.0.0.1', port: listeningPorts(pid)[0] };
      }
      const [path, far] = [join(folder, 'near'), join(folder, 'far')];
      children.push(spawn('socat', ['-T', '120', `pty,raw,echo=0,link=${path}`, `pty,raw,echo=0,link=${far}`]));
      for (let tries = 0; !(existsSync(path) && existsSync(far)); tries++) {
        if (tries > 500) throw new Error('socat made no pair');
        await sleep(10);
      }
      await serve('rtu', far, ...how);
      return { driver, path, baudRate: 115_200, parity: 'none' };
    }

    /** One meter per profile on the connection. */
    function site(connection: Record<string, unknown>): string {
      const file = join(folder, 'sluice.json');
      const config = {
        version: 1,
        gateway: 'ps-12',
        site: { id: 's', timezone: 'UTC' },
        stateDir: join(folder, 'state'),
        connections: { link: { ...connection, every: '10s' } },
        devices: names.map((id, index) => ({
          id,
          connection: 'link',
          unitId: index + 1,
          profile: id,
          points: sooner(id),
        })),
        uplink: { file: { path: join(folder, 'out') } },
      };
      writeFileSync(file, JSON.stringify(config));
      return file;
    }

    function sluice(...argv: string[]): { child: ChildProcess; done: Promise<{ stdout: string; stderr: string }> } {
      const child = spawn(process.execPath, ['agent/main.ts', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
      children.push(child);
      const said = { stdout: '', stderr: '' };
      child.stdout.on('data', (text: Buffer) => (said.stdout += text.toString()));
      child.stderr.on('data', (text: Buffer) => (said.stderr += text.toString()));
      return { child, done: once(child, 'close').then(() => said) };
    }

    it('all profiles have a table', () => {
      expect(names.length).toBeGreaterThanOrEqual(27);
      expect(expected.length).toBeGreaterThan(300);
    });

    it.each(['modbus-tcp', 'modbus-rtu-over-tcp', 'modbus-rtu'])(
      'is read right by the command: %s',
      async (driver) => {
        const { done } = sluice('read', site(await connected(driver)), '--json');
        const { stdout, stderr } = await done;
        const seen = records(stdout).map((each) => each['value'] as Value);
        expect({ stderr, seen: known(seen) }).toEqual({ stderr: '', seen: expected });
      },
      60_000,
    );

    it('is read right where every other register is refused', async () => {
      const { done } = sluice('read', site(await connected('modbus-tcp', 'only')), '--json');
      const seen = records((await done).stdout).map((each) => each['value'] as Value);
      expect(known(seen)).toEqual(expected);
      // Whatever the second source does not know is refused, and said to be.
      expect(seen.filter(({ quality }) => quality !== 'good').length).toBeGreaterThan(20);
    }, 60_000);

    it.each(['modbus-tcp', 'modbus-rtu-over-tcp', 'modbus-rtu'])(
      'is read right by the daemon, into the records it sends: %s',
      async (driver) => {
        const { child, done } = sluice('run', site(await connected(driver)));
        const out = join(folder, 'out');
        const sent = (): Value[] => {
          const lines = existsSync(out) ? records(readFileSync(out, 'utf8').replace(/[^\n]*$/, '')) : [];
          return lines.filter(({ topic }) => readings.has(String(topic))).map((each) => each['value'] as Value);
        };
        // A slot that a busy machine could not read in its time is bad; the next one tells.
        const all = (): boolean => known(sent()).every(({ quality }) => quality === 'good');
        for (const from = Date.now(); !all() && Date.now() - from < 40_000;) await sleep(100);
        child.kill('SIGTERM');
        await done;
        const bad = sent().filter(({ quality }) => quality === 'bad');
        if (bad.length > 0) console.log(`${bad.length} were bad, the first:`, bad[0]);
        expect(known(sent())).toEqual(expected);
      },
      60_000,
    );
  },
);
