import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reading, Seq, Stream } from '../../agent/reading.ts';
import { FrameDecoder } from '../../buffer/frames/decoder.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { laneOf } from '../../buffer/protocol.ts';
import type { Drop, RoomMade } from '../../buffer/protocol.ts';
import { Store } from '../../buffer/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

const maxBytes = 1_000_000;
const at = new FakeClock().now();
const points = {
  'sensor-values': pointInfo({ device: 'FT-7', point: 'flow', kind: 'gauge', stream: 'sensor-values' }),
  'meter-readings': pointInfo({}),
} as const;
type Lane = keyof typeof points;
const lanes = ['sensor-values', 'meter-readings'] as const;

type Act =
  | { readonly do: 'append'; readonly sensors: number; readonly meters: number }
  | { readonly do: 'settle'; readonly lane: Lane; readonly share: number }
  | { readonly do: 'room' | 'restart' | 'crash' };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      sensors: fc.integer({ min: 1, max: 2500 }),
      meters: fc.integer({ min: 1, max: 2500 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      lane: fc.constantFrom(...lanes),
      share: fc.double({ min: 0, max: 0.6, noNaN: true }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('room' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'crash' as const) }) },
);

/** A buffer, and what should be true of it: which numbers were accepted, which delivered, how many told as lost. */
class Model {
  readonly folders: string[] = [];
  readonly accepted: Record<Lane, Seq[]> = { 'sensor-values': [], 'meter-readings': [] };
  readonly delivered: Record<Lane, Set<Seq>> = { 'sensor-values': new Set(), 'meter-readings': new Set() };
  /** Delivered since the last commit: a crash may give it again. */
  readonly #unwritten: Record<Lane, Set<Seq>> = { 'sensor-values': new Set(), 'meter-readings': new Set() };
  readonly lost: Record<Lane, number> = { 'sensor-values': 0, 'meter-readings': 0 };
  store!: Store;
  #encoder!: FrameEncoder;
  #seq: Seq = 0;

  constructor() {
    this.open(mkdtempSync(join(tmpdir(), 'sluice-model-')));
  }

  open(folder: string): void {
    if (!this.folders.includes(folder)) this.folders.push(folder);
    this.store = new Store({ path: folder, maxBytes }, ({ message }) => {
      throw new Error(`told: ${message}`);
    });
    this.#encoder = new FrameEncoder();
    this.#seq = this.store.opened().nextSeq;
  }

  commit(counts: Partial<Record<Lane, number>>, drops: readonly Drop[] = []): void {
    const notes = [{ seq: this.#seq++, entry: { at, key: 'ps-12', json: '{}' } }];
    const frames = [this.#encoder.encode(at, 'gateway-events', notes)];
    for (const lane of lanes) {
      const readings = Array.from({ length: counts[lane] ?? 0 }, (): { seq: Seq; entry: Reading } => ({
        seq: this.#seq++,
        entry: reading({ point: points[lane], value: Math.random() }),
      }));
      if (readings.length > 0) frames.push(this.#encoder.encode(at, lane, readings));
      for (const { seq } of readings) this.accepted[lane].push(seq);
    }
    const described = this.#encoder.takeDescribed();
    this.store.commit({ frames, described, slots: new Uint8Array([1]), dating: [], maxBytes: null, drops, heard: 0 });
    for (const lane of lanes) this.#unwritten[lane].clear();
  }

  settle(lane: Lane, share: number): void {
    const kept = this.kept(lane);
    const some = kept.slice(0, Math.ceil(kept.length * share));
    for (const seq of some) {
      this.delivered[lane].add(seq);
      this.#unwritten[lane].add(seq);
    }
    const last = some.at(-1);
    if (last !== undefined) this.store.settle(laneOf(lane), 1, last);
  }

  makeRoom(): void {
    const steps = this.store.makeRoom({ given: [0, 0, 0, 0], newest: this.#seq - 1, maxBytes });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const made: RoomMade = step.value;
    if (made.did !== 'drop') return;
    const told = made.tallies.reduce((sum, { count }) => sum + count, 0);
    if (told !== made.count) throw new Error(`${told} told of ${made.count}`);
    const lane = lanes.find((one) => laneOf(one) === made.drop.lane);
    if (!lane) throw new Error('a lane that is never dropped');
    this.lost[lane] += told;
    this.commit({}, [made.drop]);
  }

  crash(): void {
    const copy = mkdtempSync(join(tmpdir(), 'sluice-model-'));
    cpSync(this.folders.at(-1) ?? '', copy, { recursive: true, filter: (file) => !file.endsWith('-shm') });
    this.store.close([]);
    this.open(copy);
    for (const lane of lanes)
      for (const seq of this.kept(lane)) if (this.#unwritten[lane].delete(seq)) this.delivered[lane].delete(seq);
  }

  /** What a reader who begins at the beginning is given, without its counting as given. */
  kept(lane: Stream): Seq[] {
    const decoder = new FrameDecoder({ offsetOf: () => null });
    const seqs: Seq[] = [];
    for (let after = 0; ;) {
      const found = this.store.read({ lane: laneOf(lane), after, most: 5000, before: null, known: decoder.known() });
      for (const { entries, damage } of decoder.decode(lane, found)) {
        if (damage !== null) throw new Error(damage);
        for (const { seq } of entries) seqs.push(seq);
      }
      if (found.frames.length === 0) return seqs;
      after = found.through;
    }
  }

  end(): void {
    this.store.close([]);
    for (const folder of this.folders) rmSync(folder, { recursive: true });
  }
}

describe('a buffer under any order of appends, deliveries, thinning, restarts and crashes', () => {
  it('has of everything accepted what was not delivered, or told it as lost, exactly', () => {
    let drops = 0;
    fc.assert(
      fc.property(fc.array(act, { minLength: 20, maxLength: 45 }), (acts) => {
        const model = new Model();
        try {
          for (const one of acts) {
            if (one.do === 'append') model.commit({ 'sensor-values': one.sensors, 'meter-readings': one.meters });
            else if (one.do === 'settle') model.settle(one.lane, one.share);
            else if (one.do === 'room') model.makeRoom();
            else if (one.do === 'crash') model.crash();
            else {
              model.store.close([]);
              model.open(model.folders.at(-1) ?? '');
            }
          }
          // Nobody holds anything any more.
          model.crash();
          for (const lane of lanes) {
            const kept = model.kept(lane);
            expect(kept).toEqual(kept.toSorted((a, b) => a - b));
            const there = new Set([...kept, ...model.delivered[lane]]);
            expect(model.accepted[lane].filter((seq) => !there.has(seq))).toHaveLength(model.lost[lane]);
            drops += model.lost[lane];
          }
        } finally {
          model.end();
        }
      }),
      { numRuns: 6, ...(process.env['SEED'] ? { seed: Number(process.env['SEED']) } : {}) },
    );
    expect(drops).toBeGreaterThan(0);
  });
});
