import { describe, expect, it } from 'vitest';
import { Subscriptions } from '../../../drivers/opcua/subscriptions.ts';
import type { Wanted } from '../../../drivers/opcua/handover.ts';
import type { Settings } from '../../../drivers/driver.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { ScriptedWire, seenOf } from './scripted-wire.ts';
import { Listener, planOf } from './support.ts';

const minuteMs = 60_000;

/** A session that heard 1 of `a`, `b` and `c`, of which the server sends no more; a minute at a time, with a sign of life every five seconds. */
class Site {
  readonly wire = new ScriptedWire();
  readonly clock = new FakeClock();
  readonly host = new Listener(this.clock);
  readonly subscriptions: Subscriptions;
  readonly #wanted: readonly Wanted[];

  constructor(settings: Settings) {
    const names = ['a', 'b', 'c'];
    const points = Object.fromEntries(
      names.map((name) => [name, { nodeId: `nsu=urn:site:plc;s=${name}`, ...settings }]),
    );
    const plan = planOf(4840, [{ id: 'PLC', points }]);
    this.#wanted = (plan.devices[0]?.points ?? []).flatMap((point): Wanted[] =>
      point.subscribed === null
        ? []
        : [{ point, target: { nodeId: `ns=1;s=${point.info.point}` }, subscribed: point.subscribed }],
    );
    this.subscriptions = new Subscriptions({
      connection: 'plc',
      wire: this.wire,
      host: this.host,
      complete: (point) => point,
      read: () => new Promise(() => {}),
      heard: () => {},
      failed: () => {},
    });
  }

  static async start(settings: Settings = {}): Promise<Site> {
    const site = new Site(settings);
    await site.subscriptions.start(site.#wanted);
    for (const [at, name] of ['a', 'b', 'c'].entries()) {
      await site.send(at + 1, name, 1);
      site.shows(name, 1);
    }
    site.said();
    return site;
  }

  get nowMs(): number {
    return this.clock.now().wallMs;
  }

  send(sequenceNumber: number, name: string, value: number, sourceMs = this.nowMs): Promise<void> {
    return this.wire.send(this.wire.message(sequenceNumber, name, value, sourceMs));
  }

  /** What a read brings. */
  shows(
    name: string,
    value: number,
    sourceMs: number | null = this.nowMs,
    status?: { code: number; name: string },
  ): void {
    this.wire.values.set(`ns=1;s=${name}`, seenOf(value, status, sourceMs));
  }

  async minute(isAlive = true): Promise<void> {
    for (let ms = 0; ms < minuteMs; ms += 5_000) {
      await this.clock.advance(5_000);
      if (isAlive) await this.wire.send({ subscriptionId: 7, sequenceNumber: null, changes: [], ended: null });
    }
    await this.subscriptions.recheck();
  }

  said(): string[] {
    return this.host.seen.splice(0).map(({ point, value, status }) => `${point.point} ${value ?? status}`);
  }
}

describe('an item that the server sends nothing of', () => {
  it('though its value is another one at two looks is made anew, and what was missed is told as a gap', async () => {
    const site = await Site.start();
    const old = site.wire.handles.get('ns=1;s=b') ?? 0;
    await site.minute();
    site.shows('b', 2);
    await site.minute();
    expect(site.wire.unmonitored).toEqual([]);
    await site.minute();
    expect(site.wire.unmonitored).toEqual([old + 100]);
    await site.send(4, 'b', 2);
    await site.send(5, 'b', 3);
    expect(site.said()).toEqual(['b BadDataLost', 'b 2', 'b 3']);
    expect(site.host.said).toEqual([
      expect.stringContaining('the server sends nothing of PLC.b, though it has changed'),
    ]);
  });

  it('though its status is another one at two looks is made anew', async () => {
    const site = await Site.start();
    site.shows('b', 1, site.nowMs, { code: 0x40900000, name: 'UncertainLastUsableValue' });
    await site.minute();
    await site.minute();
    expect(site.wire.unmonitored).toHaveLength(1);
  });

  it('has not changed: it is left alone', async () => {
    const site = await Site.start();
    for (let minute = 0; minute < 5; minute++) await site.minute();
    expect(site.wire.unmonitored).toEqual([]);
  });

  it.each<[string, Settings, (site: Site) => void]>([
    ['shows what its cache is behind with', {}, (site) => site.shows('b', 0, site.nowMs - minuteMs)],
    [
      'is within its deadband, of scaled values too',
      { serverDeadband: { type: 'absolute', value: 5 }, scale: 0.1 },
      (site) => site.shows('b', 6),
    ],
    [
      'has a deadband in percent of what nobody here knows',
      { serverDeadband: { type: 'percent', value: 5 } },
      (site) => site.shows('b', 90),
    ],
    ['may not be read', {}, (site) => site.shows('b', 2, null, { code: 0x803a0000, name: 'BadNotReadable' })],
  ])('and %s: it is left alone', async (_, settings, change) => {
    const site = await Site.start(settings);
    change(site);
    for (let minute = 0; minute < 4; minute++) await site.minute();
    expect(site.wire.unmonitored).toEqual([]);
  });

  it('beyond its deadband is made anew', async () => {
    const site = await Site.start({ serverDeadband: { type: 'absolute', value: 5 }, scale: 0.1 });
    site.shows('b', 7);
    await site.minute();
    await site.minute();
    expect(site.wire.unmonitored).toHaveLength(1);
  });

  it('and that speaks between two looks, or at one of them, is left alone', async () => {
    const site = await Site.start();
    site.shows('b', 2);
    await site.minute();
    await site.send(4, 'b', 2);
    site.shows('b', 3);
    await site.minute();
    await site.send(5, 'b', 3);
    await site.minute();
    expect(site.wire.unmonitored).toEqual([]);
    expect(site.said()).toEqual(['b 2', 'b 3']);
  });

  it('of a subscription that says nothing at all is left to who watches that', async () => {
    const site = await Site.start();
    site.shows('b', 2);
    await site.minute();
    await site.minute(false);
    await site.minute(false);
    expect(site.wire.unmonitored).toEqual([]);
  });

  it('and says the same when it is made anew is believed for an hour, and no gap is told', async () => {
    const site = await Site.start();
    const sourceMs = site.nowMs;
    await site.send(4, 'b', 1, sourceMs);
    site.said();
    await site.clock.advance(5_000);
    site.shows('b', 2, null);
    await site.minute();
    await site.minute();
    expect(site.wire.unmonitored).toHaveLength(1);
    await site.send(5, 'b', 1, sourceMs);
    expect(site.said()).toEqual(['b 1']);
    for (let minute = 0; minute < 59; minute++) await site.minute();
    expect(site.wire.unmonitored).toHaveLength(1);
    for (let minute = 0; minute < 3; minute++) await site.minute();
    expect(site.wire.unmonitored).toHaveLength(2);
  });

  it('is looked at in the cache of the server, in requests that it takes, and no more often than it is sampled', async () => {
    const site = await Site.start();
    await site.minute();
    expect(site.wire.reads).toEqual([
      { nodeIds: ['ns=1;s=a', 'ns=1;s=b'], cached: true },
      { nodeIds: ['ns=1;s=c'], cached: true },
    ]);
    const seldom = await Site.start({ every: 10 * minuteMs });
    for (let minute = 0; minute < 10; minute++) await seldom.minute();
    expect(seldom.wire.reads).toEqual([]);
    await seldom.minute();
    expect(seldom.wire.reads).toHaveLength(2);
  });
});
