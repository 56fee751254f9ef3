import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { makers } from '../drivers/opcua/plant.ts';
import { PlantSite } from './plant-site.ts';

/** DESIGN: every point delivers again within this of the server's return. */
const backMs = 15_000;
const awayMs = 15_000;

/** All in one daemon and one test a maker: what one outage left must not spoil the next. */
describe.each(makers)('a daemon with a server of %s', (maker, missing) => {
  it.skipIf(missing !== undefined)(
    `delivers every point within 15 s after a restart, a kill and a freeze ${missing ?? ''}`,
    async () => {
      const site = await PlantSite.start(maker);
      try {
        await site.allDeliver(0, 30_000);
        const outages: readonly (readonly [string, () => Promise<void>])[] = [
          [
            'restart',
            async () => {
              await site.plant.end('SIGTERM');
              await site.plant.start();
            },
          ],
          [
            'kill',
            async () => {
              await site.plant.end('SIGKILL');
              await sleep(awayMs);
              await site.plant.start();
            },
          ],
          [
            'freeze',
            async () => {
              site.plant.freeze();
              await sleep(awayMs);
              site.plant.thaw();
            },
          ],
        ];
        for (const [name, outage] of outages) {
          await outage();
          const tookMs = await site.allDeliver(site.delivered().length, backMs).catch((error: unknown) => {
            throw new Error(`after the ${name}`, { cause: error });
          });
          console.log(`${maker}: ${name}: ${tookMs} ms`);
          await sleep(2_000);
        }
        expect(await site.daemon.end('SIGTERM')).toBe(0);
        expect(site.wrong()).toEqual([]);
        expect(site.delivered().some(({ point, status }) => point === 'still' && status === 'BadNotConnected')).toBe(
          true,
        );
      } finally {
        await site.remove();
      }
    },
    180_000,
  );
});
