import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kafkaUplink } from '../../agent/uplink/kafka.ts';
import type { Destination } from '../../agent/uplink/uplink.ts';
import { noKafka, readTopic, temporaryBroker } from '../support/kafka.ts';

const topics: Record<Destination, string> = {
  'meter-readings': 'scada.meter-readings',
  'sensor-values': 'sensor-values',
  'asset-metadata': 'asset-metadata',
  'gateway-events': 'gateway-events',
  'gateway-status': 'gateway-status',
};

describe.skipIf(noKafka !== undefined)(
  `the broker of demo and tests${noKafka === undefined ? '' : ` (skipped: ${noKafka})`}`,
  () => {
    let broker: Awaited<ReturnType<typeof temporaryBroker>>;
    const { signal } = new AbortController();

    beforeAll(async () => {
      broker = await temporaryBroker({ topics: [{ topic: topics['meter-readings'], partitions: 2 }] });
    });
    afterAll(() => broker.remove());

    async function send(value: string): Promise<void> {
      const config = {
        brokers: [broker.bootstrap],
        clientId: 'gw',
        tls: null,
        sasl: null,
        topics,
        compression: 'zstd' as const,
      };
      const uplink = kafkaUplink(config)('meter-readings');
      await uplink.connect(signal);
      await uplink.send('meter-readings', [{ key: 'gw/m1', value, timestampMs: Date.now() }], signal);
      await uplink.close();
    }

    it('takes a record and gives it back, also after a stop, a kill and a pause', async () => {
      await send('1');
      await broker.stop();
      await expect(send('while away')).rejects.toMatchObject({ fate: 'retry' });
      await broker.start();
      await send('2');
      await broker.kill();
      await broker.start();
      await send('3');
      broker.pause();
      setTimeout(() => broker.resume(), 500);
      await send('4');
      expect((await readTopic(broker.bootstrap, topics['meter-readings'])).map(({ value }) => value)).toEqual([
        '1',
        '2',
        '3',
        '4',
      ]);
    });

    it('makes no topic that nobody ordered', async () => {
      await expect(readTopic(broker.bootstrap, 'never-made')).rejects.toThrow('does not host this topic');
    });
  },
);
