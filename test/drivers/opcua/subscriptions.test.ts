import { describe, expect, it } from 'vitest';
import { missingBefore, numberAfter } from '../../../drivers/opcua/sequence.ts';
import { Subscriptions } from '../../../drivers/opcua/subscriptions.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { ScriptedWire } from './scripted-wire.ts';
import { Listener, planOf } from './support.ts';

async function started(
  gone: readonly string[] = [],
  intervals: Readonly<Record<string, number>> = {},
  slowMs = 0,
): Promise<{
  wire: ScriptedWire;
  host: Listener;
  subscriptions: Subscriptions;
  failures: string[];
  said: () => string[];
}> {
  const wire = new ScriptedWire();
  wire.leastPublishingMs = slowMs;
  for (const name of gone) wire.gone.add(`ns=1;s=${name}`);
  const names = ['a', 'b', 'c'];
  const plan = planOf(4840, [
    {
      id: 'PLC',
      points: Object.fromEntries(
        names.map((name) => [
          name,
          { nodeId: `nsu=urn:site:plc;s=${name}`, ...(intervals[name] ? { publishingInterval: intervals[name] } : {}) },
        ]),
      ),
    },
  ]);
  const host = new Listener(new FakeClock());
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
  const points = plan.devices[0]?.points ?? [];
  await subscriptions.start(
    points.map((point) => ({
      point,
      target: { nodeId: `ns=1;s=${point.info.point}` },
      subscribed: point.subscribed ?? fail(),
    })),
  );
  const said = (): string[] =>
    host.seen.splice(0).map(({ point, value, status }) => `${point.point} ${value ?? status}`);
  return { wire, host, subscriptions, failures, said };
}

const fail = (): never => {
  throw new Error('not subscribed');
};

describe('messages of a subscription', () => {
  it('are acknowledged after they were kept', async () => {
    const { wire, said } = await started();
    await wire.send(wire.message(1, 'a', 1));
    await wire.send(wire.message(2, 'a', 2));
    await settled();
    expect(said()).toEqual(['a 1', 'a 2']);
    expect(wire.acknowledged).toContain(1);
  });

  it('that wait for a slow disk end no session; silence behind them does', async () => {
    // Another subscription has its say when somebody listens again.
    const { wire, host, failures } = await started([], { c: 5_000 });
    const clock = host.clock as FakeClock;
    let written = (): void => {};
    host.push = () => new Promise((resolve) => (written = resolve));
    for (let number = 1; number <= 10; number++) await wire.send(wire.message(number, 'a', number));
    await clock.advance(60_000);
    expect(failures).toEqual([]);
    host.push = () => Promise.resolve();
    written();
    await settled();
    await clock.advance(5_000);
    expect(failures).toEqual([]);
    await clock.advance(60_000);
    expect(failures).toEqual([expect.stringMatching(/^nothing was heard of a subscription for 1\d s$/)]);
  });

  it('that wait for a slow disk end no session either where the server takes fewer requests than it was given', async () => {
    const { wire, host, failures } = await started();
    host.push = () => new Promise(() => {});
    await wire.send(wire.message(1, 'a', 1));
    await wire.refuse('BadTooManyPublishRequests');
    await (host.clock as FakeClock).advance(60_000);
    expect(failures).toEqual([]);
  });

  it('of a server that publishes more slowly than asked date what waited by when the server looked', async () => {
    const { wire, host } = await started([], {}, 60_000);
    const { changes, ...message } = wire.message(1, 'a', 1);
    const serverMs = host.clock.now().wallMs - 50_000;
    await wire.send({ ...message, changes: changes.map((one) => ({ ...one, seen: { ...one.seen, serverMs } })) });
    expect(host.of('a')[0]).toMatchObject({ timeSource: 'server', timeMs: serverMs });
  });

  it('that did not arrive are asked for once more, and come in their place', async () => {
    const { wire, said, failures } = await started();
    await wire.send(wire.message(1, 'a', 1));
    wire.kept.set(2, wire.message(2, 'b', 2)).set(3, wire.message(3, 'a', 3));
    await wire.send(wire.message(4, 'a', 4));
    // Late, and taken up already.
    await wire.send(wire.message(3, 'a', 3));
    await wire.send(wire.message(5, 'c', 5));
    expect(said()).toEqual(['a 1', 'b 2', 'a 3', 'a 4', 'c 5']);
    expect(failures).toEqual([]);
  });

  it('that cannot be had any more are told as a gap of every point, and the values are asked for anew', async () => {
    const { wire, said, failures } = await started(['b']);
    said();
    await wire.send(wire.message(1, 'a', 1));
    await wire.send(wire.message(3, 'a', 3));
    expect(said()).toEqual(['a 1', 'a BadDataLost', 'c BadDataLost']);
    expect(failures).toEqual(['messages of a subscription were lost, and the server has them no more']);
  });

  it.each([
    [5, null, []],
    [5, 5, []],
    [7, 5, [5, 6]],
    [4, 5, null],
    [1, 2 ** 32 - 1, [2 ** 32 - 1]],
    [2 ** 32 - 1, 1, null],
    [9_000, 5, 'all'],
  ])('arriving as %d where %d was expected leave missing %j', (arrived, expected, missing) => {
    expect(missingBefore(arrived, expected)).toEqual(missing);
  });

  it('are counted from 1 again after 4,294,967,295', () => {
    expect([numberAfter(4_294_967_295), numberAfter(1)]).toEqual([1, 2]);
  });
});

describe('a node', () => {
  it('that is not there is told once, and watched when it is there', async () => {
    const { wire, said, subscriptions } = await started(['b']);
    expect(said()).toEqual(['b BadNodeIdUnknown']);
    await subscriptions.recheck();
    expect(said()).toEqual([]);
    wire.gone.clear();
    await subscriptions.recheck();
    await wire.send(wire.message(1, 'b', 8));
    expect(said()).toEqual(['b 8']);
    expect(wire.unmonitored).toEqual([]);
  });

  it('that vanishes in silence is told once, and watched anew when it is there again', async () => {
    const { wire, said, subscriptions } = await started();
    await wire.send(wire.message(1, 'b', 8));
    const old = wire.handles.get('ns=1;s=b') ?? 0;
    expect(said()).toEqual(['b 8']);
    wire.gone.add('ns=1;s=b');
    await subscriptions.recheck();
    await subscriptions.recheck();
    expect(said()).toEqual(['b BadNodeIdUnknown']);
    wire.gone.clear();
    await subscriptions.recheck();
    expect(wire.unmonitored).toEqual([old + 100]);
    await wire.send(wire.message(2, 'b', 9));
    await subscriptions.recheck();
    expect(said()).toEqual(['b 9']);
    expect(wire.unmonitored).toEqual([old + 100]);
  });

  it('that two looks find at the same time is watched once', async () => {
    const { wire, said, subscriptions } = await started(['b']);
    const asked = Promise.withResolvers<void>();
    const read = wire.read.bind(wire);
    wire.read = async (...ask) => {
      await asked.promise;
      return read(...ask);
    };
    wire.gone.clear();
    const looks = [subscriptions.recheck(), subscriptions.recheck()];
    asked.resolve();
    const before = wire.monitored;
    await Promise.all(looks);
    expect(wire.monitored - before).toBe(1);
    expect(said()).toEqual(['b BadNodeIdUnknown']);
  });

  it('that was made anew with all others is given up in requests that the server takes', async () => {
    const { wire, subscriptions } = await started();
    const requests: number[] = [];
    const unmonitor = wire.unmonitor.bind(wire);
    wire.unmonitor = (id, itemIds) => {
      requests.push(itemIds.length);
      return unmonitor(id, itemIds);
    };
    for (const name of ['a', 'b', 'c']) wire.gone.add(`ns=1;s=${name}`);
    await subscriptions.recheck();
    wire.gone.clear();
    await subscriptions.recheck();
    expect(requests).toEqual([2, 1]);
  });
});
