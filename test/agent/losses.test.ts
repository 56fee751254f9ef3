import { expect, it } from 'vitest';
import { Losses } from '../../agent/losses.ts';
import { observationOf } from '../../agent/reading.ts';
import type { GatewayEvent, Reading } from '../../agent/reading.ts';
import { pointInfo } from '../drivers/modbus/support.ts';
import { FakeClock } from '../support/fake-clock.ts';

it('a refused reading that only tells of a loss is not counted as lost itself', async () => {
  const clock = new FakeClock();
  const told: GatewayEvent[] = [];
  const losses = new Losses(clock, (event) => Promise.resolve(void told.push(event)));
  const readingOf = (status: string): Reading => ({
    ...observationOf(pointInfo('PLC', 'level', 'gauge'), clock.now(), {
      value: null,
      text: null,
      quality: 'bad',
      status,
    }),
    slotMs: null,
  });
  losses.refused([readingOf('BadDataLost')], 'full');
  await losses.tell();
  expect(told).toEqual([]);
  losses.refused([readingOf('BadDataLost'), readingOf('BadTimeout')], 'full');
  await losses.tell();
  expect(told.map(({ facts }) => facts?.['count'])).toEqual([1]);
  expect(losses.count).toBe(1);
});
