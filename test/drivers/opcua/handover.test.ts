import { expect, it } from 'vitest';
import { observationOf } from '../../../agent/reading.ts';
import { Subscriptions } from '../../../drivers/opcua/subscriptions.ts';
import type { Left, Wanted } from '../../../drivers/opcua/handover.ts';
import type { StandInRead } from '../../../drivers/opcua/stand-in.ts';
import type { ServerNow } from '../../../drivers/opcua/wire.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { ScriptedWire } from './scripted-wire.ts';
import { Listener, planOf } from './support.ts';

const names = ['a', 'b', 'c'];
const plan = planOf(4840, [
  { id: 'PLC', points: Object.fromEntries(names.map((name) => [name, { nodeId: `nsu=urn:site:plc;s=${name}` }])) },
]);
const wanted = (plan.devices[0]?.points ?? []).flatMap((point): Wanted[] =>
  point.subscribed === null
    ? []
    : [{ point, target: { nodeId: `ns=1;s=${point.info.point}` }, subscribed: point.subscribed }],
);
const server: ServerNow = { namespaces: ['', 'urn:site:plc'], startedMs: 5 };
const clock = new FakeClock();
const sourceMs = clock.now().wallMs - 1_000;

interface Run {
  readonly wire: ScriptedWire;
  readonly subscriptions: Subscriptions;
  readonly host: Listener;
  readonly failures: string[];
  readonly said: () => string[];
}

const unread: StandInRead = () => new Promise(() => {});

async function run(
  left: Left | null,
  prepare: (wire: ScriptedWire) => void = () => {},
  read: StandInRead = unread,
  points = wanted,
): Promise<Run> {
  const wire = new ScriptedWire();
  wire.openedAt = server;
  prepare(wire);
  const host = new Listener(clock);
  const failures: string[] = [];
  const subscriptions = new Subscriptions({
    connection: 'plc',
    wire,
    host,
    complete: (point) => point,
    read,
    heard: () => {},
    failed: ({ message }) => failures.push(message),
  });
  await subscriptions.start(points, left);
  const said = (): string[] =>
    host.seen.splice(0).map(({ point, value, status }) => `${point.point} ${value ?? status}`);
  return { wire, subscriptions, host, failures, said };
}

/** A session that ended after `a` 1 and `b` 2 in the messages 1 and 2. */
async function before(prepare?: (wire: ScriptedWire) => void, read?: StandInRead): Promise<Left> {
  const { wire, subscriptions } = await run(null, prepare, read);
  await wire.send(wire.message(1, 'a', 1, sourceMs));
  await wire.send(wire.message(2, 'b', 2, sourceMs));
  subscriptions.stop();
  return subscriptions.left(server, clock.now().bootMs);
}

it('messages that the lost link did not bring are asked for in their order, and those that it brought are acknowledged', async () => {
  const { wire, said, host } = await run(await before(), (one) => {
    one.handles.set('ns=1;s=a', 1).set('ns=1;s=c', 3);
    one.handsOn = { status: 'Good', available: [4, 1, 2, 3] };
    one.kept
      .set(3, one.message(3, 'a', 3))
      .set(4, one.message(4, 'c', 4))
      .set(2, one.message(2, 'b', 2));
  });
  expect(host.seen.map(({ isLate }) => isLate)).toEqual([true, true]);
  expect(said()).toEqual(['a 3', 'c 4']);
  await wire.send(wire.message(5, 'a', 5));
  expect(host.seen.map(({ isLate }) => isLate)).toEqual([undefined]);
  expect(said()).toEqual(['a 5']);
  expect(wire.acknowledged.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
  expect(host.said).toEqual([]);
});

it('messages that the server has no more are a gap of every point', async () => {
  const { said } = await run(await before(), (wire) => {
    wire.handles.set('ns=1;s=a', 1);
    wire.handsOn = { status: 'Good', available: [4] };
    wire.kept.set(4, wire.message(4, 'a', 4));
  });
  expect(said()).toEqual(['a BadDataLost', 'b BadDataLost', 'c BadDataLost', 'a 4']);
});

it('a message that was not kept when the link was lost is asked for once more', async () => {
  const first = await run(null);
  first.host.push = () => Promise.reject(new Error('nobody takes values now'));
  await first.wire.send(first.wire.message(1, 'a', 1));
  const left = await first.subscriptions.left(server, clock.now().bootMs);
  const { said } = await run(left, (wire) => {
    wire.handles.set('ns=1;s=a', 1);
    wire.handsOn = { status: 'Good', available: [1] };
    wire.kept.set(1, wire.message(1, 'a', 1));
  });
  expect(said()).toEqual(['a 1']);
});

it.each([
  ['was started anew', { ...server, startedMs: 6 }],
  ['has other namespaces', { ...server, namespaces: ['', 'urn:else', 'urn:site:plc'] }],
  ['does not say when it was started', { ...server, startedMs: null }],
])('a server that %s is not asked for them: their numbers may be those of others', async (_, now) => {
  const { wire } = await run(await before(), (one) => {
    one.openedAt = now;
    one.handsOn = { status: 'Good', available: [] };
  });
  expect(wire.transferred).toEqual([]);
  expect(wire.handles.size).toBe(3);
});

it('where the server does not hand them on they are made anew; what changed meanwhile is a gap, what did not is none', async () => {
  const { wire, host, said } = await run(await before());
  expect(wire.transferred).toEqual([7]);
  expect(host.said).toEqual([
    'Connection plc: the server does not hand subscriptions on (BadServiceUnsupported): they are made anew, and what changed meanwhile is told as a gap',
  ]);
  await wire.send(wire.message(1, 'a', 9, sourceMs + 500));
  await wire.send(wire.message(2, 'b', 2, sourceMs));
  await wire.send(wire.message(3, 'c', 3, sourceMs));
  await wire.send(wire.message(4, 'a', 10, sourceMs + 600));
  expect(said()).toEqual(['a BadDataLost', 'a 9', 'b 2', 'c 3', 'a 10']);
});

it('one that was handed on is not given up while nobody listens, since the disk is slow', async () => {
  const slowC = wanted.map(({ point, target, subscribed }) => ({
    point,
    target,
    subscribed: point.info.point === 'c' ? { ...subscribed, publishingMs: 5_000 } : subscribed,
  }));
  const first = await run(null, undefined, unread, slowC);
  first.subscriptions.stop();
  const left = await first.subscriptions.left(server, clock.now().bootMs);
  const claim = (one: ScriptedWire): void => void (one.handsOn = { status: 'Good', available: [] });
  const { wire, host, failures } = await run(left, claim, unread, slowC);
  wire.handles.set('ns=1;s=c', 3);
  host.push = () => new Promise(() => {});
  for (const number of [1, 2, 3]) await wire.send({ ...wire.message(number, 'c', number), subscriptionId: 8 });
  await clock.advance(60_000);
  expect(wire.transferred).toEqual([7, 8]);
  expect(failures).toEqual([]);
});

it('one that was handed on and says nothing ends the session, and is not claimed once more', async () => {
  const { wire, failures, subscriptions } = await run(await before(), (one) => {
    one.handsOn = { status: 'Good', available: [] };
  });
  expect(wire.handles.size).toBe(0);
  await clock.advance(3_000);
  expect(failures).toEqual([]);
  await clock.advance(1_000);
  expect(failures).toEqual(['the server handed a subscription on, and sends nothing of it']);
  const next = await run(await subscriptions.left(server, clock.now().bootMs), (one) => {
    one.handsOn = { status: 'Good', available: [] };
  });
  expect(next.wire.transferred).toEqual([]);
  expect(next.wire.handles.size).toBe(3);
});

it('points of which nothing came after it was handed on are watched anew', async () => {
  const { wire, failures } = await run(await before(), (one) => {
    one.handles.set('ns=1;s=a', 1);
    one.handsOn = { status: 'Good', available: [] };
  });
  await wire.send(wire.message(3, 'a', 3));
  await clock.advance(5_000);
  await settled();
  expect(wire.unmonitored).toEqual([102, 103]);
  expect([...wire.handles.keys()].toSorted()).toEqual(['ns=1;s=a', 'ns=1;s=b', 'ns=1;s=c']);
  expect(failures).toEqual([]);
});

it('a point that the server refused is said to be refused once more: it may have been told as not connected meanwhile', async () => {
  const isGone = (wire: ScriptedWire): void => void wire.gone.add('ns=1;s=c');
  const { wire, said } = await run(await before(isGone), (one) => {
    isGone(one);
    one.handles.set('ns=1;s=a', 1).set('ns=1;s=b', 2);
    one.handsOn = { status: 'Good', available: [] };
  });
  await wire.send(wire.message(3, 'a', 3));
  await wire.send(wire.message(4, 'b', 4));
  await clock.advance(5_000);
  await settled();
  expect(said()).toEqual(['a 3', 'b 4', 'c BadNodeIdUnknown']);
});

it('a point that is read in place of being watched is said once more, though it did not change', async () => {
  const full = (wire: ScriptedWire): void => void wire.full.add('ns=1;s=c');
  const read: StandInRead = (found) =>
    Promise.resolve(
      found.map(({ point }) =>
        observationOf(point.info, clock.now(), { value: 7, text: null, quality: 'good', status: 'Good' }),
      ),
    );
  const { said } = await run(
    await before(full, read),
    (one) => {
      full(one);
      one.handsOn = { status: 'Good', available: [] };
    },
    read,
  );
  await settled();
  expect(said()).toEqual(['c 7']);
});
