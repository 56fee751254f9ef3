import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { StatusPage } from '../../agent/status/page.ts';
import { freePort } from '../../deploy/kafka/broker.ts';
import { temporaryBroker } from '../support/kafka.ts';
import type { Seen } from './meters.ts';
import { figuresOf } from './process-figures.ts';
import type { ProcessFigures } from './process-figures.ts';

const main = fileURLToPath(new URL('../../dist/agent/main.js', import.meta.url));
const metersProgram = fileURLToPath(new URL('./meters.ts', import.meta.url));
type TemporaryBroker = Awaited<ReturnType<typeof temporaryBroker>>;

/** A broker loaded by a whole bench still answers within this. */
const stopMs = 20_000;

export interface BenchOptions {
  /** Where buffers are written: a real file system. */
  readonly dir: string;
  /** For the daemon alone, e.g. `--cpu-prof`. */
  readonly nodeOptions: readonly string[];
}

export interface SiteOptions extends BenchOptions {
  readonly meters: number;
  readonly pointsEach: number;
  readonly every: string;
}

/** Real broker, meters in a process of their own, and the daemon from `dist/`, not yet started. */
export class BenchSite {
  readonly folder: string;
  readonly bootstrap: string;
  readonly #options: SiteOptions;
  readonly #broker: TemporaryBroker;
  readonly #meters: ChildProcess;
  readonly #status: string;
  #daemon: ChildProcess | null = null;
  #log = '';

  private constructor(
    options: SiteOptions,
    folder: string,
    broker: TemporaryBroker,
    meters: ChildProcess,
    status: string,
  ) {
    this.#options = options;
    this.folder = folder;
    this.bootstrap = broker.bootstrap;
    this.#broker = broker;
    this.#meters = meters;
    this.#status = status;
  }

  static async start(options: SiteOptions): Promise<BenchSite> {
    const topics = ['meter-readings', 'sensor-values', 'gateway-events', 'asset-metadata', 'gateway-status'];
    const broker = await temporaryBroker({ topics: topics.map((topic) => ({ topic, partitions: 3 })) });
    const folder = mkdtempSync(join(options.dir, 'sluice-bench-'));
    const meters = fork(metersProgram, [String(options.meters)], { execArgv: [] });
    const [{ ports }] = (await once(meters, 'message')) as [{ ports: number[] }];
    const listen = `127.0.0.1:${await freePort()}`;
    const points = Array.from({ length: options.pointsEach }, (_, at) => ({
      name: `value_${at + 1}`,
      unit: 'V',
      type: 'float32',
      address: at * 2,
    }));
    writeFileSync(
      join(folder, 'sluice.json'),
      JSON.stringify({
        version: 1,
        gateway: 'ps-12',
        site: { id: 'PS12' },
        connections: Object.fromEntries(
          ports.map((port, at) => [`line-${at + 1}`, { driver: 'modbus-tcp', host: '127.0.0.1', port }]),
        ),
        profiles: { meter: { points } },
        devices: ports.map((_, at) => ({
          id: `EM-${at + 1}`,
          connection: `line-${at + 1}`,
          unitId: 1,
          profile: 'meter',
          every: options.every,
        })),
        stateDir: join(folder, 'state'),
        buffer: { maxSize: '2GB' },
        uplink: { kafka: { brokers: [broker.bootstrap] } },
        status: { listen },
      }),
    );
    return new BenchSite(options, folder, broker, meters, `http://${listen}/status.json`);
  }

  /** The folder of its buffer. */
  get buffer(): string {
    return join(this.folder, 'state', 'buffer');
  }

  /** Starts the daemon; gives the instant just before, Unix ms. */
  startDaemon(): number {
    const startedMs = performance.timeOrigin + performance.now();
    const daemon = spawn(
      process.execPath,
      [...this.#options.nodeOptions, ...builtSluice(), 'run', join(this.folder, 'sluice.json')],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    this.#daemon = daemon;
    return startedMs;
  }

  figures(): ProcessFigures {
    return figuresOf(this.#running().pid ?? 0);
  }

  async status(): Promise<StatusPage> {
    this.#running();
    return (await (await fetch(this.#status)).json()) as StatusPage;
  }

  /** What the meters saw since they were asked last. */
  async seen(): Promise<Seen> {
    this.#meters.send('seen');
    const [seen] = (await once(this.#meters, 'message')) as [Seen];
    return seen;
  }

  async stopDaemon(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = null;
    if (daemon === null || daemon.exitCode !== null) return;
    const ended = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    const late = new AbortController();
    const kill = sleep(stopMs, undefined, { signal: late.signal }).then(
      () => daemon.kill('SIGKILL'),
      () => false,
    );
    await ended;
    late.abort();
    await kill;
  }

  async remove(): Promise<void> {
    await this.stopDaemon();
    this.#meters.disconnect();
    await this.#broker.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #running(): ChildProcess {
    if (this.#daemon === null || this.#daemon.exitCode !== null)
      throw new Error(`the daemon is not running; it said:\n${this.#log}`);
    return this.#daemon;
  }
}

/** The program as it is shipped, with the options that the first line of it hands to Node when it is run as `sluice`. */
export function builtSluice(): string[] {
  const [first = ''] = readFileSync(main, 'utf8').split('\n', 1);
  return [...first.split(' ').filter((word) => word.startsWith('--')), main];
}
