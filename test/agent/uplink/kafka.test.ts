import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startForwarder } from '../../../agent/forwarder/forwarder.ts';
import type { Clock } from '../../../agent/clock.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import { type KafkaConfig, kafkaUplink } from '../../../agent/uplink/kafka.ts';
import type { Destination } from '../../../agent/uplink/uplink.ts';
import { freePort } from '../../../deploy/kafka/broker.ts';
import { uplinkConformance } from '../../conformance/uplink.ts';
import { noKafka, readTopic, temporaryBroker } from '../../support/kafka.ts';
import { MemoryLane, kept } from '../../support/lane.ts';
import { pointInfo } from '../../support/readings.ts';
import { type Proxy, startProxy } from '../../support/proxy.ts';

type TemporaryBroker = Awaited<ReturnType<typeof temporaryBroker>>;

const never = new AbortController().signal;
const names = ['meter-readings', 'sensor-values', 'asset-metadata', 'gateway-events', 'gateway-status'] as const;

function settings(bootstrap: string, some: Partial<KafkaConfig> = {}): KafkaConfig {
  const topics = Object.fromEntries(names.map((name) => [name, name])) as Record<Destination, string>;
  return { brokers: [bootstrap], clientId: 'gw', tls: null, sasl: null, topics, compression: 'zstd', ...some };
}

const realTime: Clock = {
  now: () => ({ boot: 'b', bootMs: Math.round(performance.now()), wallMs: Date.now(), trust: 'synced' }),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  sleepUntil: (wallMs, signal) => sleep(wallMs - Date.now(), undefined, { signal }),
};

async function until(holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error('waited too long');
    await sleep(20);
  }
}

/** Two device ids whose keys lie on different partitions of two, as the Java client places them. */
const [onOne, onTwo] = ['EM-1', 'EM-5'] as const;

describe.skipIf(noKafka !== undefined)(
  `on a real broker${noKafka === undefined ? '' : ` (skipped: ${noKafka})`}`,
  () => {
    describe('one broker for all compressions:', () => {
      const compressions = ['none', 'gzip', 'zstd'] as const;
      let broker: TemporaryBroker;
      beforeAll(async () => {
        const topics = compressions.flatMap((compression) => names.map((name) => `${compression}.${name}`));
        broker = await temporaryBroker({ topics: topics.map((topic) => ({ topic, partitions: 2 })) });
      });
      afterAll(() => broker.remove());

      for (const compression of compressions) {
        const topics = Object.fromEntries(names.map((name) => [name, `${compression}.${name}`])) as Record<
          Destination,
          string
        >;
        uplinkConformance(`kafka (${compression})`, async () => ({
          uplinks: kafkaUplink(settings(broker.bootstrap, { compression, topics, sendTimeoutMs: 5000 })),
          stored: async (to) =>
            (await readTopic(broker.bootstrap, topics[to])).map((record) => ({
              ...record,
              topic: to,
              timestampMs: record.timestamp,
            })),
          break: () => broker.kill(),
          mend: () => broker.start(),
          remove: async () => undefined,
        }));
      }
    });

    describe('the kafka uplink', () => {
      let broker: TemporaryBroker;
      beforeAll(async () => {
        const small = { 'max.message.bytes': '3000', 'message.timestamp.before.max.ms': '3600000' };
        broker = await temporaryBroker({
          topics: [
            { topic: 'meter-readings', partitions: 2, config: small },
            { topic: 'sensor-values', partitions: 2 },
            { topic: 'gateway-events', partitions: 2 },
          ],
        });
      });
      afterAll(() => broker.remove());

      it('places keys where the Java client places them', async () => {
        // From org.apache.kafka.common.utils.UtilsTest: murmur2 of these, made positive, modulo 2.
        const known = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536 };
        const uplink = kafkaUplink(settings(broker.bootstrap))('test');
        await uplink.connect(never);
        const records = Object.keys(known).map((key) => ({ key, value: '{}', timestampMs: Date.now() }));
        await uplink.send('gateway-events', records, never);
        await uplink.close();
        const placed = Object.fromEntries(
          (await readTopic(broker.bootstrap, 'gateway-events')).map((one) => [one.key, one.partition]),
        );
        expect(placed).toEqual(
          Object.fromEntries(Object.entries(known).map(([key, hash]) => [key, (hash & 0x7fffffff) % 2])),
        );
      });

      it('poison, too large or of a refused time, goes alone: every good record on both partitions is read back', async () => {
        const lane = new MemoryLane();
        const old = Date.now() - 8 * 3_600_000;
        const noise = Array.from({ length: 4000 }, () => Math.random().toString(36).slice(2, 4)).join('');
        const seqs = Array.from({ length: 60 }, (_, index) => index + 1);
        lane.add(
          ...seqs.map((seq) =>
            kept(seq, {
              device: seq % 2 === 0 ? onOne : onTwo,
              timeMs: seq === 31 ? old : Date.now(),
              ...(seq === 20 ? { text: noise } : {}),
            }),
          ),
        );
        const events: string[] = [];
        const forwarder = startForwarder({
          lane: 'meter-readings',
          buffer: lane,
          uplinks: kafkaUplink(settings(broker.bootstrap)),
          encode: jsonEncoding(),
          clock: realTime,
          event: ({ event }) => void events.push(event),
          limits: { sendRecords: 16 },
        });
        await until(() => lane.waiting.length === 0);
        await forwarder.stop();
        expect(lane.rejected.map(({ entry, reason }) => [entry.seq, reason.split(':')[0]])).toEqual([
          [20, 'MESSAGE_TOO_LARGE'],
        ]);
        expect(events).toEqual(['dead-letter']);
        const stored = await readTopic(broker.bootstrap, 'meter-readings');
        expect(new Set(stored.map(({ partition }) => partition)).size).toBe(2);
        const delivered = stored.map(({ value, timestamp }) => ({
          ...(JSON.parse(value ?? '') as { value: number; time: string }),
          timestamp,
        }));
        expect(new Set(delivered.map(({ value }) => value))).toEqual(new Set(seqs.filter((seq) => seq !== 20)));
        const dated = delivered.find(({ value }) => value === 31);
        expect(dated?.time).toBe(new Date(old).toISOString());
        expect(Date.now() - (dated?.timestamp ?? 0)).toBeLessThan(60_000);
      });

      it('a producer that failed in one partition is spent: what follows is written by a fresh one, not acked and lost', async () => {
        const uplinks = kafkaUplink(settings(broker.bootstrap));
        const uplink = uplinks('test');
        await uplink.connect(never);
        const before = (await readTopic(broker.bootstrap, 'meter-readings')).length;
        const good = { key: `ps-12/${onOne}`, value: '"good"', timestampMs: Date.now() };
        const bad = { key: `ps-12/${onTwo}`, value: '"bad"', timestampMs: 1 };
        await expect(uplink.send('meter-readings', [good, bad], never)).rejects.toMatchObject({
          fate: 'refused',
          code: 'INVALID_TIMESTAMP',
        });
        await expect(uplink.send('meter-readings', [{ ...good, value: '"next"' }], never)).rejects.toMatchObject({
          code: 'SPENT',
        });
        await uplink.close();
        const fresh = uplinks('test');
        await fresh.connect(never);
        await fresh.send('meter-readings', [{ ...good, value: '"next"' }], never);
        await fresh.close();
        const added = (await readTopic(broker.bootstrap, 'meter-readings')).length - before;
        expect([1, 2]).toContain(added);
        expect((await readTopic(broker.bootstrap, 'meter-readings')).some(({ value }) => value === '"next"')).toBe(
          true,
        );
      });

      it('a missing topic is for the operator, with the topic and what to do', async () => {
        const uplink = kafkaUplink(settings(broker.bootstrap))('test');
        await uplink.connect(never);
        const failed = uplink.send('asset-metadata', [{ key: 'k', value: 'v', timestampMs: 1 }], never);
        await expect(failed).rejects.toMatchObject({ fate: 'operator', code: 'UNKNOWN_TOPIC_OR_PARTITION' });
        await expect(failed).rejects.toThrow(/asset-metadata.*create the topic/);
        await uplink.close();
      });

      it('nobody at the address is to be tried again, within the deadline', async () => {
        const uplink = kafkaUplink(settings('127.0.0.1:1', { connectTimeoutMs: 2000 }))('test');
        await expect(uplink.connect(never)).rejects.toMatchObject({ fate: 'retry', code: 'ECONNREFUSED' });
        await uplink.close();
      });

      it('costs nearly nothing while idle', async () => {
        const uplink = kafkaUplink(settings(broker.bootstrap))('test');
        await uplink.connect(never);
        await uplink.send('sensor-values', [{ key: 'k', value: '"idle"', timestampMs: Date.now() }], never);
        await sleep(200);
        let timers = 0;
        const armed = setTimeout;
        globalThis.setTimeout = ((...given: Parameters<typeof setTimeout>) => {
          timers++;
          return armed(...given);
        }) as typeof setTimeout;
        await new Promise((resolve) => armed(resolve, 1000));
        globalThis.setTimeout = armed;
        await uplink.close();
        expect(timers).toBeLessThan(20);
      });
    });

    describe('through an outage', () => {
      let broker: TemporaryBroker;
      beforeAll(async () => {
        broker = await temporaryBroker({ topics: [{ topic: 'meter-readings', partitions: 2 }] });
      });
      afterAll(() => broker.remove());

      it('a stopped broker costs nothing: no gap, the order of each key, repeats marked', async () => {
        const lane = new MemoryLane();
        let seq = 0;
        const feeding = setInterval(() => {
          const entries = Array.from({ length: 10 }, () => {
            seq++;
            return kept(seq, { point: pointInfo({ device: `EM-${seq % 5}` }), timeMs: Date.now() });
          });
          lane.add(...entries);
        }, 20);
        const forwarder = startForwarder({
          lane: 'meter-readings',
          buffer: lane,
          uplinks: kafkaUplink(settings(broker.bootstrap, { sendTimeoutMs: 1000, connectTimeoutMs: 1000 })),
          encode: jsonEncoding(),
          clock: realTime,
          event: () => undefined,
          limits: { slowMs: 1000 },
        });
        for (const away of ['stop', 'kill', 'pause'] as const) {
          const before = lane.settled.length;
          await until(() => lane.settled.length > before + 200);
          await broker[away]();
          await sleep(2000);
          if (away === 'pause') broker.resume();
          else await broker.start();
        }
        clearInterval(feeding);
        await until(() => lane.waiting.length === 0, 30_000);
        await forwarder.stop();

        const stored = await readTopic(broker.bootstrap, 'meter-readings');
        expect(stored.length).toBeGreaterThan(seq);
        const seen = new Set<number>();
        const newest = new Map<string, number>();
        for (const { key, value } of stored) {
          const { value: number, repeat } = JSON.parse(value ?? '') as { value: number; repeat: boolean };
          if (seen.has(number)) expect(repeat).toBe(true);
          if (!repeat) {
            expect(number).toBeGreaterThan(newest.get(key ?? '') ?? 0);
            newest.set(key ?? '', number);
          }
          seen.add(number);
        }
        expect(seen.size).toBe(seq);
      });

      it('a paused broker is given up by the deadline; what was abandoned comes at most once, and before what follows', async () => {
        const before = (await readTopic(broker.bootstrap, 'meter-readings')).length;
        const uplinks = kafkaUplink(settings(broker.bootstrap, { sendTimeoutMs: 1000, connectTimeoutMs: 5000 }));
        const uplink = uplinks('test');
        await uplink.connect(never);
        const record = (value: string): { key: string; value: string; timestampMs: number } => ({
          key: 'k',
          value,
          timestampMs: Date.now(),
        });
        await uplink.send('meter-readings', [record('"sure"')], never);
        broker.pause();
        const begun = Date.now();
        await expect(uplink.send('meter-readings', [record('"in doubt"')], never)).rejects.toMatchObject({
          fate: 'retry',
          code: 'DEADLINE',
        });
        await uplink.close();
        expect(Date.now() - begun).toBeLessThan(2500);
        broker.resume();
        const fresh = uplinks('test');
        await fresh.connect(never);
        await fresh.send('meter-readings', [record('"again"')], never);
        await fresh.close();
        await sleep(3000);
        const added = (await readTopic(broker.bootstrap, 'meter-readings'))
          .map(({ value }) => value)
          .filter((value) => value?.startsWith('"'));
        expect(added.filter((value) => value === '"in doubt"').length).toBeLessThanOrEqual(1);
        expect(added.at(-1)).toBe('"again"');
        expect(before).toBeGreaterThan(0);
      });

      describe('behind a bad link', () => {
        let behind: TemporaryBroker;
        let proxy: Proxy;
        beforeAll(async () => {
          const port = await freePort();
          proxy = await startProxy(() => port);
          const advertised = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
          behind = await temporaryBroker({ port, settings: advertised, topics: [{ topic: 'meter-readings' }] });
        });
        afterAll(async () => {
          await behind.remove();
          await proxy.close();
        });

        /** A connected uplink, and what it sends while the link goes bad. */
        async function sendInto(trouble: 'freeze' | 'cut', value: string, count: number): Promise<() => Promise<void>> {
          const some = { sendTimeoutMs: 1000, connectTimeoutMs: 2000, compression: 'none' as const };
          const uplink = kafkaUplink(settings(`127.0.0.1:${proxy.port}`, some))('test');
          await uplink.connect(never);
          await uplink.send('meter-readings', [{ key: 'k', value: '1', timestampMs: Date.now() }], never);
          const records = Array.from({ length: count }, () => ({ key: 'k', value, timestampMs: Date.now() }));
          if (trouble === 'freeze') proxy.freeze();
          const outcome = Promise.allSettled([uplink.send('meter-readings', records, never)]);
          if (trouble === 'cut') proxy.cut();
          await outcome;
          return () => uplink.close();
        }

        it.each(['freeze', 'cut'] as const)(
          'when close has resolved, a producer abandoned in a %s never connects again',
          async (trouble) => {
            const close = await sendInto(trouble, '2', 1);
            const begun = Date.now();
            await close();
            expect(Date.now() - begun).toBeLessThan(1000);
            const { connections } = proxy.seen;
            await sleep(1500);
            proxy.thaw();
            await sleep(1500);
            expect(proxy.seen.connections).toBe(connections);
          },
        );

        it('when close has resolved, what our own kernel still holds does not follow when the link comes back', async () => {
          const before = proxy.seen.bytes;
          const close = await sendInto('freeze', 'x'.repeat(1_000_000), 60);
          await close();
          proxy.thaw();
          await sleep(1500);
          expect(proxy.seen.bytes - before).toBeLessThan(1_000_000);
        });
      });
    });
  },
);
