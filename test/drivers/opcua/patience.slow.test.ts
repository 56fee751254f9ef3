import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { driver } from '../../../drivers/opcua/index.ts';
import { Plant, makers } from './plant.ts';
import { Listener, planOf } from './support.ts';

const never = new AbortController().signal;
const node = (name: string): { nodeId: string } => ({ nodeId: `nsu=urn:site:plc;s=${name}` });

describe.concurrent('a session that lives for long', () => {
  describe.each(makers)('with %s', (maker, missing) => {
    it.skipIf(missing !== undefined)(
      `is not given up when that has nothing to say for longer than any timer of the library ${missing ?? ''}`,
      async () => {
        const plant = await Plant.start(maker);
        try {
          const points = { still: node('T.Double') };
          const plan = planOf(plant.port, [{ id: 'PLC', points }], {}, { timeout: 1_000, publishingInterval: 25_000 });
          const host = new Listener();
          const session = await driver.open(plan, host, never);
          let ended: unknown = null;
          void session.ended.then((error) => (ended = error ?? 'closed'));
          await sleep(70_000);
          expect(ended).toBeNull();
          expect(host.seen.map(({ value }) => value)).toEqual([0.1]);
          await session.close();
        } finally {
          await plant.end();
        }
      },
      120_000,
    );
  });
});
