import { describe, expect, it } from 'vitest';
import { startForwarder } from '../../agent/forwarder/forwarder.ts';
import type { Forwarder } from '../../agent/forwarder/forwarder.ts';
import { jsonEncoding } from '../../agent/uplink/encodings.ts';
import { openBuffer } from '../../buffer/open.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { MemoryLane, ScriptedBroker, kept } from '../support/lane.ts';
import { PollerSite, gauge } from '../support/poller-site.ts';

/** How long after now a loop will be heard of again. */
const owes = ({ dueMs }: { dueMs: number | null }, clock: FakeClock): number | null =>
  dueMs === null ? null : dueMs - clock.bootMs;

describe('a poller', () => {
  it('says before each nap and each poll when it will be heard of again', async () => {
    const site = new PollerSite([gauge('power')]);
    site.driver.answer = (_, nth) => (nth < 3 ? 1 : 'hangs');
    await site.start();
    await site.clock.advance(3_000);
    expect(owes(site.poller.state(), site.clock)).toBe(7_000);
    await site.clock.advance(18_000);
    // In a poll that the driver never gives up: its deadline, and the grace after it.
    const owed = owes(site.poller.state(), site.clock);
    expect(owed).toBeGreaterThan(170_000);
    let latest = 0;
    for (let second = 0; second < 600; second++) {
      await site.clock.advance(1_000);
      latest = Math.max(latest, -(owes(site.poller.state(), site.clock) ?? 0));
    }
    expect(latest).toBeLessThanOrEqual(0);
    await site.stop();
  });
});

describe('a forwarder', () => {
  const clock = new FakeClock();
  function started(broker: ScriptedBroker, lane: MemoryLane): Forwarder {
    return startForwarder({
      lane: 'meter-readings',
      buffer: lane,
      uplinks: broker.uplinks,
      encode: jsonEncoding(),
      clock,
      event: () => undefined,
      random: () => 1,
    });
  }
  const never = new Promise<'ok'>(() => undefined);

  it('owes nothing while it waits for entries', async () => {
    const forwarder = started(new ScriptedBroker(), new MemoryLane());
    await settled();
    expect(owes(forwarder.state(), clock)).toBeNull();
    await forwarder.stop(AbortSignal.abort());
  });

  it.each(['connects', 'sends'] as const)('is overdue in an uplink that breaks its deadline: %s', async (step) => {
    const broker = new ScriptedBroker();
    broker[step] = () => never;
    const lane = new MemoryLane();
    lane.add(kept(1));
    const forwarder = started(broker, lane);
    await clock.advance(121_000);
    expect(owes(forwarder.state(), clock)).toBe(-1_000);
    await forwarder.stop(AbortSignal.abort());
  });

  it('is never overdue in an outage of hours', async () => {
    const broker = new ScriptedBroker();
    broker.connects = () => ({ fate: 'retry', code: 'ECONNREFUSED' });
    const lane = new MemoryLane();
    lane.add(kept(1));
    lane.add(kept(2));
    const forwarder = started(broker, lane);
    for (let at = 0; at < 1_000; at++) {
      await clock.advance(7_300);
      expect(owes(forwarder.state(), clock) ?? 0).toBeGreaterThanOrEqual(0);
    }
    await forwarder.stop(AbortSignal.abort());
  });
});

describe("the buffer's writer thread", () => {
  it('answers when it is asked for a sign of life, and is seen waiting while it has nothing to do', async () => {
    const folder = new BufferFolder();
    const buffer = await openBuffer({
      path: folder.path,
      maxBytes: 64_000_000,
      commitEveryMs: 20,
      clock: new FakeClock(),
      event: () => undefined,
    });
    expect(buffer.pulse()).toEqual({ silentMs: 0, isComputing: false });
    await expect.poll(() => buffer.pulse().silentMs === 0).toBe(true);
    await expect.poll(() => buffer.pulse()).toEqual({ silentMs: 0, isComputing: false });
    await buffer.close(soon());
    expect(buffer.pulse().silentMs).toBe(0);
    await folder.remove();
  });
});
