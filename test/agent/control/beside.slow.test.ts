import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../../faults/daemon.ts';
import { honestRtu, noSocat, startRtuLine } from '../../simulators/rtu-line.ts';
import type { RtuLine } from '../../simulators/rtu-line.ts';

/** The full minute: SLUICE_BESIDE_S=60. */
const besideMs = Number(process.env['SLUICE_BESIDE_S'] ?? 20) * 1000;
const meters = 10;
const everyMs = 5000;
const withinMs = 2500;

/** A start bit, 8 data bits, parity and a stop bit at 9600 baud. */
const characterMs = 11_000 / 9600;
const thinkMs = 5;

interface Delivered {
  readonly topic: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Command {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sluice(...argv: string[]): Promise<Command> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['agent/main.ts', ...argv], { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : null, stdout, stderr });
    });
  });
}

const records = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** What the line says for two registers from 0 on. */
const totalOf = (unit: number): number => (unit << 8) * 65_536 + ((unit << 8) | 1);
const flowOf = (unit: number): number => (unit << 8) | 8;

describe.skipIf(noSocat !== undefined)(
  `read, scan and probe beside the daemon on a line of 9600 baud${noSocat === undefined ? '' : ` (skipped: ${noSocat})`}`,
  () => {
    let folder: string;
    let line: RtuLine;
    let daemon: Daemon;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sluice-beside-'));
      // The time of the request on the wire, of the device, and of the answer.
      line = await startRtuLine(async (request, send) => {
        if (request.unitId > meters || request.functionCode > 4) return;
        await sleep((request.bytes.length + 5 + request.count * 2) * characterMs + thinkMs);
        honestRtu(request, send);
      });
      daemon = new Daemon(folder, {
        gateway: 'ps-12',
        site: { id: 's', timezone: 'UTC' },
        connections: { bus: { driver: 'modbus-rtu', path: line.path, baudRate: 9600, timeout: '500ms' } },
        devices: Array.from({ length: meters }, (_, index) => ({
          id: `M${index + 1}`,
          connection: 'bus',
          unitId: index + 1,
          points: [
            { name: 'total', kind: 'counter', unit: 'kW.h', address: 0, type: 'uint32', every: '5s', within: '2500ms' },
            { name: 'flow', unit: 'm3/h', address: 8, every: '5s' },
          ],
        })),
        uplink: { file: { path: join(folder, 'out') } },
      });
    });
    afterEach(async () => {
      await daemon.end('SIGKILL');
      await line.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it(
      'no slot of a counter is missed or late, and every command gets the right numbers',
      async () => {
        daemon.start();
        for (let tries = 0; !existsSync(join(folder, 'state', 'control.sock')); tries++) {
          if (tries > 500) throw new Error(`the daemon does not listen:\n${daemon.log}`);
          await sleep(20);
        }
        await sleep(1000);
        const file = join(folder, 'sluice.json');
        const url = `modbus+rtu://${line.path}`;
        const fromMs = Math.ceil(Date.now() / everyMs) * everyMs;
        const untilMs = fromMs + besideMs;
        const runs = { read: 0, scan: 0, probe: 0 };

        const expectedReadings = Array.from({ length: meters }, (_, index) => [
          { device: `M${index + 1}`, point: 'total', value: totalOf(index + 1), status: 'Good' },
          { device: `M${index + 1}`, point: 'flow', value: flowOf(index + 1), status: 'Good' },
        ]).flat();
        async function reading(): Promise<void> {
          while (Date.now() < untilMs) {
            const { code, stdout, stderr } = await sluice('read', file, '--json');
            const seen = records(stdout).map((each) => {
              const { device, point, value, status } = each['value'] as Record<string, unknown>;
              return { device, point, value, status };
            });
            expect({ code, stderr, seen }).toEqual({ code: 0, stderr: '', seen: expectedReadings });
            runs.read++;
          }
        }
        async function scanning(): Promise<void> {
          while (Date.now() < untilMs) {
            const options = ['--units', `1-${meters + 2}`, '--config', file, '--json'];
            const scanned = await sluice('scan', `${url}?timeout=200ms`, ...options);
            const { line: through, devices } = JSON.parse(scanned.stdout) as {
              line: string;
              devices: { unitId: number; holding: string }[];
            };
            expect(through).toContain('through the daemon');
            expect(devices.map(({ unitId, holding }) => [unitId, holding])).toEqual(
              Array.from({ length: meters }, (_, index) => [index + 1, 'data']),
            );
            runs.scan++;
            const probed = await sluice('probe', `${url}/7?address=9&count=2`, '--config', file, '--json');
            expect(JSON.parse(probed.stdout)).toMatchObject({ raw: '0709 070a' });
            runs.probe++;
          }
        }
        await Promise.all([reading(), scanning()]);
        const endMs = Date.now();
        await sleep(withinMs + 500);
        expect(await daemon.end('SIGTERM')).toBe(0);

        const sent = records(readFileSync(join(folder, 'out'), 'utf8')) as unknown as Delivered[];
        const totals = sent.filter(({ topic }) => topic === 'meter-readings').map(({ value }) => value);
        const slots: number[] = [];
        for (let slotMs = fromMs; slotMs <= endMs; slotMs += everyMs) slots.push(slotMs);
        let latestMs = 0;
        for (let unit = 1; unit <= meters; unit++) {
          const mine = totals
            .filter(({ device }) => device === `M${unit}`)
            .map((each) => ({
              ...each,
              slotMs: Date.parse(String(each['slot'])),
              timeMs: Date.parse(String(each['time'])),
            }))
            .filter(({ slotMs }) => slotMs >= fromMs && slotMs <= endMs);
          expect({ unit, slots: mine.map(({ slotMs }) => slotMs) }).toEqual({ unit, slots });
          for (const { slotMs, timeMs, value, quality } of mine as unknown as (Record<string, unknown> & {
            slotMs: number;
            timeMs: number;
          })[]) {
            expect({ unit, slotMs, value, quality }).toEqual({ unit, slotMs, value: totalOf(unit), quality: 'good' });
            latestMs = Math.max(latestMs, timeMs - slotMs);
          }
        }
        console.log(
          `${besideMs / 1000} s: ${slots.length * meters} slots of counters, the latest ${latestMs} ms after its slot; ${JSON.stringify(runs)}`,
        );
        expect(latestMs).toBeLessThanOrEqual(withinMs);
        expect(Math.min(...Object.values(runs))).toBeGreaterThan(0);
      },
      besideMs + 120_000,
    );
  },
);
