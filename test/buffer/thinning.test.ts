import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent, Note, Reading, Seq, Stream } from '../../agent/reading.ts';
import type { Batch, Buffer } from '../../buffer/buffer.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { laneOf } from '../../buffer/protocol.ts';
import type { Drop, RoomMade } from '../../buffer/protocol.ts';
import { Store } from '../../buffer/store.ts';
import { BufferFolder } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

const maxBytes = 1_000_000;
const flow = pointInfo({ device: 'FT-7', point: 'flow', kind: 'gauge', stream: 'sensor-values' });
const at = new FakeClock().now();

let site: BufferFolder;
let store: Store;
let encoder: FrameEncoder;
let seq: Seq;
let copies: string[];
let news: GatewayEvent[];

beforeEach(() => {
  site = new BufferFolder();
  news = [];
  store = new Store({ path: site.path, maxBytes }, (event) => news.push(event));
  encoder = new FrameEncoder();
  seq = store.opened().nextSeq;
  copies = [];
});
afterEach(async () => {
  store.close([0, 0, 0, 0]);
  for (const copy of copies) rmSync(copy, { recursive: true });
  await site.remove();
});

function commit(lanes: Partial<Record<Stream, readonly (Reading | Note)[]>>, drops: readonly Drop[] = []): void {
  const frames = Object.entries(lanes).map(([stream, entries]) =>
    encoder.encode(
      at,
      stream as Stream,
      entries.map((entry) => ({ seq: seq++, entry })),
    ),
  );
  store.commit({
    frames,
    described: encoder.takeDescribed(),
    slots: new Uint8Array([1]),
    dating: [],
    maxBytes: null,
    drops,
    heard: 0,
  });
}

const values = (count: number, point = flow): Reading[] =>
  Array.from({ length: count }, () => reading({ point, value: Math.random() }));

function copied(): string {
  const copy = mkdtempSync(join(tmpdir(), 'sluice-crashed-'));
  cpSync(site.path, copy, { recursive: true, filter: (file) => !file.endsWith('-shm') });
  copies.push(copy);
  return copy;
}

/** Seqs of readings that a start on this copy gives, and how many loss events it does. */
async function givenBy(path: string): Promise<{ sensors: Seq[]; meters: Seq[]; losses: number }> {
  const buffer = await site.opened({ path, maxBytes });
  const all = async (stream: Stream): Promise<Seq[]> => {
    const seqs: Seq[] = [];
    for (let after = 0; ;) {
      const batch = await nextOf(buffer, stream, after);
      if (batch === null) return seqs;
      seqs.push(...batch.entries.map((entry) => entry.seq));
      after = batch.last;
    }
  };
  const [sensors, meters, losses] = [
    await all('sensor-values'),
    await all('meter-readings'),
    await all('gateway-events'),
  ];
  await buffer.close(AbortSignal.timeout(2_000));
  return { sensors, meters, losses: losses.length };
}

const nextOf = (buffer: Buffer, stream: Stream, after: Seq): Promise<Batch | null> =>
  buffer.next(stream, after, 10_000, AbortSignal.timeout(50)).catch(() => null);

function room(): Generator<undefined, RoomMade> {
  return store.makeRoom({ given: [0, 0, 0, 0], newest: seq - 1, maxBytes });
}

function toTheEnd(steps: Generator<undefined, RoomMade>, each: () => void = () => undefined): RoomMade {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    each();
  }
}

describe('a power cut while room is made', () => {
  it('leaves at every step either what was, or what was told as lost, and never half of it', async () => {
    for (let n = 0; n < 12; n++) commit({ 'sensor-values': values(1000), 'meter-readings': values(40, pointInfo({})) });
    const before = await givenBy(copied());
    expect(before.sensors).toHaveLength(12_000);

    const untold: string[] = [];
    const made = toTheEnd(room(), () => untold.push(copied()));
    if (made.did !== 'drop') throw new Error(made.did);
    for (const copy of [...untold, copied()]) expect(await givenBy(copy)).toEqual(before);

    commit({ 'gateway-events': [{ at, key: 'ps-12', json: '{"event":"loss"}' }] }, [made.drop]);
    const told = [copied()];
    expect(toTheEnd(room(), () => told.push(copied())).did).toBe('freed');
    told.push(copied());
    const after = { ...before, sensors: before.sensors.slice(made.count), losses: 1 };
    for (const copy of told) expect(await givenBy(copy)).toEqual(after);
    expect(told.length).toBeGreaterThan(3);
    expect(made.count).toBeGreaterThan(0);
  });

  it('between two steps commits and reads go on, and a copy begun is given up when the buffer closes', () => {
    for (let n = 0; n < 12; n++) commit({ 'sensor-values': values(1000), 'meter-readings': values(40, pointInfo({})) });
    const made = toTheEnd(room());
    if (made.did !== 'drop') throw new Error(made.did);
    commit({ 'gateway-events': [{ at, key: 'ps-12', json: '{}' }] }, [made.drop]);
    const steps = room();
    steps.next();
    commit({ 'sensor-values': values(10) });
    const read = store.read({ lane: 1, after: 0, most: 10, before: null, known: new Map() });
    expect(read.frames[0]?.first).toBeGreaterThan(made.drop.last);
    store.close([0, 0, 0, 0]);
    expect(toTheEnd(steps).did).toBe('nothing');
    store = new Store({ path: site.path, maxBytes }, () => undefined);
    expect(store.opened().nextSeq).toBe(seq);
  });
});

it('a frame that nobody can decode is told once, by what makes room or by a reader, whoever comes first', () => {
  const lane = laneOf('sensor-values');
  for (let n = 0; n < 2; n++) {
    const [first, last] = [seq, seq + 9];
    seq = last + 1;
    const frame = { lane, first, last, count: 10, body: new Uint8Array([99, 0]), points: [] };
    const rest = { described: [], slots: null, dating: [], maxBytes: null, drops: [], heard: 0 };
    store.commit({ frames: [frame], ...rest });
  }
  for (let n = 0; n < 12; n++) commit({ 'sensor-values': values(1000) });
  const segment = site.segments()[0]?.slice(0, -'.db'.length) ?? '';
  const why = 'no such version';
  store.tellDamaged({ lane, segment, first: 1, last: 10, why });
  store.mend();
  expect(toTheEnd(room()).did).toBe('drop');
  store.tellDamaged({ lane, segment, first: 11, last: 20, why });
  store.mend();
  expect(news.map(({ event, facts }) => [event, facts?.['firstSeq'], facts?.['lastSeq']])).toEqual([
    ['loss', 1, 10],
    ['loss', 11, 20],
  ]);
});
