import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../deploy/kafka/broker.ts';
import { startCountingServer } from '../simulators/modbus-raw-server.ts';
import type { CountingServer } from '../simulators/modbus-raw-server.ts';
import { noKafka, readTopic, temporaryBroker } from '../support/kafka.ts';
import { acceptedIds, gapsIn, judge } from './checker.ts';
import type { Delivered } from './checker.ts';
import { Daemon } from './daemon.ts';

const kills = 20;
const commitEveryMs = 200;
const pollEveryMs = 100;
const topics = ['meter-readings', 'sensor-values', 'gateway-events'];
const units = [1, 2, 3];

/** Seeded, so that a failing run can be made again: SLUICE_SEED. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe.skipIf(noKafka !== undefined)(`kill -9 at random moments, ${kills} times`, () => {
  let broker: Broker & { remove: () => Promise<void> };
  let meters: CountingServer;
  let daemon: Daemon;
  let delivered: (Delivered & { record: Record<string, unknown> })[];
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kill-'));
  const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
  const random = randomFrom(seed);

  beforeAll(async () => {
    console.log(`SLUICE_SEED=${seed}`);
    broker = await temporaryBroker({
      topics: topics.map((topic) => ({ topic, partitions: topic === 'gateway-events' ? 1 : 3 })),
    });
    meters = await startCountingServer({ units, registers: 10 });
    daemon = new Daemon(folder, {
      gateway: 'ps-12',
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meters.port } },
      devices: units.map((unitId) => ({
        id: `EM-${unitId}`,
        connection: 'panel',
        unitId,
        points: [
          { name: 'polls', unit: '1', address: 0, type: 'uint32', every: `${pollEveryMs}ms` },
          { name: 'energy', kind: 'counter', unit: 'kWh', address: 2, type: 'uint32', every: '1s' },
        ],
      })),
      buffer: { commitEvery: `${commitEveryMs}ms` },
      uplink: { kafka: { brokers: [broker.bootstrap] } },
    });
    for (let kill = 0; kill < kills; kill++) {
      daemon.start();
      await sleep(50 + random() * 1950);
      await daemon.end('SIGKILL');
    }
    daemon.start();
    await sleep(3_000);
    expect(await daemon.end('SIGTERM')).toBe(0);
    delivered = [];
    for (const topic of topics)
      for (const { partition, key, value } of await readTopic(broker.bootstrap, topic))
        delivered.push({
          place: `${topic}/${partition}`,
          key: key ?? '',
          value: value ?? '',
          record: JSON.parse(value ?? '{}') as Record<string, unknown>,
        });
  }, 180_000);

  afterAll(async () => {
    await daemon?.end('SIGKILL');
    await meters?.close();
    await broker?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('delivers every accepted sequence number, repeats only what is marked, and keeps the order of each device', () => {
    const verdict = judge(acceptedIds(daemon.tap(), 'ps-12'), delivered);
    console.log({ ...verdict, lost: verdict.lost.length });
    expect(verdict.accepted).toBeGreaterThan(kills * 5);
    expect(verdict.lost).toEqual([]);
    expect(verdict.altered).toEqual([]);
    expect(verdict.disordered).toEqual([]);
  });

  it('misses only polls of the last commitEvery before a kill', () => {
    for (const unitId of units) {
      const ofUnit = delivered.filter(
        ({ record }) => record['device'] === `EM-${unitId}` && record['point'] === 'polls',
      );
      const good = ofUnit.filter(({ record }) => record['quality'] === 'good');
      const epochOf = new Map(good.map(({ record }) => [Number(record['value']), String(record['id']).split('/')[1]]));
      const gaps = gapsIn([...epochOf.keys()]);
      // Polls of all points at the same slot are one request, an attempt under way at the kill is served and never seen.
      const most = Math.ceil(commitEveryMs / pollEveryMs) * 2 + 3;
      for (const gap of gaps) {
        expect(gap.missing, `EM-${unitId} after poll ${gap.after}`).toBeLessThanOrEqual(most);
        expect(epochOf.get(gap.after), `EM-${unitId} after poll ${gap.after}: a gap without a kill`).not.toBe(
          epochOf.get(gap.before),
        );
      }
    }
  });

  it('answers no slot of a counter twice', () => {
    const slots = new Map<string, string>();
    for (const { record } of delivered.filter((one) => one.record['kind'] === 'counter')) {
      const slot = `${String(record['device'])} ${String(record['slot'])}`;
      const id = String(record['id']);
      expect(slots.get(slot) ?? id, slot).toBe(id);
      slots.set(slot, id);
    }
    expect(slots.size).toBeGreaterThan(units.length * 5);
  });
});
