import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startForwarder } from '../../../agent/forwarder/forwarder.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import { kafkaUplink } from '../../../agent/uplink/kafka.ts';
import type { Destination } from '../../../agent/uplink/uplink.ts';
import { uplinkConformance } from '../../conformance/uplink.ts';
import { noKafka, readTopic, temporaryBroker } from '../../support/kafka.ts';
import { MemoryLane, kept } from '../../support/lane.ts';
import { names, realTime, settings, until } from './kafka-settings.ts';

type TemporaryBroker = Awaited<ReturnType<typeof temporaryBroker>>;

const never = new AbortController().signal;
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
  },
);
