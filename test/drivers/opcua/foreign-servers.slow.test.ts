import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Observation } from '../../../agent/reading.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { openWire } from '../../../drivers/opcua/open-wire.ts';
import { Plant, makers } from './plant.ts';
import { expected, points } from './plant-values.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;

/** asyncua has a fast suite of its own. */
describe.each(makers.filter(([maker]) => maker !== 'asyncua'))('a server of %s', (maker, missing) => {
  let plant: Plant;
  beforeAll(async () => {
    if (missing === undefined) plant = await Plant.start(maker);
  }, 60_000);
  afterAll(() => plant?.end());

  const said = (seen: readonly (Observation | undefined)[]): unknown[][] =>
    seen.map((one, at) => [...(expected[at]?.slice(0, 2) ?? []), one?.value, one?.text, one?.status]);

  it.skipIf(missing !== undefined)(`gives every type, elements and statuses, polled ${missing ?? ''}`, async () => {
    const plan = planOf(plant.port, [{ id: 'PLC', points }], { mode: 'poll' });
    const session = await driver.open(plan, new Listener(), never);
    const asked = Date.now();
    const seen = await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never);
    await session.close();
    expect(said(seen)).toEqual(expected);
    expect(seen[10]).toMatchObject({ timeSource: 'server' });
    expect(seen[10]?.timeMs).toBeGreaterThanOrEqual(asked);
  });

  it.skipIf(missing !== undefined)(
    `says whether it still has a subscription that is silent for long ${missing ?? ''}`,
    async () => {
      const wire = await openWire(planOf(plant.port, [{ id: 'PLC', points }]), new Listener(), never);
      const { subscriptionId } = await wire.subscribe(3_600_000);
      expect(await wire.knows(subscriptionId)).toBe(true);
      expect(await wire.knows(subscriptionId + 1_000)).toBe(false);
      await wire.close();
    },
  );

  it.skipIf(missing !== undefined)(`gives every type, elements and statuses, subscribed ${missing ?? ''}`, async () => {
    const old = { nodeId: 'nsu=urn:site:plc;s=S.Old' };
    const ticks = { nodeId: 'nsu=urn:site:plc;s=Ticks', every: 100 };
    const plan = planOf(
      plant.port,
      [{ id: 'PLC', points: { ...points, old, ticks } }],
      {},
      { publishingInterval: 100 },
    );
    const host = new Listener();
    const session = await driver.open(plan, host, never);
    await until(() => new Set(host.seen.map(({ point }) => point.point)).size === expected.length + 2);
    await until(() => host.of('ticks').length > 20);
    await session.close();
    expect(said(expected.map((_, at) => host.of(`p${at}`)[0]))).toEqual(expected);
    // Of the last change; too long ago to be when the value was true.
    const [first] = host.of('old');
    expect(Math.round((Date.now() - (first?.deviceTimeMs ?? 0)) / 86_400_000)).toBe(30);
    expect(first?.timeSource).not.toBe('device');
    const counts = host.of('ticks').map(({ value }) => value ?? 0);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(host.of('ticks').at(-1)).toMatchObject({ timeSource: 'device' });
  });
});
