import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { streams } from '../agent/reading.ts';
import type { Seq } from '../agent/reading.ts';
import { isAtRest } from './at-rest.ts';
import { makeFolder } from './folder.ts';
import { committedMs } from './frame.ts';
import type { Commit, Described, Descriptor } from './protocol.ts';
import type { Range, Settled } from './ranges.ts';
import { fileTails, isDamage, parseSegmentName, segmentName, SegmentFile, sizeOf } from './segment.ts';
import type { DescriptorRow, Extent, FrameRow, RemovedRun } from './segment.ts';

/** Frames (of an unknown lane) or entries of a lane that a segment should carry and does not. */
export interface Damage {
  readonly lane: number | null;
  readonly frames: number | null;
  readonly entries: number | null;
  /** They lie somewhere between. */
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
}

/**
 * What the writer knows of one segment. Its lanes' extents stay in memory; the handle and the index of its frames only while it is
 * read or written, so that a month of backlog costs no memory.
 */
export class Shelf {
  readonly file: string;
  readonly name: string;
  readonly epoch: string;
  readonly firstSeq: Seq;
  /** Per lane: all its frames, null where it has none. */
  lanes: (Extent | null)[] = streams.map(() => null);
  #index: Extent[][] | null = null;
  #handle: SegmentFile | null = null;
  readonly #described = new Set<number>();
  readonly #damage: Damage[] = [];
  readonly #knownMissing = new Set<number>();
  /** Part of it could not be read: it goes to the quarantine when the rest is delivered. */
  isDamaged = false;
  /** It was given up and told as lost, but could not be moved aside yet. */
  isCondemned = false;
  /** Nothing is written to it any more. */
  isSealed = true;
  /** Nobody will write to it, we neither. */
  #isAtRest = false;
  #bytes = 0;
  #inode = 0;

  constructor(folder: string, fileName: string) {
    const parsed = parseSegmentName(fileName);
    if (!parsed) throw new RangeError(`${fileName} is no name of a segment`);
    this.file = join(folder, fileName);
    this.name = fileName.slice(0, -'.db'.length);
    this.epoch = parsed.epoch;
    this.firstSeq = parsed.first;
  }

  static create(folder: string, first: Seq, epoch: string, rollBytes: number): Shelf {
    const shelf = new Shelf(folder, `${segmentName(first, epoch)}.db`);
    makeFolder(folder);
    // What bears this name already is the ruin of a creation or first commit that failed: nothing in it was accepted.
    for (const tail of fileTails) rmSync(shelf.file + tail, { force: true });
    shelf.#handle = SegmentFile.create(shelf.file, rollBytes);
    shelf.#index = streams.map(() => []);
    shelf.isSealed = false;
    shelf.#inode = statSync(shelf.file).ino;
    return shelf;
  }

  /** Takes stock of a segment of an earlier start, sealing it if nobody has. */
  stock(): void {
    this.#isAtRest = isAtRest(this.file);
    const summary = this.#open().summary();
    if (summary) {
      this.lanes = summary;
    } else {
      this.park();
      this.#isAtRest = false;
      const handle = this.#open();
      const { lanes, damagedRows } = handle.index();
      this.#index = lanes;
      this.lanes = lanes.map(extentOf);
      if (damagedRows > 0)
        this.#damage.push({
          lane: null,
          frames: damagedRows,
          entries: null,
          firstSeq: this.firstSeq,
          lastSeq: this.lastSeq,
        });
      try {
        handle.seal(this.lanes);
      } catch (error) {
        // No room, or somebody looks into it: it is read as it is, and sealed by a later start.
        if (isDamage(error)) throw error;
        this.park();
      }
    }
    this.#bytes = this.#measure();
  }

  get lastSeq(): Seq {
    return Math.max(this.firstSeq - 1, ...this.lanes.map((lane) => lane?.last ?? 0));
  }

  /** False when somebody removed or replaced the file under us: what is written to the handle then is lost at its end. */
  isThere(): boolean {
    return statSync(this.file, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  get bytes(): number {
    return this.#bytes;
  }

  commit(commit: Commit, describe: (id: number) => Descriptor, settled: readonly Settled[]): void {
    const missing = new Set(commit.frames.flatMap((frame) => frame.points).filter((id) => !this.#described.has(id)));
    const last = Math.max(this.lastSeq, ...commit.frames.map((frame) => frame.last));
    const slots = commit.slots && { seq: last, body: commit.slots };
    this.#open().commit(commit.frames, [...missing].map(describe), settled, slots);
    for (const id of missing) this.#described.add(id);
    for (const { lane, first, last: end, count } of commit.frames) {
      this.#index?.[lane]?.push({ first, last: end, count });
      const before = this.lanes[lane];
      this.lanes[lane] = { first: before?.first ?? first, last: end, count: (before?.count ?? 0) + count };
    }
    this.#bytes = this.#measure();
  }

  commitSettled(settled: readonly Settled[]): void {
    this.#open().commitSettled(settled);
    this.#bytes = this.#measure();
  }

  seal(): void {
    this.#open().seal(this.lanes);
    this.#bytes = this.#measure();
    this.retire();
  }

  /** It was written to for the last time. */
  retire(): void {
    this.isSealed = true;
    this.park();
  }

  /** Lets go of the handle and the index. Never throws: a handle that failed is not used again, whatever its closing says. */
  park(): void {
    const handle = this.#handle;
    this.#handle = null;
    this.#index = null;
    try {
      handle?.close();
    } catch {
      // The file stays as it is; the next opening examines it.
    }
  }

  /** The frames of a lane that end behind `after`, in order. */
  framesAfter(lane: number, after: Seq): readonly Extent[] {
    const frames = this.#indexed()[lane] ?? [];
    let low = 0;
    let high = frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((frames[middle]?.last ?? 0) > after) high = middle;
      else low = middle + 1;
    }
    return low === 0 ? frames : frames.slice(low);
  }

  read(first: Seq): Uint8Array | null {
    return this.#open().read(first);
  }

  /** Descriptors behind row `after`. */
  descriptors(after: number): Described {
    return { segment: this.name, ...this.#open().descriptors(after) };
  }

  /** The frame as it lies on disk; null: it is damaged. */
  row(first: Seq): FrameRow | null {
    return this.#open().row(first);
  }

  descriptorRows(): DescriptorRow[] {
    return this.#open().descriptorRows();
  }

  frameBytes(): Map<Seq, number> {
    return this.#open().frameBytes();
  }

  removed(): RemovedRun[] {
    return this.#open().removed();
  }

  /** Its file was replaced by a copy that holds less. It must be parked. */
  rewritten(lanes: readonly (Extent | null)[]): void {
    this.lanes = [...lanes];
    this.#bytes = this.#measure();
  }

  settled(): Settled[][] {
    return this.#open().settled();
  }

  slots(): { seq: Seq; body: Uint8Array } | null {
    return this.#open().slots();
  }

  /** When the newest frame that can be read was committed, by the gateway's clock; null: there is none, or it cannot be read now. Unix ms. */
  lastCommitMs(): number | null {
    try {
      for (const { body, isSound } of this.#open().frames(true)) if (isSound) return committedMs(body);
    } catch {
      // Whoever reads its entries meets the same and deals with it.
    }
    return null;
  }

  isSettled(settled: readonly Settled[]): boolean {
    return this.lanes.every((lane, at) => lane === null || settled[at]?.covers(lane.first, lane.last) === true);
  }

  /** What was found damaged and not told yet. From then on the file is worth keeping for people. */
  takeDamage(): Damage[] {
    this.isDamaged ||= this.#damage.length > 0;
    return this.#damage.splice(0);
  }

  /** Unsettled entries of a lane behind `from`, about where that is only part of the segment: without a look at the file, which may lie on a sick disk. */
  waiting(lane: number, settled: Settled, from: Seq = 0): number {
    const whole = this.lanes[lane];
    if (!whole || whole.last < from) return 0;
    const extent = whole.first >= from ? whole : partOf(whole, from);
    if (this.isCondemned || settled.covers(extent.first, extent.last)) return 0;
    const span = extent.last - extent.first + 1;
    const before = Math.max(0, settled.position - extent.first + 1);
    const done = settled.ranges.reduce((sum, range) => sum + overlap(range, extent), before);
    return Math.max(1, Math.round((extent.count * (span - done)) / span));
  }

  #indexed(): Extent[][] {
    if (this.#index) return this.#index;
    this.#index = this.#open().index().lanes;
    for (const [lane, extent] of this.lanes.entries()) {
      const frames = this.#index[lane] ?? [];
      const missing = (extent?.count ?? 0) - frames.reduce((sum, frame) => sum + frame.count, 0);
      if (!extent || missing <= 0 || this.#knownMissing.has(lane)) continue;
      this.#knownMissing.add(lane);
      this.#damage.push({ lane, frames: null, entries: missing, ...boundsOfGaps(frames, extent) });
    }
    return this.#index;
  }

  #open(): SegmentFile {
    this.#handle ??= this.#isAtRest ? SegmentFile.openReadOnly(this.file) : SegmentFile.open(this.file);
    return this.#handle;
  }

  #measure(): number {
    return sizeOf(this.file) + sizeOf(`${this.file}-wal`);
  }
}

function extentOf(frames: readonly Extent[]): Extent | null {
  const first = frames[0];
  const last = frames.at(-1);
  if (!first || !last) return null;
  return { first: first.first, last: last.last, count: frames.reduce((sum, frame) => sum + frame.count, 0) };
}

/** From the first to the last seq that no frame covers. Seqs of other lanes lie between, too. */
function boundsOfGaps(frames: readonly Extent[], extent: Extent): { firstSeq: Seq; lastSeq: Seq } {
  const starts = [extent.first, ...frames.map((frame) => frame.last + 1)];
  const ends = [...frames.map((frame) => frame.first - 1), extent.last];
  const gaps = starts
    .map((first, at) => ({ first, last: ends[at] ?? extent.last }))
    .filter(({ first, last }) => first <= last);
  return { firstSeq: gaps[0]?.first ?? extent.first, lastSeq: gaps.at(-1)?.last ?? extent.last };
}

/** As if its entries lay evenly. */
function partOf({ first, last, count }: Extent, from: Seq): Extent {
  return { first: from, last, count: Math.round((count * (last - from + 1)) / (last - first + 1)) };
}

function overlap(range: Range, extent: Extent): number {
  return Math.max(0, Math.min(range.last, extent.last) - Math.max(range.first, extent.first) + 1);
}
