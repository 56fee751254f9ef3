import { expect, it } from 'vitest';
import { BufferFull } from '../../../agent/errors.ts';
import { PushedPoints } from '../../../agent/poller/pushed.ts';
import type { Observation } from '../../../agent/reading.ts';
import { Subscriptions } from '../../../drivers/opcua/subscriptions.ts';
import type { Left, Wanted } from '../../../drivers/opcua/handover.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { ScriptedWire } from './scripted-wire.ts';
import { Listener, planOf } from './support.ts';

const plan = planOf(4840, [
  {
    id: 'PLC',
    points: Object.fromEntries(
      ['a', 'b', 'c'].map((name) => [name, { nodeId: `nsu=urn:site:plc;s=${name}`, kind: 'gauge' as const }]),
    ),
  },
]);
const points = plan.devices[0]?.points ?? [];
const wanted = points.flatMap((point): Wanted[] =>
  point.subscribed === null
    ? []
    : [{ point, target: { nodeId: `ns=1;s=${point.info.point}` }, subscribed: point.subscribed }],
);

/** What the poller makes of it, in front of a buffer that is full now and then. */
class FullListener extends Listener {
  isFull = false;
  refused = 0;
  readonly #pushed: PushedPoints;

  constructor(clock: FakeClock) {
    super(clock);
    this.#pushed = new PushedPoints(
      points.map(({ info }) => info),
      clock.now(),
    );
  }

  override push(seen: readonly Observation[]): Promise<void> {
    const news = this.#pushed.took(seen, this.clock.now());
    if (this.isFull) {
      this.refused += news.length;
      return Promise.reject(new BufferFull('whenFull is "stop"'));
    }
    this.seen.push(...news);
    return Promise.resolve();
  }

  told = (): string[] => this.seen.splice(0).map(({ point, value, status }) => `${point.point} ${value ?? status}`);
}

interface Run {
  readonly wire: ScriptedWire;
  readonly host: FullListener;
  readonly subscriptions: Subscriptions;
  readonly failures: string[];
}

async function run(clock = new FakeClock(), left: Left | null = null, host = new FullListener(clock)): Promise<Run> {
  const wire = new ScriptedWire();
  const failures: string[] = [];
  const subscriptions = new Subscriptions({
    connection: 'plc',
    wire,
    host,
    complete: (point) => point,
    read: () => new Promise(() => {}),
    heard: () => {},
    failed: ({ message }) => failures.push(message),
  });
  await subscriptions.start(wanted, left);
  return { wire, host, subscriptions, failures };
}

it('values that the buffer refuses end no session: they are acknowledged, and the next one that is taken has a gap before it', async () => {
  const { wire, host, failures } = await run();
  await wire.send(wire.message(1, 'a', 1, 1_000));
  host.isFull = true;
  await wire.send(wire.message(2, 'a', 2, 2_000));
  await wire.send(wire.message(3, 'a', 3, 3_000));
  host.isFull = false;
  await wire.send(wire.message(4, 'a', 4, 4_000));
  await wire.send(wire.message(5, 'a', 5, 5_000));
  await wire.send(wire.message(6, 'b', 6, 6_000));
  expect(host.told()).toEqual(['a 1', 'a BadDataLost', 'a 4', 'a 5', 'b 6']);
  expect(failures).toEqual([]);
  expect(wire.acknowledged).toEqual(expect.arrayContaining([2, 3]));
});

it('a value that was refused and does not change is said once more, at its own time, with a gap before it', async () => {
  const clock = new FakeClock();
  const { wire, host, subscriptions } = await run(clock);
  const sourceMs = clock.now().wallMs - 100;
  host.isFull = true;
  await wire.send(wire.message(1, 'a', 1, sourceMs));
  await wire.send(wire.message(2, 'b', 2, sourceMs));
  await wire.send(wire.message(3, 'c', 3, sourceMs));
  const before = host.refused;
  await subscriptions.recheck();
  // One is asked with, not all.
  expect(host.refused - before).toBe(2);
  expect(host.told()).toEqual([]);
  host.isFull = false;
  await clock.advance(60_000);
  await subscriptions.recheck();
  expect(host.seen.map(({ timeMs }) => timeMs)).toEqual(Array.from({ length: 6 }, () => sourceMs));
  expect(host.told()).toEqual(['a BadDataLost', 'a 1', 'b BadDataLost', 'b 2', 'c BadDataLost', 'c 3']);
  await subscriptions.recheck();
  expect(host.told()).toEqual([]);
});

it('the session after it still knows what was refused', async () => {
  const clock = new FakeClock();
  const { wire, host, subscriptions } = await run(clock);
  host.isFull = true;
  await wire.send(wire.message(1, 'a', 1, 1_000));
  subscriptions.stop();
  const left = await subscriptions.left(null, clock.now().bootMs);
  host.isFull = false;
  const next = await run(clock, left, host);
  await next.wire.send(next.wire.message(1, 'a', 1, 1_000));
  expect(host.told()).toEqual(['a BadDataLost', 'a 1']);
});

it('where one stream has room and another has none, only the other has a gap', async () => {
  const { wire, host } = await run();
  const push = host.push.bind(host);
  host.push = (seen) =>
    seen.every(({ point }) => point.stream === 'meter-readings') ? push(seen) : Promise.reject(new BufferFull('full'));
  const message = wire.message(1, 'a', 1);
  const clientHandle = wire.handles.get('ns=1;s=b') ?? -1;
  const [first] = message.changes;
  const [pointA] = points;
  if (first === undefined || pointA === undefined) throw new Error('nothing');
  Object.assign(pointA.info, { stream: 'meter-readings' });
  await wire.send({ ...message, changes: [first, { ...first, clientHandle }] });
  host.push = push;
  await wire.send(wire.message(2, 'a', 2));
  await wire.send(wire.message(3, 'b', 3));
  expect(host.told()).toEqual(['a 1', 'a 2', 'b BadDataLost', 'b 3']);
});

it('what was refused is not said once more behind what came after it', async () => {
  const { wire, host, subscriptions } = await run();
  host.isFull = true;
  await wire.send(wire.message(1, 'a', 1, 1_000));
  await wire.send(wire.message(2, 'b', 1, 1_000));
  host.isFull = false;
  const push = host.push.bind(host);
  const onDisk = Promise.withResolvers<void>();
  host.push = async (seen) => {
    await onDisk.promise;
    await push(seen);
  };
  await wire.send(wire.message(3, 'a', 2, 2_000));
  const looked = subscriptions.recheck();
  await wire.send(wire.message(4, 'b', 2, 2_000));
  onDisk.resolve();
  await looked;
  await wire.send(wire.message(5, 'c', 3, 3_000));
  const told = host.told();
  expect(told.filter((one) => one.startsWith('a'))).toEqual(['a BadDataLost', 'a 2']);
  expect(told.filter((one) => one.startsWith('b'))).toEqual(['b BadDataLost', 'b 2']);
});
