import { describe, expect, it } from 'vitest';
import { revisedText } from '../../../drivers/opcua/revised.ts';
import { Subscriptions } from '../../../drivers/opcua/subscriptions.ts';
import type { CreatedSubscription } from '../../../drivers/opcua/wire.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { ScriptedWire } from './scripted-wire.ts';
import { Listener, planOf } from './support.ts';

const hourMs = 3_600_000;

/** A server that says every `aliveMs` at the latest that a subscription lives; nothing is ever heard of it. */
async function silent(aliveMs: number) {
  const wire = new ScriptedWire();
  wire.promises = { alive: { askedMs: 5_000, givenMs: aliveMs }, silentAfterMs: aliveMs + 5_000 };
  const clock = new FakeClock();
  const failures: string[] = [];
  const subscriptions = new Subscriptions({
    connection: 'plc',
    wire,
    host: new Listener(clock),
    complete: (point) => point,
    read: () => new Promise(() => {}),
    heard: () => {},
    failed: ({ message }) => failures.push(message),
  });
  const plan = planOf(4840, [{ id: 'PLC', points: { a: { nodeId: 'nsu=urn:site:plc;s=a' } } }]);
  await subscriptions.start(
    (plan.devices[0]?.points ?? []).flatMap((point) =>
      point.subscribed === null ? [] : [{ point, target: { nodeId: 'ns=1;s=a' }, subscribed: point.subscribed }],
    ),
  );
  return { wire, clock, failures };
}

describe('a subscription of which nothing is heard', () => {
  it('is dead when the server said that it would speak by now, and is not asked for before', async () => {
    const { wire, clock, failures } = await silent(5_000);
    await clock.advance(10_000);
    expect(failures).toEqual([]);
    await clock.advance(1_000);
    expect(failures).toEqual(['nothing was heard of a subscription for 11 s']);
    expect(wire.asked).toBe(0);
  });

  it('is asked for each minute where the server promised less, and lives while the server has it', async () => {
    const { wire, clock, failures } = await silent(hourMs);
    await clock.advance(10 * 60_000 + 30_000);
    expect(wire.asked).toBe(10);
    expect(failures).toEqual([]);
    await wire.send({ subscriptionId: 7, sequenceNumber: null, changes: [], ended: null });
    await clock.advance(60_000);
    expect(wire.asked).toBe(10);
    await clock.advance(hourMs - 60_000);
    expect(failures).toEqual([]);
    await clock.advance(10_000);
    expect(failures).toEqual([expect.stringMatching(/^nothing was heard of a subscription for 360\d s$/)]);
  });

  it('is given up within a minute once the server has it no more', async () => {
    const { wire, clock, failures } = await silent(hourMs);
    await clock.advance(90_000);
    wire.has = false;
    await clock.advance(60_000);
    expect(failures).toEqual(['the server has a subscription no more, and did not say so']);
  });
});

describe('what a server gives of signs of life', () => {
  const given = (publishingMs: number, askedMs: number, givenMs: number): CreatedSubscription => ({
    subscriptionId: 7,
    publishingMs,
    alive: { askedMs, givenMs },
    silentAfterMs: givenMs + 5_000,
  });

  it.each<[string, number, CreatedSubscription, string | null]>([
    ['as asked', 1_000, given(1_000, 5_000, 5_000), null],
    ['less, but within a minute', 1_000, given(1_000, 5_000, 30_000), null],
    ['as asked, of a long interval', hourMs, given(hourMs, hourMs, hourMs), null],
    [
      'less than a minute',
      1_000,
      given(1_000, 5_000, 600_000),
      'the server gives less than was asked: a subscription without news says that it lives every 600000 ms instead of 5000 ms, so the server is asked each minute',
    ],
  ])('is told where it is too little to wait for: %s', (_, askedMs, subscription, text) => {
    expect(revisedText(askedMs, subscription, [])).toBe(text);
  });
});
