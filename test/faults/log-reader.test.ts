import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { exception, startCountingServer, startRawServer } from '../simulators/modbus-raw-server.ts';
import type { CountingServer, RawServer } from '../simulators/modbus-raw-server.ts';
import { noPython } from '../support/python.ts';

/** Each writes one line when it is lost; together more than a pipe and the log's queue hold. */
const silentPanels = 14;
const devicesEach = 240;

const main = resolve('agent/main.ts');
let folder: string;
let config: string;
let meters: CountingServer;
let panels: RawServer[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  config = join(folder, 'sluice.json');
  meters = await startCountingServer({ units: [1], registers: 10 });
  panels = await Promise.all(
    Array.from({ length: silentPanels }, () =>
      // "Gateway target device failed to respond": lost without waiting for a timeout.
      startRawServer((request, peer) => peer.send(exception(request, 0x0b))),
    ),
  );
  const point = { name: 'polls', unit: '1', address: 0, type: 'uint32' };
  const silent = panels.flatMap((_, panel) =>
    Array.from({ length: devicesEach }, (__, at) => ({
      id: `SILENT-${panel}-${at}`,
      connection: `panel-${panel}`,
      unitId: at + 1,
      points: [{ ...point, every: '1m' }],
    })),
  );
  const connection = (port: number): object => ({ driver: 'modbus-tcp', host: '127.0.0.1', port });
  writeFileSync(
    config,
    JSON.stringify({
      version: 1,
      gateway: 'ps-12',
      connections: {
        living: connection(meters.port),
        ...Object.fromEntries(panels.map(({ port }, panel) => [`panel-${panel}`, connection(port)])),
      },
      devices: [{ id: 'EM-1', connection: 'living', unitId: 1, points: [{ ...point, every: '100ms' }] }, ...silent],
      stateDir: join(folder, 'state'),
      uplink: { file: { path: join(folder, 'out.ndjson') } },
    }),
  );
});

afterAll(async () => {
  for (const server of [meters, ...panels]) await server.close();
  rmSync(folder, { recursive: true, force: true });
});

let holder: ChildProcess | null = null;
let running: number | undefined;
afterEach(() => {
  holder?.kill('SIGKILL');
  if (running !== undefined) process.kill(running, 'SIGKILL');
});

interface Held {
  readonly pid: number;
  readonly exit: Promise<number>;
  tell(word: 'read' | 'close'): void;
  log(): string;
}

/** The daemon with a log whose reader sleeps. */
async function held(kind: 'pipe' | 'socket' | 'terminal'): Promise<Held> {
  const file = join(folder, 'log');
  const script = resolve('test/simulators/sleeping-reader.py');
  const child = spawn('python3', [script, kind, file, process.execPath, main, 'run', config], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  holder = child;
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const word = (name: string): number | undefined => {
    const found = new RegExp(`^${name} (-?\\d+)$`, 'm').exec(said)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const exit = once(child, 'close').then(() => word('exit') ?? Number.NaN);
  await expect.poll(() => word('pid'), { timeout: 10_000 }).toBeDefined();
  running = word('pid');
  return {
    pid: running ?? 0,
    exit,
    tell: (command) => void child.stdin.write(`${command}\n`),
    log: () => readFileSync(file, 'utf8'),
  };
}

/** Every silent device was asked and told as lost, which is more than can be written, and the living one goes on being read. */
async function pollsOnAfterTheFlood(): Promise<number> {
  const least = (): number => Math.min(...panels.map(({ requests }) => requests.length));
  const asked = least();
  // Each is asked twice: a gateway's word for silence is retried.
  await expect.poll(() => least() - asked, { timeout: 30_000 }).toBeGreaterThanOrEqual(2 * devicesEach);
  return pollsOn();
}

/** Polls of the living meter in a second. */
async function pollsOn(): Promise<number> {
  const started = meters.polls(1);
  await expect.poll(() => meters.polls(1) - started, { timeout: 10_000 }).toBeGreaterThan(0);
  await sleep(500);
  const polls = meters.polls(1);
  await sleep(1_000);
  return meters.polls(1) - polls;
}

async function ended(daemon: Pick<Held, 'pid' | 'exit'>): Promise<{ code: number; isInTime: boolean }> {
  const toldAt = performance.now();
  process.kill(daemon.pid, 'SIGTERM');
  const code = await daemon.exit;
  running = undefined;
  return { code, isInTime: performance.now() - toldAt < 5_000 };
}

const inOrder = { code: 0, isInTime: true };

describe.skipIf(noPython !== undefined)('a log whose reader sleeps', () => {
  it.each(['pipe', 'terminal'] as const)(
    'holds up neither polling nor a stop: %s',
    async (kind) => {
      const daemon = await held(kind);
      expect(await pollsOnAfterTheFlood()).toBeGreaterThan(2);
      expect(await ended(daemon)).toEqual(inOrder);
    },
    60_000,
  );

  it('is whole again when the reader wakes, and says how many lines are missing: socket', async () => {
    const daemon = await held('socket');
    expect(await pollsOnAfterTheFlood()).toBeGreaterThan(2);
    daemon.tell('read');
    await expect.poll(() => daemon.log(), { timeout: 10_000 }).toMatch(/lines of this log are missing here/);
    expect(await ended(daemon)).toEqual(inOrder);
    const lines = daemon
      .log()
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    const missing = Number(/(\d+) lines of this log are missing/.exec(lines.join('\n'))?.[1]);
    const lost = lines.filter((line) => line.includes('does not answer')).length;
    expect(lost).toBeGreaterThan(100);
    // Besides them some lines about the configuration and about connections that opened.
    expect(missing + lost).toBeGreaterThanOrEqual(silentPanels * devicesEach);
    expect(missing + lost).toBeLessThanOrEqual(silentPanels * devicesEach + 3 * silentPanels + 5);
  }, 60_000);

  it('does not mind one who hangs up', async () => {
    const daemon = await held('pipe');
    daemon.tell('close');
    expect(await pollsOn()).toBeGreaterThan(2);
    expect(await ended(daemon)).toEqual(inOrder);
  }, 60_000);
});

describe('a log on a full disk', () => {
  it('holds up neither polling nor a stop', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [main, 'run', config], { stdio: ['ignore', 'ignore', full] });
    holder = child;
    closeSync(full);
    const exit = once(child, 'close').then(([code]) => code as number);
    expect(await pollsOn()).toBeGreaterThan(2);
    expect(await ended({ pid: child.pid ?? 0, exit })).toEqual(inOrder);
  }, 60_000);
});
