import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startForwarder } from '../../../agent/forwarder/forwarder.ts';
import type { Forwarder } from '../../../agent/forwarder/forwarder.ts';
import { watchProcess } from '../../../agent/status/process-facts.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { MemoryLane, ScriptedBroker, kept } from '../../support/lane.ts';
import { PollerSite, counter, gauge, minute, second } from '../../support/poller-site.ts';

let site: PollerSite | undefined;
let forwarder: Forwarder | undefined;

afterEach(async () => {
  await site?.stop();
  await forwarder?.stop();
});

describe('what a poller says of itself', () => {
  it('counts the polls that were asked and the readings that were handed on, by quality', async () => {
    site = new PollerSite([counter('energy', 15 * minute, minute), gauge('power')]);
    const { driver, clock } = site;
    driver.answer = (_, nth) =>
      nth % 3 === 0 ? 'BadTimeout' : { energy: 5, power: nth % 2 === 0 ? 'BadOutOfRange' : 7 };
    await site.start();
    await clock.advance(40 * minute);
    const of = (wanted: string): number => site?.readings.filter(({ quality }) => quality === wanted).length ?? -1;
    const { polls, good, uncertain, bad } = site.poller.state();
    expect(polls).toBe(driver.polls.length);
    expect([good, uncertain, bad]).toEqual([of('good'), of('uncertain'), of('bad')]);
    expect(bad).toBeGreaterThan(0);
  });

  it('names the first of the points whose newest answer was bad, until it is answered', async () => {
    site = new PollerSite([gauge('power'), gauge('flow')]);
    const { driver, clock } = site;
    driver.answer = () => ({ power: 1, flow: 'BadNodeIdUnknown' });
    await site.start();
    await clock.advance(30 * second);
    const firstBad = { point: 'flow', status: 'BadNodeIdUnknown', exceptionCode: null };
    expect(site.poller.state()).toMatchObject({ presence: 'ok', badPoints: 1, firstBad, lostBecause: null });
    driver.answer = () => 'BadTimeout';
    await clock.advance(10 * second);
    expect(site.poller.state()).toMatchObject({ presence: 'lost', badPoints: 2 });
    expect(site.poller.state().lostBecause).toMatch(/does not answer \(BadTimeout\): check its power/);
    driver.answer = () => 1;
    await clock.advance(10 * second);
    expect(site.poller.state()).toMatchObject({ badPoints: 0, firstBad: null, lostBecause: null });
  });
});

describe('what the process says of itself', () => {
  it('tells how long the event loop was held up', async () => {
    const watch = watchProcess();
    await sleep(250);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
    await expect.poll(() => watch.facts().worstDelayMs).toBeGreaterThan(500);
    expect(watch.facts().openFds).toBeGreaterThan(2);
    watch.close();
  });
});

describe('what a forwarder says of itself', () => {
  it('knows the age of what waits although the broker was away from the start, and none when all is delivered', async () => {
    const clock = new FakeClock();
    const lane = new MemoryLane();
    const broker = new ScriptedBroker();
    broker.connects = (attempt) => (attempt < 3 ? { fate: 'retry', code: 'ECONNREFUSED' } : 'ok');
    const timeMs = clock.now().wallMs - 90_000;
    lane.add(kept(1, { timeMs }), kept(2));
    forwarder = startForwarder({
      lane: 'meter-readings',
      buffer: lane,
      uplinks: broker.uplinks,
      encode: jsonEncoding(),
      clock,
      event: () => undefined,
      random: () => 1,
    });
    await settled();
    expect(forwarder.state()).toMatchObject({ phase: 'waiting', oldestMs: timeMs, lastDeliveredMs: null });
    await clock.advance(10_000);
    expect(broker.arrived.map(({ seq, repeat }) => [seq, repeat])).toEqual([
      [1, false],
      [2, false],
    ]);
    expect(forwarder.state()).toMatchObject({ phase: 'connected', oldestMs: null });
    expect(forwarder.state().lastDeliveredMs).toBeGreaterThan(timeMs);
  });
});
