import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent, Seq } from '../../agent/reading.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import type { ReadFrames } from '../../buffer/protocol.ts';
import { Store } from '../../buffer/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DamagedSite, toldAsLost } from '../support/damaged-site.ts';
import { pointInfo, reading } from '../support/readings.ts';

let site: DamagedSite;
let store: Store | null;
let events: GatewayEvent[];

beforeEach(() => {
  site = new DamagedSite();
  store = null;
  events = [];
});
afterEach(() => {
  store?.close([]);
  site.remove();
});

function opened(maxBytes = 64_000_000): Store {
  store = new Store({ path: site.folder, maxBytes }, (event) => events.push(event));
  store.opened();
  return store;
}

const readOf = (from: Store, lane: number, after: Seq, most = 200): ReadFrames =>
  from.read({ lane, after, most, before: null, known: new Map() });

/** Everything of the lane that is given. */
function given(from: Store, lane: number): ReadFrames['frames'] {
  const frames: ReadFrames['frames'][number][] = [];
  for (let after = 0; ;) {
    const found = readOf(from, lane, after);
    frames.push(...found.frames);
    if (found.frames.length === 0 && found.through <= after) return frames;
    after = found.through;
  }
}

/** On the disk, under whoever has the file open; SQLite is told that its cache is stale. */
function rot(file: string, body: Uint8Array): void {
  const bytes = readFileSync(file);
  const start = Buffer.from(body).subarray(0, 40);
  let places = 0;
  // Pages that were split leave what they held behind.
  for (let at = bytes.indexOf(start); at > 0; at = bytes.indexOf(start, at + 1)) {
    bytes.fill(0xaa, at + 4, at + 30);
    places += 1;
  }
  expect(places).toBeGreaterThan(0);
  bytes.writeUInt32BE(bytes.readUInt32BE(24) + 1, 24);
  writeFileSync(file, bytes);
}

/** SQLite does not read it any more; every row is there. */
function beheaded(file: string): void {
  writeFileSync(file, readFileSync(file).fill(0, 0, 100));
}

describe('a segment that goes on decaying after it was examined', () => {
  it('tells a lost frame once, however often a reader comes to it', () => {
    site.fill(1);
    const [name = ''] = site.segments();
    beheaded(join(site.folder, name));
    const open = opened();
    const { frames } = readOf(open, 0, 0, 10);
    const [, second] = frames;
    expect(events).toEqual([]);
    rot(join(site.folder, name), second?.body ?? new Uint8Array());
    for (let look = 0; look < 3; look++) readOf(open, 0, 0, 10);
    expect(events.map(({ event, facts }) => [event, facts?.['firstSeq'], facts?.['lastSeq']])).toEqual([
      ['loss', second?.first, second?.last],
    ]);
    expect(given(open, 0).length + given(open, 1).length).toBe(2 * 40 - 1);
  });

  it('tells what was lost while it was not open', () => {
    site.fill(1);
    const [name = ''] = site.segments();
    beheaded(join(site.folder, name));
    const open = opened();
    const second = readOf(open, 0, 0, 1000).frames[1];
    // A reader that fails lets go of the file.
    expect(() => open.read({ lane: 0, after: 0, most: 1, before: null, known: failing() })).toThrow('no handle');
    rot(join(site.folder, name), second?.body ?? new Uint8Array());
    const left = given(open, 0).length + given(open, 1).length;
    expect(left).toBe(2 * 40 - 1);
    expect(toldAsLost(events)).toBe(((second?.last ?? 0) - (second?.first ?? 0)) / 2 + 1);
  });

  it('takes no room that is not counted while it is written anew', () => {
    site.fill(1);
    const [name = ''] = site.segments();
    beheaded(join(site.folder, name));
    const open = opened();
    open.mend();
    const before = open.space().bytes;
    open.mend();
    const [copy = ''] = globSync(join(site.folder, '*.tmp'));
    expect(statSync(copy).size).toBeGreaterThan(10_000);
    expect(open.space().bytes - before).toBe(statSync(copy).size);
  });
});

describe('a segment that is copied to make room', () => {
  it('stays when a reader finds damage in it meanwhile: what is missing is told, and the damaged file is kept', () => {
    const at = new FakeClock().now();
    const flow = pointInfo({ device: 'FT-7', point: 'flow', kind: 'gauge', stream: 'sensor-values' });
    const maxBytes = 1_000_000;
    const open = opened(maxBytes);
    const encoder = new FrameEncoder();
    let seq = 1;
    const numbered = (count: number, point = flow) =>
      Array.from({ length: count }, () => ({ seq: seq++, entry: reading({ point, value: Math.random() }) }));
    for (let n = 0; n < 24; n++) {
      const frames = [
        encoder.encode(at, 'meter-readings', numbered(400, pointInfo({}))),
        encoder.encode(at, 'sensor-values', numbered(1000)),
      ];
      const slots = new Uint8Array([1]);
      open.commit({
        frames,
        described: encoder.takeDescribed(),
        slots,
        dating: [],
        maxBytes: null,
        drops: [],
        heard: 0,
      });
    }
    open.settle(1, 1, seq - 1);
    const steps = open.makeRoom({ given: [0, 0, 0, 0], newest: seq - 1, maxBytes });
    steps.next();
    steps.next();
    const [copy = ''] = globSync(join(site.folder, '*.tmp'));
    const file = copy.slice(0, -'.tmp'.length);
    const { ino } = statSync(file);
    // All its rows are in the copy, which is not in its place yet.
    const [first] = readOf(open, 0, 0, 1).frames;
    rot(file, first?.body ?? new Uint8Array());
    expect(readOf(open, 0, 0, 1).frames[0]?.first).not.toBe(first?.first);
    expect(toldAsLost(events)).toBe(400);
    steps.next();
    expect(statSync(file).ino).toBe(ino);
    expect(given(open, 0)).toHaveLength(23);
    while (open.mend());
    expect(events.map(({ event }) => event)).toEqual(['loss', 'quarantine']);
    expect(given(open, 0)).toHaveLength(23);
    expect(globSync(join(site.folder, 'quarantine', '*.db'))).toHaveLength(1);
  });
});

function failing(): ReadonlyMap<string, number> {
  return new (class extends Map<string, number> {
    override get(): number {
      throw new Error('no handle');
    }
  })();
}
