import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { vi } from 'vitest';
import { exception, startCountingServer, startRawServer } from '../simulators/modbus-raw-server.ts';
import type { CountingServer, RawServer } from '../simulators/modbus-raw-server.ts';

/** Each writes one line when it is lost; together more than a pipe and the log's queue hold. */
const silentPanels = 14;
const devicesEach = 240;
const main = resolve('agent/main.ts');

/** A daemon, and how it ends. */
export interface Running {
  readonly pid: number;
  readonly exit: Promise<number>;
}

export interface Held extends Running {
  tell(word: 'read' | 'close'): void;
  log(): string;
}

/** One meter that counts its polls, and panels full of silent devices: a flood of lines for whoever reads the log. */
export class LogSite {
  static readonly silentPanels = silentPanels;
  static readonly silentDevices = silentPanels * devicesEach;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  readonly #config = join(this.#folder, 'sluice.json');
  readonly #meters: CountingServer;
  readonly #panels: readonly RawServer[];
  #child: ChildProcess | null = null;
  #running: number | undefined;

  private constructor(meters: CountingServer, panels: readonly RawServer[]) {
    this.#meters = meters;
    this.#panels = panels;
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
    const config = {
      version: 1,
      gateway: 'ps-12',
      connections: {
        living: connection(meters.port),
        ...Object.fromEntries(panels.map(({ port }, panel) => [`panel-${panel}`, connection(port)])),
      },
      devices: [{ id: 'EM-1', connection: 'living', unitId: 1, points: [{ ...point, every: '100ms' }] }, ...silent],
      stateDir: join(this.#folder, 'state'),
      uplink: { file: { path: join(this.#folder, 'out.ndjson') } },
    };
    writeFileSync(this.#config, JSON.stringify(config));
  }

  static async start(): Promise<LogSite> {
    const panels = Array.from({ length: silentPanels }, () =>
      // "Gateway target device failed to respond": lost without waiting for a timeout.
      startRawServer((request, peer) => peer.send(exception(request, 0x0b))),
    );
    return new LogSite(await startCountingServer({ units: [1], registers: 10 }), await Promise.all(panels));
  }

  /** The daemon, as a child of our own. */
  run(stdio: StdioOptions): Running {
    const child = spawn(process.execPath, [main, 'run', this.#config], { stdio });
    this.#child = child;
    return { pid: child.pid ?? 0, exit: once(child, 'close').then(([code]) => code as number) };
  }

  /** The daemon with a log whose reader sleeps. */
  async held(kind: 'pipe' | 'socket' | 'terminal'): Promise<Held> {
    const file = join(this.#folder, 'log');
    const script = resolve('test/simulators/sleeping-reader.py');
    const child = spawn('python3', [script, kind, file, process.execPath, main, 'run', this.#config], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    const word = (name: string): number | undefined => {
      const found = new RegExp(`^${name} (-?\\d+)$`, 'm').exec(said)?.[1];
      return found === undefined ? undefined : Number(found);
    };
    const exit = once(child, 'close').then(() => word('exit') ?? Number.NaN);
    await vi.waitUntil(() => word('pid') !== undefined, { timeout: 10_000 });
    this.#running = word('pid');
    return {
      pid: this.#running ?? 0,
      exit,
      tell: (command) => void child.stdin.write(`${command}\n`),
      log: () => readFileSync(file, 'utf8'),
    };
  }

  /** Every silent device was asked and told as lost, which is more than can be written, and the living one goes on being read. */
  async pollsOnAfterTheFlood(): Promise<void> {
    const least = (): number => Math.min(...this.#panels.map(({ requests }) => requests.length));
    const asked = least();
    // Each is asked twice: a gateway's word for silence is retried.
    await vi.waitUntil(() => least() - asked >= 2 * devicesEach, { timeout: 60_000 });
    await this.pollsOn();
  }

  /** The living meter goes on being read: rejects when it is not read three times more within 10 s. */
  async pollsOn(): Promise<void> {
    const started = this.#meters.polls(1);
    await vi.waitUntil(() => this.#meters.polls(1) > started, { timeout: 20_000 });
    await sleep(500);
    const polls = this.#meters.polls(1);
    await vi.waitUntil(() => this.#meters.polls(1) > polls + 2, { timeout: 10_000 });
  }

  async ended(daemon: Running): Promise<{ code: number; isInTime: boolean }> {
    const toldAt = performance.now();
    process.kill(daemon.pid, 'SIGTERM');
    const code = await daemon.exit;
    this.#running = undefined;
    return { code, isInTime: performance.now() - toldAt < 5_000 };
  }

  /** Ends what still runs. */
  kill(): void {
    this.#child?.kill('SIGKILL');
    if (this.#running !== undefined) process.kill(this.#running, 'SIGKILL');
    this.#running = undefined;
  }

  async remove(): Promise<void> {
    for (const server of [this.#meters, ...this.#panels]) await server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
