import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driver } from '../../../drivers/opcua/index.ts';
import { Plant, makers } from './plant.ts';
import { Listener, planOf, until } from './support.ts';

const never = new AbortController().signal;
const level = { nodeId: 'nsu=urn:site:plc;s=Level', every: 100 };

describe.each(makers)('a server of %s', (maker, missing) => {
  describe.skipIf(missing !== undefined)(`with deadbands${missing === undefined ? '' : ` (${missing})`}`, () => {
    let plant: Plant;
    beforeAll(async () => {
      plant = await Plant.start(maker);
    });
    afterAll(() => plant?.end());

    it('sends what is beyond an absolute deadband, and not what is within', async () => {
      const points = { all: level, rough: { ...level, serverDeadband: { type: 'absolute', value: 1 } } };
      const host = new Listener();
      const plan = planOf(plant.port, [{ id: 'PLC', points }], {}, { publishingInterval: 100 });
      const session = await driver.open(plan, host, never);
      await until(() => host.of('all').length > 0 && host.of('rough').length > 0);
      for (const value of [10, 10.5, 10.75, 20, 19.5, 30, 5]) {
        plant.tell(`Level ${value}`);
        await until(() => host.of('all').at(-1)?.value === value);
      }
      await until(() => host.of('rough').at(-1)?.value === 5);
      await session.close();
      expect(
        host
          .of('rough')
          .map(({ value }) => value)
          .slice(1),
      ).toEqual([10, 20, 30, 5]);
      expect(host.said.filter((one) => one.includes('serverDeadband'))).toEqual([]);
    });

    it('that cannot have a deadband in percent, since the node has no range, sends every change', async () => {
      const host = new Listener();
      const points = { rough: { ...level, serverDeadband: { type: 'percent', value: 5 } } };
      const plan = planOf(plant.port, [{ id: 'PLC', points }], {}, { publishingInterval: 100 });
      const session = await driver.open(plan, host, never);
      await until(() => host.of('rough').length > 0);
      for (const value of [40, 40.25, 40.5, 60]) {
        plant.tell(`Level ${value}`);
        await until(() => host.of('rough').at(-1)?.value === value);
      }
      await session.close();
      expect(host.of('rough').filter(({ quality }) => quality !== 'good')).toEqual([]);
      // asyncua takes it, and sends every change all the same.
      if (maker !== 'asyncua')
        expect(host.said.filter((one) => one.includes('serverDeadband'))).toEqual([
          expect.stringMatching(
            /^PLC rough: the server refuses serverDeadband \(Bad\w+;.* so every change is sent/,
          ) as string,
        ]);
    });
  });
});
