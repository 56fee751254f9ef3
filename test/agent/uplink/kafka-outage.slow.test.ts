import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startForwarder } from '../../../agent/forwarder/forwarder.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import { kafkaUplink } from '../../../agent/uplink/kafka.ts';
import { freePort } from '../../../deploy/kafka/broker.ts';
import { noKafka, readTopic, temporaryBroker } from '../../support/kafka.ts';
import { MemoryLane, kept } from '../../support/lane.ts';
import { pointInfo } from '../../support/readings.ts';
import { type Proxy, startProxy } from '../../support/proxy.ts';
import { realTime, settings, until } from './kafka-settings.ts';

type TemporaryBroker = Awaited<ReturnType<typeof temporaryBroker>>;

const never = new AbortController().signal;

describe.skipIf(noKafka !== undefined)(
  `through an outage${noKafka === undefined ? '' : ` (skipped: ${noKafka})`}`,
  () => {
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
    }, 120_000);

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
  },
);
