import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../../agent/config/grammar.ts';
import { noAsyncua } from '../../support/asyncua.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { openWire } from '../../../drivers/opcua/open-wire.ts';
import { Plant } from './plant.ts';
import { expected, points } from './plant-values.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const never = new AbortController().signal;

describe.skipIf(noAsyncua !== undefined)(`a server of asyncua${noAsyncua ? ` (${noAsyncua})` : ''}`, () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await Plant.start('asyncua');
  });
  afterAll(() => plant?.end());

  it('is read: every type, elements of arrays, every status', async () => {
    const plan = planOf(plant.port, [{ id: 'PLC', points }], { mode: 'poll' });
    const session = await driver.open(plan, new Listener(), never);
    const seen = await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never);
    await session.close();
    expect(
      seen.map(({ value, text, status }, at) => [...(expected[at]?.slice(0, 2) ?? []), value, text, status]),
    ).toEqual(expected);
  });

  it('takes a user name though it has no certificate to encrypt the password with: only where the file allows it, and that is told', async () => {
    const planWith = (allowUnencryptedPassword: boolean) => {
      const user = { username: 'ana', password: new Secret('not-in-any-log'), allowUnencryptedPassword };
      return planOf(plant.port, [{ id: 'PLC', points: { level: points['p0'] ?? {} } }], { mode: 'poll' }, user);
    };
    const host = new Listener();
    await expect(driver.open(planWith(false), host, never)).rejects.toThrow(
      /password is not sent: the server takes it unencrypted only; .* "allowUnencryptedPassword": true/,
    );
    const plan = planWith(true);
    const session = await driver.open(plan, host, never);
    const [seen] = await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never);
    await session.close();
    expect(seen).toMatchObject({ value: 1, quality: 'good' });
    expect(host.said.join()).toContain('the password goes over the network in clear');
    expect(host.said.join()).not.toContain('not-in-any-log');
  });

  it('sends what is subscribed: the same, and what changes', async () => {
    const plan = planOf(
      plant.port,
      [{ id: 'PLC', points: { ...points, level: { nodeId: 'nsu=urn:site:plc;s=Level', every: 100 } } }],
      {},
      { publishingInterval: 100 },
    );
    const host = new Listener();
    const session = await driver.open(plan, host, never);
    await until(() => new Set(host.seen.map(({ point }) => point.point)).size === expected.length + 1);
    const first = expected.map((_, at) => host.of(`p${at}`)[0]);
    expect(first.map((one, at) => [...(expected[at]?.slice(0, 2) ?? []), one?.value, one?.text, one?.status])).toEqual(
      expected,
    );
    plant.tell('Level 2.25');
    await until(() => host.of('level').length === 2);
    plant.tell('Level 3.5');
    await until(() => host.of('level').length === 3);
    await session.close();
    expect(host.of('level').map(({ value }) => value)).toEqual([1.5, 2.25, 3.5]);
  });

  it('does not say whether it still has a subscription, so it is taken to', async () => {
    const wire = await openWire(planOf(plant.port, [{ id: 'PLC', points }]), new Listener(), never);
    const { subscriptionId } = await wire.subscribe(3_600_000);
    expect(await wire.knows(subscriptionId)).toBe(true);
    expect(await wire.knows(subscriptionId + 1_000)).toBe(true);
    await wire.close();
  });

  it('dates a subscribed value by when it changed, a polled one by when it was read', async () => {
    const old = { nodeId: 'nsu=urn:site:plc;s=S.Old' };
    const ticks = { nodeId: 'nsu=urn:site:plc;s=Ticks' };
    const plan = planOf(
      plant.port,
      [
        {
          id: 'PLC',
          points: { old, oldPolled: { ...old, mode: 'poll' }, ticks },
        },
      ],
      {},
      { publishingInterval: 100 },
    );
    const host = new Listener();
    const session = await driver.open(plan, host, never);
    await until(() => host.of('old').length > 0 && host.of('ticks').length > 1);
    const asked = Date.now();
    const polled = pointsOf(plan, 'PLC').filter(({ point }) => point.endsWith('Polled'));
    const seen = await session.poll({ device: 'PLC', points: polled, dueMs: 0 }, never);
    const answered = Date.now();
    await session.close();
    const dayMs = 86_400_000;
    // asyncua's ServerTimestamp is the time of the last write: before the question, so it is not when the server looked.
    for (const one of seen) {
      expect(one).toMatchObject({ timeSource: 'gateway', timeMs: null });
      expect(one.at.wallMs).toBeGreaterThanOrEqual(asked);
      expect(one.at.wallMs).toBeLessThanOrEqual(answered);
    }
    expect(Math.round(((seen[0]?.deviceTimeMs ?? 0) - asked) / dayMs)).toBe(-30);
    const [tick] = host.of('ticks').slice(-1);
    expect(tick).toMatchObject({ timeSource: 'device', timeMs: tick?.deviceTimeMs });
    const [first] = host.of('old');
    expect(Math.round(((first?.deviceTimeMs ?? 0) - asked) / dayMs)).toBe(-30);
    expect(Math.abs((first?.timeMs ?? first?.at.wallMs ?? 0) - asked)).toBeLessThan(5_000);
  });
});
