/** Segments whose every entry follows from its number, harm done to them from a seed, and a judge that shares no code with the salvage. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayEvent, Kept, Seq } from '../../agent/reading.ts';
import { streams } from '../../agent/reading.ts';
import { FrameDecoder } from '../../buffer/frames/decoder.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { laneOf } from '../../buffer/protocol.ts';
import { Store } from '../../buffer/store.ts';
import { fastFolder } from '../torture/record.ts';
import { FakeClock } from './fake-clock.ts';
import { pointInfo, reading } from './readings.ts';

const maxBytes = 64_000_000;
/** A sixteenth of it is a segment. */
const smallBytes = 1_300_000;

/** Numbers from a seed: a failing case can be made again. */
export function dice(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) >>> 0;
    return Math.floor(((state ^ (state >>> 13)) >>> 0) / (2 ** 32 / below));
  };
}

/** Of one entry in eight the text is long and not to be compressed, so that frames spill over many pages. */
function contentOf(seq: Seq): { value: number; point: string; text: string | null } {
  const next = dice(seq);
  const text = Array.from({ length: 300 }, () => String.fromCharCode(33 + next(90))).join('');
  return { value: seq * 1.25, point: `p${seq % 7}`, text: seq % 8 === 0 ? text : null };
}

export class DamagedSite {
  readonly folder = mkdtempSync(join(fastFolder, 'sluice-damaged-'));
  /** Of the last entry that was accepted. */
  accepted = 0;
  readonly #made: string[] = [this.folder];

  /** Two lanes, two segments a start; each start ended in order. `slots`: the newest, of every commit. */
  fill(starts: number, slots: Uint8Array | null = null): void {
    const clock = new FakeClock();
    for (let start = 0; start < starts; start++) {
      const store = new Store({ path: this.folder, maxBytes: smallBytes }, () => undefined);
      store.opened();
      const encoder = new FrameEncoder();
      for (let commit = 0; commit < 40; commit++) {
        clock.wallMs += 1000;
        store.commit({
          ...this.#commit(encoder, clock, 4 + (commit % 30)),
          slots,
          dating: [],
          maxBytes: null,
          drops: [],
          heard: 0,
        });
      }
      store.close([]);
    }
  }

  /** The lanes' numbers interleave. */
  #commit(encoder: FrameEncoder, clock: FakeClock, count: number) {
    const at = clock.now();
    const lanes = [0, 1].map((lane) =>
      Array.from({ length: count }, (_, place) => {
        const seq = this.accepted + 1 + place * 2 + lane;
        const { value, point, text } = contentOf(seq);
        const stream = streams[lane] ?? 'meter-readings';
        return { seq, entry: reading({ at, value, text, point: pointInfo({ point, stream, kind: 'gauge' }) }) };
      }),
    );
    this.accepted += count * 2;
    const frames = lanes.map((numbered, lane) => encoder.encode(at, streams[lane] ?? 'meter-readings', numbered));
    return { frames, described: encoder.takeDescribed() };
  }

  segments(folder = this.folder): string[] {
    return readdirSync(folder)
      .filter((name) => /^\d{12}-.*\.db$/.test(name))
      .toSorted();
  }

  copy(): string {
    const folder = mkdtempSync(join(fastFolder, 'sluice-damaged-'));
    this.#made.push(folder);
    cpSync(this.folder, folder, { recursive: true });
    return folder;
  }

  remove(folder?: string): void {
    for (const one of folder === undefined ? this.#made : [folder]) rmSync(one, { recursive: true, force: true });
  }
}

/** What is done to a file, by name. */
export const harms: Readonly<Record<string, (bytes: Buffer, next: (below: number) => number) => Buffer>> = {
  'flipped bits': (bytes, next) => {
    for (let flips = 1 + next(8); flips > 0; flips--) {
      const at = next(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << next(8));
    }
    return bytes;
  },
  'zeroed sectors': (bytes, next) => {
    for (let sectors = 1 + next(4); sectors > 0; sectors--) {
      const at = next(bytes.length / 512) * 512;
      bytes.fill(0, at, Math.min(bytes.length, at + 512));
    }
    return bytes;
  },
  'torn pages': (bytes, next) => {
    const [to, from, kept] = [next(bytes.length / 4096), next(bytes.length / 4096), next(8) * 512];
    const page = bytes.subarray(to * 4096 + kept, (to + 1) * 4096);
    if (next(2) === 0) bytes.copy(page, 0, Math.min(bytes.length, from * 4096 + kept));
    else for (let at = 0; at < page.length; at++) page[at] = next(256);
    return bytes;
  },
  'a file cut short': (bytes, next) => bytes.subarray(0, next(bytes.length)),
};

export interface Outcome {
  /** Given, but not as it was accepted, or twice. */
  readonly altered: readonly Seq[];
  /** Neither given nor told. */
  readonly silent: readonly Seq[];
  readonly given: number;
  readonly events: readonly GatewayEvent[];
}

/** A start beside damaged files that reads everything, before or after the damaged ones are written anew. */
export function read(folder: string, accepted: Seq, isMended = false): Outcome {
  const events: GatewayEvent[] = [];
  const store = new Store({ path: folder, maxBytes }, (event) => events.push(event));
  const { nextSeq } = store.opened();
  if (isMended) while (store.mend());
  const given = new Map<Seq, number>();
  const altered: Seq[] = [];
  for (const [lane, stream] of streams.entries()) {
    const decoder = new FrameDecoder({ offsetOf: () => null });
    for (let after = 0; ;) {
      const found = store.read({ lane, after, most: 200, before: null, known: decoder.known() });
      for (const { entries, damage, segment, first, last } of decoder.decode(stream, found)) {
        if (damage !== null) store.tellDamaged({ lane, segment, first, last, why: damage });
        for (const entry of entries) {
          given.set(entry.seq, (given.get(entry.seq) ?? 0) + 1);
          if (given.get(entry.seq) !== 1 || (entry.seq + 1) % 2 !== lane || !isTrue(entry)) altered.push(entry.seq);
        }
      }
      if (found.frames.length === 0 && found.through <= after) break;
      after = found.through;
    }
  }
  while (store.mend());
  keepEvents(store, nextSeq, events.length);
  store.close([]);
  const silent = Array.from({ length: accepted }, (_, at) => at + 1).filter((seq) => !given.has(seq));
  return { altered, silent: silent.filter((seq) => !isTold(events, seq)), given: given.size, events };
}

/** A commit holds what the store told so far, and is delivered. */
export function keepEvents(store: Store, seq: Seq, heard: number): void {
  const at = new FakeClock().now();
  const frames = [new FrameEncoder().encode(at, 'gateway-events', [{ seq, entry: { at, key: 'k', json: '{}' } }])];
  store.commit({ frames, described: [], slots: null, dating: [], maxBytes: null, drops: [], heard });
  store.settle(laneOf('gateway-events'), seq, seq);
}

function isTrue(entry: Kept): boolean {
  if (entry.form !== 'reading') return false;
  const { value, point, text } = contentOf(entry.seq);
  return entry.value === value && entry.point.point === point && entry.text === text;
}

function isTold(events: readonly GatewayEvent[], seq: Seq): boolean {
  return events.some(
    ({ event, facts }) =>
      (event === 'loss' || event === 'possible-loss') &&
      seq >= Number(facts?.['firstSeq']) &&
      seq <= Number(facts?.['lastSeq'] ?? Infinity),
  );
}

/** Entries that the events tell as lost, at most. */
export function toldAsLost(events: readonly GatewayEvent[]): number {
  return events.filter(({ event }) => event === 'loss').reduce((sum, { facts }) => sum + Number(facts?.['count']), 0);
}

export function harm(file: string, kind: string, next: (below: number) => number): void {
  writeFileSync(file, harms[kind]?.(readFileSync(file), next) ?? Buffer.alloc(0));
}
