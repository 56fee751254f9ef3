import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Plant } from '../drivers/opcua/plant.ts';
import type { Maker } from '../drivers/opcua/plant.ts';
import { Daemon } from './daemon.ts';

interface Delivered {
  readonly point: string;
  readonly value: number | null;
  readonly quality: string;
  readonly status: string;
  readonly slot: string | null;
  readonly time: string;
}

const node = (name: string): string => `nsu=urn:site:plc;s=${name}`;
const points = [
  { name: 'ticks', unit: '1', nodeId: node('Ticks'), every: '200ms', publishingInterval: '200ms' },
  { name: 'still', unit: '1', nodeId: node('T.Double'), every: '1s' },
  { name: 'total', kind: 'counter', unit: '1', nodeId: node('Ticks'), every: '1s' },
  { name: 'level', unit: '1', nodeId: node('Level'), every: '100ms', mode: 'poll' },
];

/** A daemon with one OPC UA server of another maker, and a file for an uplink. */
export class PlantSite {
  readonly plant: Plant;
  readonly daemon: Daemon;
  readonly #folder: string;
  readonly #out: string;

  private constructor(plant: Plant, folder: string, port: number) {
    this.plant = plant;
    this.#folder = folder;
    this.#out = join(folder, 'out.ndjson');
    this.daemon = new Daemon(folder, {
      gateway: 'ps-12',
      connections: { plc: { driver: 'opcua', endpoint: `opc.tcp://127.0.0.1:${port}` } },
      devices: [{ id: 'PLC', connection: 'plc', points }],
      buffer: { commitEvery: '200ms' },
      uplink: { file: { path: this.#out } },
    });
  }

  /** `portFor`: what lies between, if anything does. `env`: the daemon's, beside that of the test. */
  static async start(
    maker: Maker,
    portFor: (port: number) => number = (port) => port,
    env: Readonly<Record<string, string>> = {},
  ): Promise<PlantSite> {
    const plant = await Plant.start(maker);
    const site = new PlantSite(plant, mkdtempSync(join(tmpdir(), 'sluice-plant-')), portFor(plant.port));
    site.daemon.start(env);
    return site;
  }

  delivered(): Delivered[] {
    if (!existsSync(this.#out)) return [];
    return readFileSync(this.#out, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { value: Delivered | null }).value)
      .filter((value): value is Delivered => typeof value?.point === 'string' && value.quality !== undefined);
  }

  /** After how many ms every point has delivered a good value behind the first `from` readings; rejects after `withinMs`. */
  async allDeliver(from: number, withinMs: number): Promise<number> {
    const beganMs = performance.now();
    for (;;) {
      const good = new Set(
        this.delivered()
          .slice(from)
          .flatMap(({ point, quality }) => (quality === 'good' ? point : [])),
      );
      const tookMs = Math.round(performance.now() - beganMs);
      if (good.size === points.length) return tookMs;
      if (tookMs > withinMs)
        throw new Error(
          `${points
            .map(({ name }) => name)
            .filter((name) => !good.has(name))
            .join(', ')}: nothing good within ${withinMs} ms\n${this.daemon.log.slice(-2_000)}`,
        );
      await sleep(100);
    }
  }

  /** What was wrong with all that was delivered: a number under a bad status, a slot twice or missing, ticks that go back within one life of the server. */
  wrong(): string[] {
    const all = this.delivered();
    const lies = all.filter(({ quality, value }) => quality === 'bad' && value !== null);
    const slots = all.flatMap(({ point, slot }) => (point === 'total' && slot !== null ? Date.parse(slot) : []));
    const twice = slots.length - new Set(slots).size;
    const sorted = slots.toSorted((a, b) => a - b);
    const missing = sorted.slice(1).filter((at, index) => at - (sorted[index] ?? 0) !== 1_000).length;
    return [
      ...(lies.length > 0 ? [`${lies.length} numbers under a bad status`] : []),
      ...(twice > 0 ? [`${twice} slots of the counter twice`] : []),
      ...(missing > 0 ? [`${missing} gaps between the slots of the counter`] : []),
    ];
  }

  async remove(): Promise<void> {
    await this.daemon.end('SIGKILL');
    await this.plant.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
