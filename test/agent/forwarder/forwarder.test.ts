import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { startForwarder } from '../../../agent/forwarder/forwarder.ts';
import type { Forwarder, ForwarderOptions } from '../../../agent/forwarder/forwarder.ts';
import type { GatewayEvent, Stream } from '../../../agent/reading.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { MemoryLane, ScriptedBroker, kept } from '../../support/lane.ts';

interface Bench {
  readonly lane: MemoryLane;
  readonly broker: ScriptedBroker;
  readonly clock: FakeClock;
  readonly events: GatewayEvent[];
  readonly logged: string[];
  readonly start: (some?: Partial<ForwarderOptions>) => Forwarder;
}

const started: Forwarder[] = [];
afterEach(async () => {
  const haste = AbortSignal.abort();
  await Promise.all(started.splice(0).map((forwarder) => forwarder.stop(haste)));
});

function bench(): Bench {
  const lane = new MemoryLane();
  const broker = new ScriptedBroker();
  const clock = new FakeClock();
  const events: GatewayEvent[] = [];
  const logged: string[] = [];
  const start: Bench['start'] = (some = {}) => {
    const forwarder = startForwarder({
      lane: 'meter-readings',
      buffer: lane,
      uplinks: broker.uplinks,
      encode: jsonEncoding(),
      clock,
      event: (event) => void events.push(event),
      log: (severity, message) => void logged.push(`${severity} ${message}`),
      random: () => 1,
      ...some,
    });
    started.push(forwarder);
    return forwarder;
  };
  return { lane, broker, clock, events, logged, start };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function readings(first: number, last: number): ReturnType<typeof kept>[] {
  return range(first, last).map((seq) => kept(seq));
}

describe('a lane', () => {
  it('is sent in order and settled only after the ack', async () => {
    const { lane, broker, start } = bench();
    let ack: ((verdict: 'ok') => void) | undefined;
    broker.sends = () => new Promise((resolve) => (ack = resolve));
    lane.add(...readings(1, 3));
    lane.add(...readings(7, 9));
    start();
    await settled();
    expect(broker.attempts).toEqual([[1, 2, 3, 7, 8, 9]]);
    expect(lane.settled).toEqual([]);
    ack?.('ok');
    await settled();
    expect(lane.settled).toEqual([1, 2, 3, 7, 8, 9]);
    lane.add(...readings(12, 12));
    await settled();
    expect(broker.attempts.at(-1)).toEqual([12]);
  });

  it('is cut into requests that the broker takes', async () => {
    const { lane, broker, start } = bench();
    lane.add(...readings(1, 5));
    start({ limits: { sendRecords: 2 } });
    await settled();
    expect(broker.attempts).toEqual([[1, 2], [3, 4], [5]]);
    lane.add(...readings(6, 9));
    const bytes = (jsonEncoding()(kept(6), false).value?.length ?? 0) + 'ps-12/EM-1'.length;
    start({ limits: { sendBytes: bytes * 3 }, uplinks: new ScriptedBroker().uplinks });
    await settled();
    expect(broker.attempts.slice(3)).toEqual([
      [6, 7],
      [8, 9],
    ]);
  });

  it('does not start more than one record beyond the byte limit, whatever the size', async () => {
    const { lane, broker, start } = bench();
    lane.add(...readings(1, 3));
    start({ limits: { sendBytes: 1 } });
    await settled();
    expect(broker.attempts).toEqual([[1], [2], [3]]);
  });
});

describe('a failure that may pass by itself', () => {
  it('is followed by a fresh uplink, which gets what was in doubt first, in order, as a repeat', async () => {
    const { lane, broker, clock, start } = bench();
    broker.sends = (_, attempt) => (attempt === 1 ? { fate: 'retry', code: 'NETWORK', arrived: 1 } : 'ok');
    lane.add(...readings(1, 3));
    const forwarder = start();
    await settled();
    lane.add(...readings(4, 4));
    expect(forwarder.state()).toMatchObject({
      phase: 'waiting',
      lastError: { fate: 'retry', code: 'NETWORK' },
      delivered: 0,
    });
    await clock.advance(250);
    expect(broker.arrived.map(({ seq, repeat, uplink }) => [seq, repeat, uplink])).toEqual([
      [1, false, 1],
      [1, true, 2],
      [2, true, 2],
      [3, true, 2],
      [4, false, 2],
    ]);
    expect(forwarder.state()).toMatchObject({ phase: 'connected', lastError: null, delivered: 4, repeated: 3 });
  });

  it('does not make a repeat of what was never sent, when only the connection failed', async () => {
    const { lane, broker, clock, start } = bench();
    broker.connects = (attempt) => (attempt < 4 ? { fate: 'retry', code: 'ECONNREFUSED' } : 'ok');
    lane.add(...readings(1, 2));
    start();
    await clock.advance(10_000);
    expect(broker.arrived.map(({ seq, repeat }) => [seq, repeat])).toEqual([
      [1, false],
      [2, false],
    ]);
  });

  it('is tried again with full jitter up to 5 s, after 5 min up to 30 s, and from the beginning after a success', async () => {
    const { lane, broker, clock, start } = bench();
    const times: number[] = [];
    let away = true;
    broker.connects = () => {
      times.push(clock.bootMs);
      return away ? { fate: 'retry', code: 'ECONNREFUSED' } : 'ok';
    };
    lane.add(...readings(1, 1));
    start();
    await clock.advance(400_000);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(gaps.slice(0, 7)).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
    expect(gaps.slice(-2)).toEqual([30_000, 30_000]);
    away = false;
    await clock.advance(30_000);
    expect(lane.waiting).toEqual([]);
    broker.sends = (_, attempt) => (attempt === 2 ? { fate: 'retry', code: 'NETWORK' } : 'ok');
    lane.add(...readings(2, 2));
    await clock.advance(250);
    expect(lane.waiting).toEqual([]);
  });

  it('is told once, and so is its end', async () => {
    const { lane, broker, clock, logged, start } = bench();
    broker.connects = (attempt) => (attempt < 6 ? { fate: 'retry', code: 'ECONNREFUSED' } : 'ok');
    lane.add(...readings(1, 1));
    start();
    await clock.advance(60_000);
    expect(logged).toEqual([expect.stringMatching(/^warning .*ECONNREFUSED/), 'info meter-readings: delivers again']);
  });
});

describe('a failure that needs a person', () => {
  it('is tried every 30 s, told once, loses nothing, and heals by itself when the person has acted', async () => {
    const { lane, broker, clock, logged, events, start } = bench();
    let missing = true;
    const times: number[] = [];
    broker.sends = () => {
      times.push(clock.bootMs);
      return missing ? { fate: 'operator', code: 'UNKNOWN_TOPIC_OR_PARTITION' } : 'ok';
    };
    lane.add(...readings(1, 3));
    const forwarder = start();
    await clock.advance(200_000);
    expect(times.slice(3, 6).map((at, index) => at - (times[index + 2] ?? 0))).toEqual([30_000, 30_000, 30_000]);
    expect(logged).toEqual([expect.stringMatching(/^error .*UNKNOWN_TOPIC_OR_PARTITION/)]);
    expect(forwarder.state()).toMatchObject({ phase: 'waiting', lastError: { fate: 'operator' } });
    expect([lane.waiting, lane.rejected, events]).toEqual([[1, 2, 3], [], []]);
    missing = false;
    await clock.advance(30_000);
    expect(lane.settled).toEqual([1, 2, 3]);
    expect(logged.at(-1)).toBe('info meter-readings: delivers again');
  });
});

describe('poison', () => {
  it('goes alone to the dead letters; its neighbours arrive, in order', async () => {
    const { lane, broker, events, start } = bench();
    broker.sends = (records) =>
      records.some(({ seq }) => seq === 37) ? { fate: 'refused', code: 'MESSAGE_TOO_LARGE' } : 'ok';
    lane.add(...readings(1, 100));
    const forwarder = start();
    await settled();
    await settled();
    await settled();
    expect(lane.rejected.map(({ entry }) => entry.seq)).toEqual([37]);
    expect(lane.rejected[0]).toMatchObject({
      reason: expect.stringContaining('MESSAGE_TOO_LARGE') as string,
      record: { key: 'ps-12/EM-1' },
    });
    expect(broker.arrived.map(({ seq }) => seq)).toEqual(range(1, 100).filter((seq) => seq !== 37));
    expect(lane.waiting).toEqual([]);
    expect(events).toMatchObject([
      { event: 'dead-letter', severity: 'warning', device: 'EM-1', point: 'energy', facts: { seq: 37 } },
    ]);
    expect(forwarder.state()).toMatchObject({ rejected: 1, delivered: 99 });
  });

  it('never makes more of itself on the lane of events', async () => {
    const { lane, broker, events, start } = bench();
    broker.sends = () => ({ fate: 'refused', code: 'INVALID_RECORD' });
    lane.add(kept(1, { stream: 'gateway-events' }));
    start({ lane: 'gateway-events' });
    await settled();
    await settled();
    expect(lane.rejected).toHaveLength(1);
    expect(events).toEqual([]);
  });

  it('is a record that cannot even be written as JSON', async () => {
    const { lane, broker, start } = bench();
    lane.add(kept(1), kept(2, { value: Number.NaN }), kept(3));
    start();
    await settled();
    await settled();
    expect(lane.rejected.map(({ entry }) => entry.seq)).toEqual([2]);
    expect(broker.arrived.map(({ seq }) => seq)).toEqual([1, 3]);
  });

  it('stays at the head until the dead letters are on disk', async () => {
    const { lane, broker, clock, start } = bench();
    lane.failNextReject = new Error('disk full');
    broker.sends = (records) => (records[0]?.seq === 1 ? { fate: 'refused', code: 'INVALID_RECORD' } : 'ok');
    lane.add(kept(1));
    lane.add(kept(2));
    start({ limits: { sendRecords: 1 } });
    await settled();
    expect(broker.arrived).toEqual([]);
    await clock.advance(1000);
    expect([lane.rejected.length, lane.settled]).toEqual([1, [1, 2]]);
  });

  it('is not what has only an old timestamp: that is sent with the record timestamp now, alone', async () => {
    const { lane, broker, clock, start } = bench();
    const now = clock.wallMs;
    const dayMs = 86_400_000;
    broker.sends = (records) =>
      records.some(({ timestampMs }) => now - timestampMs > dayMs)
        ? { fate: 'refused', code: 'INVALID_TIMESTAMP' }
        : 'ok';
    lane.add(...range(1, 20).map((seq) => kept(seq, { timeMs: seq === 5 ? now - 9 * dayMs : now - 1000 })));
    start();
    await settled();
    await settled();
    expect(lane.rejected).toEqual([]);
    expect(broker.arrived.map(({ seq, timestampMs }) => [seq, timestampMs])).toEqual(
      range(1, 20).map((seq) => [seq, seq === 5 ? now : now - 1000]),
    );
  });

  it('is not a backlog that the topic finds too old: it goes out in few attempts', async () => {
    const { lane, broker, clock, start } = bench();
    const now = clock.wallMs;
    const dayMs = 86_400_000;
    broker.sends = (records) =>
      records.some(({ timestampMs }) => now - timestampMs > dayMs)
        ? { fate: 'refused', code: 'INVALID_TIMESTAMP' }
        : 'ok';
    lane.add(...range(1, 1000).map((seq) => kept(seq, { timeMs: now - (1001 - seq) * 600_000 })));
    start();
    for (let round = 0; round < 60; round++) await settled();
    expect(lane.waiting).toEqual([]);
    expect(lane.rejected).toEqual([]);
    expect(broker.attempts.length).toBeLessThan(200);
  });

  it('is not a gateway whose clock is wrong: even "now" refused waits for a person', async () => {
    const { lane, broker, clock, logged, start } = bench();
    broker.sends = () => ({ fate: 'refused', code: 'INVALID_TIMESTAMP' });
    lane.add(...readings(1, 2));
    start();
    await clock.advance(100_000);
    expect([lane.rejected, lane.waiting]).toEqual([[], [1, 2]]);
    expect(logged).toEqual([expect.stringMatching(/^error .*compare the broker's clock/)]);
  });

  it('is not a broken topic: after 100 in a row the lane stops with one alarm, tries slowly, and goes on when it is mended', async () => {
    const { lane, broker, clock, events, start } = bench();
    let broken = true;
    broker.sends = () => (broken ? { fate: 'refused', code: 'INVALID_RECORD' } : 'ok');
    for (const seq of range(1, 150)) lane.add(kept(seq));
    const forwarder = start();
    for (let round = 0; round < 400; round++) await settled();
    expect(lane.rejected).toHaveLength(100);
    const attempts = broker.attempts.length;
    await clock.advance(290_000);
    expect(broker.attempts.length - attempts).toBeLessThanOrEqual(20);
    expect(lane.rejected).toHaveLength(100);
    expect(events.filter(({ severity }) => severity === 'error')).toHaveLength(1);
    expect(forwarder.state().phase).toBe('stalled');
    broken = false;
    await clock.advance(30_000);
    expect(lane.waiting).toEqual([]);
    expect(broker.arrived.map(({ seq }) => seq)).toEqual(range(101, 150));
  });

  it('at the head of a mended topic does not hold the lane: its neighbour, which may come later, shows that the topic works', async () => {
    const { lane, broker, clock, start } = bench();
    let broken = true;
    broker.sends = (records) =>
      broken || records.some(({ seq }) => seq === 101) ? { fate: 'refused', code: 'INVALID_RECORD' } : 'ok';
    for (const seq of range(1, 101)) lane.add(kept(seq));
    start();
    for (let round = 0; round < 400; round++) await settled();
    broken = false;
    await clock.advance(70_000);
    expect(lane.waiting).toEqual([101]);
    lane.add(kept(102), kept(103));
    await clock.advance(70_000);
    expect(lane.rejected.map(({ entry }) => entry.seq)).toEqual(range(1, 101));
    expect(broker.arrived.map(({ seq }) => seq)).toEqual([102, 103]);
  });
});

describe('stopping', () => {
  it('waits for the answer to what is being sent and settles it', async () => {
    const { lane, broker, start } = bench();
    let ack: ((verdict: 'ok') => void) | undefined;
    broker.sends = () => new Promise((resolve) => (ack = resolve));
    lane.add(...readings(1, 2));
    const forwarder = start();
    await settled();
    const stopped = forwarder.stop();
    await settled();
    ack?.('ok');
    await stopped;
    expect([lane.settled, broker.open, forwarder.state().phase]).toEqual([[1, 2], 0, 'stopped']);
  });

  it('gives up what is being sent when time is up, and settles nothing that was not acked', async () => {
    const { lane, broker, start } = bench();
    broker.sends = () => new Promise(() => undefined);
    lane.add(...readings(1, 2));
    const forwarder = start();
    await settled();
    const time = new AbortController();
    const stopped = forwarder.stop(time.signal);
    await settled();
    time.abort();
    await stopped;
    expect([lane.settled, broker.open]).toEqual([[], 0]);
  });

  it('ends every wait: for entries, for a connection, for the next attempt', async () => {
    const idle = bench();
    const waiting = bench();
    waiting.broker.connects = () => ({ fate: 'retry', code: 'ECONNREFUSED' });
    const connecting = bench();
    connecting.broker.connects = () => new Promise(() => undefined);
    const forwarders = [idle, waiting, connecting].map((one) => one.start());
    await settled();
    await Promise.all(forwarders.map((forwarder) => forwarder.stop()));
    expect([idle, waiting, connecting].map(({ broker }) => broker.open)).toEqual([0, 0, 0]);
  });
});

describe('whatever the broker does', () => {
  it('every entry is delivered or dead, first sendings keep their order, and a second sending is marked', async () => {
    const fate = fc.constantFrom('retry' as const, 'operator' as const);
    const failures = fc.array(fc.option(fc.record({ fate, arrived: fc.nat(30) })), { maxLength: 30 });
    const poisons = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 6 });
    const lane = fc.constantFrom<Stream>('meter-readings', 'sensor-values');
    await fc.assert(
      fc.asyncProperty(
        failures,
        poisons,
        lane,
        fc.integer({ min: 1, max: 20 }),
        async (script, poison, stream, sendRecords) => {
          const { lane: buffer, broker, clock, start } = bench();
          broker.sends = (records, attempt) => {
            const at = records.findIndex(({ seq }) => poison.includes(seq));
            const failure = script[attempt - 1];
            const sound = at < 0 ? records.length : at;
            if (failure) return { ...failure, code: 'SCRIPTED', arrived: Math.min(failure.arrived, sound) };
            return at < 0 ? 'ok' : { fate: 'refused', code: 'INVALID_RECORD', arrived: at };
          };
          for (const seq of range(1, 60)) buffer.add(kept(seq));
          const forwarder = start({ lane: stream, limits: { sendRecords } });
          for (let round = 0; round < 100 && buffer.waiting.length > 0; round++) await clock.advance(30_000);
          await forwarder.stop();
          expect(buffer.waiting).toEqual([]);
          expect(buffer.rejected.map(({ entry }) => entry.seq)).toEqual(poison.toSorted((a, b) => a - b));
          const firsts = broker.arrived.filter(({ repeat }) => !repeat).map(({ seq }) => seq);
          expect(firsts).toEqual([...new Set(firsts)].toSorted((a, b) => a - b));
          const seen = new Set<number>();
          for (const { seq, repeat } of broker.arrived) {
            if (seen.has(seq)) expect(repeat).toBe(true);
            seen.add(seq);
          }
          expect([...seen].toSorted((a, b) => a - b)).toEqual(range(1, 60).filter((seq) => !poison.includes(seq)));
        },
      ),
      { numRuns: 40 },
    );
  });
});
