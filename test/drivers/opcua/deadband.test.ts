import { expect, it } from 'vitest';
import { Subscriptions } from '../../../drivers/opcua/subscriptions.ts';
import type { Wanted } from '../../../drivers/opcua/handover.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { ScriptedWire } from './scripted-wire.ts';
import { Listener, planOf } from './support.ts';

it('points whose deadband the server refuses are watched without it, which is told by the kind of deadband', async () => {
  const deadbands = { a: '2%', b: '3%', c: 0.5, d: undefined };
  const points = Object.entries(deadbands).map(([name, deadband]) => {
    const type = typeof deadband === 'string' ? 'percent' : 'absolute';
    const value = typeof deadband === 'string' ? Number.parseFloat(deadband) : deadband;
    return [
      name,
      { nodeId: `nsu=urn:site:plc;s=${name}`, ...(value === undefined ? {} : { serverDeadband: { type, value } }) },
    ] as const;
  });
  const plan = planOf(4840, [{ id: 'PLC', points: Object.fromEntries(points) }]);
  const wanted = (plan.devices[0]?.points ?? []).flatMap((point): Wanted[] =>
    point.subscribed === null
      ? []
      : [{ point, target: { nodeId: `ns=1;s=${point.info.point}` }, subscribed: point.subscribed }],
  );
  const wire = new ScriptedWire();
  const monitor = wire.monitor.bind(wire);
  const refused = { code: 0x808e0000, name: 'BadDeadbandFilterInvalid' };
  wire.monitor = async (subscriptionId, targets) =>
    (await monitor(subscriptionId, targets)).map((one, at) =>
      targets[at]?.deadband === null ? one : { ...one, status: refused },
    );
  const host = new Listener(new FakeClock());
  const subscriptions = new Subscriptions({
    connection: 'plc',
    wire,
    host,
    complete: (point) => point,
    read: () => new Promise(() => {}),
    heard: () => {},
    failed: () => {},
  });
  await subscriptions.start(wanted);
  for (const [at, name] of ['a', 'b', 'c', 'd'].entries()) await wire.send(wire.message(at + 1, name, at));
  expect(host.seen.map(({ point, value }) => `${point.point} ${value}`)).toEqual(['a 0', 'b 1', 'c 2', 'd 3']);
  expect(host.said).toEqual([
    "PLC a and 1 more: the server refuses serverDeadband (BadDeadbandFilterInvalid; a percentage is of the range (EURange) that the server states of the node), so every change is sent; state it in the value's own unit, or drop it",
    'PLC c: the server refuses serverDeadband (BadDeadbandFilterInvalid), so every change is sent; drop it',
  ]);
});
