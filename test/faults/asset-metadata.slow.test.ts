import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { destinations, topicsOf } from '../../agent/uplink/topics.ts';
import type { Destination } from '../../agent/uplink/uplink.ts';
import { patience, rows, startConsumer, stop } from '../deploy/consumers-support.ts';
import { startCountingServer } from '../simulators/modbus-raw-server.ts';
import type { CountingServer } from '../simulators/modbus-raw-server.ts';
import { noKafka, readTopic, temporaryBroker } from '../support/kafka.ts';
import { Daemon } from './daemon.ts';

/** Device → serial number: what must be in the register in the end. */
type Site = Readonly<Record<string, string>>;

const names = Object.fromEntries(destinations.map((stream) => [stream, stream])) as Record<Destination, string>;
/** Compacted within seconds, so that what is read at the end is what compaction left. */
const compactedSoon = { 'segment.ms': '200', 'min.cleanable.dirty.ratio': '0.001' };
const topics = topicsOf(names, { partitions: 2, replicationFactor: 1 }).map((topic) =>
  topic.stream === 'asset-metadata' ? { ...topic, config: { ...topic.config, ...compactedSoon } } : topic,
);

describe.skipIf(noKafka !== undefined)('devices removed, renamed and added again', () => {
  let folder: string;
  let broker: Awaited<ReturnType<typeof temporaryBroker>>;
  let meters: CountingServer;
  let daemon: Daemon;
  let register: ChildProcess;
  let db: string;
  const registers: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-assets-'));
    broker = await temporaryBroker({ topics, settings: { 'log.cleaner.backoff.ms': '300' } });
    meters = await startCountingServer({ units: [1], registers: 10 });
    daemon = new Daemon(folder, config({}));
    db = join(folder, 'register.db');
    register = startRegister(db);
  }, 90_000);
  afterAll(async () => {
    await daemon?.end('SIGKILL');
    for (const child of registers) await stop(child, 'SIGKILL');
    await meters?.close();
    await broker?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  function startRegister(file: string): ChildProcess {
    const child = startConsumer('asset-register', '--brokers', broker.bootstrap, '--db', file, '--group', file);
    registers.push(child);
    return child;
  }
  function config(site: Site): Record<string, unknown> {
    return {
      gateway: 'ps-12',
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meters.port } },
      devices: Object.entries(site).map(([id, serial]) => ({
        id,
        connection: 'panel',
        unitId: 1,
        asset: { serial },
        points: [{ name: 'polls', unit: '1', address: 0, type: 'uint32', every: '1s' }],
      })),
      buffer: { commitEvery: '50ms' },
      uplink: { kafka: { brokers: [broker.bootstrap] } },
    };
  }
  const inRegister = (file = db): Site =>
    Object.fromEntries(rows(file, 'select device, serial from assets') as [string, string][]);
  async function becomes(site: Site): Promise<void> {
    await expect.poll(() => inRegister(), patience).toEqual(site);
  }
  /** As a person would: writes the file and sends SIGHUP. */
  function reload(site: Site): void {
    daemon.rewrite(config(site));
    daemon.hangup();
  }

  it('ends right with the daemon on', async () => {
    daemon.rewrite(config({ 'EM-1': 'a', 'EM-2': 'b' }));
    daemon.start();
    await becomes({ 'EM-1': 'a', 'EM-2': 'b' });
    reload({ 'EM-1': 'a' });
    await becomes({ 'EM-1': 'a' });
    expect(rows(db, 'select device, serial from removed_assets')).toEqual([['EM-2', 'b']]);
    reload({ 'EM-1A': 'a' });
    await becomes({ 'EM-1A': 'a' });
    reload({ 'EM-1A': 'a', 'EM-2': 'b' });
    await becomes({ 'EM-1A': 'a', 'EM-2': 'b' });
    expect(rows(db, 'select device from removed_assets')).toEqual([['EM-1']]);
  }, 90_000);

  it('ends right with the broker away', async () => {
    await broker.stop();
    reload({ 'EM-1A': 'a', 'EM-3': 'c' });
    await sleep(1_000);
    reload({ 'EM-1A': 'a', 'EM-2': 'another', 'EM-3': 'c' });
    await sleep(1_000);
    await broker.start();
    await becomes({ 'EM-1A': 'a', 'EM-2': 'another', 'EM-3': 'c' });
    expect(rows(db, `select last_removed_at is null from assets where device = 'EM-2'`)).toEqual([[0]]);
  }, 90_000);

  it('ends right with the daemon off', async () => {
    expect(await daemon.end('SIGTERM')).toBe(0);
    daemon.rewrite(config({ 'EM-1': 'a', 'EM-2': 'another' }));
    daemon.start();
    await becomes({ 'EM-1': 'a', 'EM-2': 'another' });
  }, 90_000);

  it('ends right with kill -9 while it is being said', async () => {
    for (let kill = 0; kill < 10; kill++) {
      await daemon.end('SIGKILL');
      daemon.rewrite(config(kill % 2 === 0 ? { 'EM-1': `a${kill}` } : { 'EM-2': 'b', [`EM-${kill}`]: 'd' }));
      const before = daemon.log.length;
      daemon.start();
      // What is announced is committed a second after the start, within some 50 ms.
      await expect.poll(() => daemon.log.slice(before), { timeout: 20_000, interval: 10 }).toContain('"event":"start"');
      await sleep(1_000 + kill * 15);
    }
    await daemon.end('SIGKILL');
    daemon.rewrite(config({ 'EM-1': 'a', 'EM-4': 'e' }));
    daemon.start();
    await becomes({ 'EM-1': 'a', 'EM-4': 'e' });
    expect(await daemon.end('SIGTERM')).toBe(0);
    await sleep(1_000);
    expect(inRegister()).toEqual({ 'EM-1': 'a', 'EM-4': 'e' });
  }, 120_000);

  it('leaves in the compacted topic what a consumer needs that never read it before', async () => {
    const ever = Number(rows(db, 'select count(*) from records')[0]?.toString());
    // Compaction begins behind the segment that is being written: something must come to roll it.
    daemon.rewrite(config({ 'EM-1': 'a', 'EM-4': 'e', 'EM-5': 'f' }));
    daemon.start();
    await becomes({ 'EM-1': 'a', 'EM-4': 'e', 'EM-5': 'f' });
    await expect
      .poll(async () => (await readTopic(broker.bootstrap, 'asset-metadata')).length, {
        timeout: 30_000,
        interval: 2_000,
      })
      .toBeLessThan(ever);
    const newest = new Map((await readTopic(broker.bootstrap, 'asset-metadata')).map(({ key, value }) => [key, value]));
    const current = [...newest].flatMap(([key, value]) =>
      value === null || key?.includes('@') === true
        ? []
        : [JSON.parse(value) as { device: string; serial: string; map: string }],
    );
    expect(Object.fromEntries(current.map(({ device, serial }) => [device, serial]))).toEqual({
      'EM-1': 'a',
      'EM-4': 'e',
      'EM-5': 'f',
    });
    for (const { device, map } of current) expect(newest.get(`ps-12/${device}@${map}`)).toContain('"address":0');
    const late = join(folder, 'late.db');
    startRegister(late);
    await expect.poll(() => inRegister(late), patience).toEqual({ 'EM-1': 'a', 'EM-4': 'e', 'EM-5': 'f' });
    // Maps of devices that are long gone are kept for ever.
    const maps = 'select count(distinct map) from registers';
    await expect.poll(() => rows(late, maps), patience).toEqual(rows(db, maps));
    expect(await stop(register)).toBe(0);
  }, 90_000);
});
