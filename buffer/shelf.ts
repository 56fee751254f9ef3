import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { streams } from '../agent/reading.ts';
import type { Seq } from '../agent/reading.ts';
import type { Commit, Described, Descriptor } from './protocol.ts';
import type { Settled } from './ranges.ts';
import { parseSegmentName, segmentName, SegmentFile, sizeOf } from './segment.ts';
import type { Extent } from './segment.ts';

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
  #described = new Set<number>();
  #bytes = 0;

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
    // What bears this name already is the ruin of a creation or first commit that failed: nothing in it was accepted.
    for (const tail of ['', '-wal', '-shm', '-journal']) rmSync(shelf.file + tail, { force: true });
    shelf.#handle = SegmentFile.create(shelf.file, rollBytes);
    shelf.#index = streams.map(() => []);
    return shelf;
  }

  /** Takes stock of a segment of an earlier start, sealing it if nobody has. */
  stock(): void {
    const handle = this.#open();
    const summary = handle.summary();
    if (summary) {
      this.lanes = summary;
    } else {
      this.#index = handle.index();
      this.lanes = this.#index.map(extentOf);
      handle.seal(this.lanes);
    }
    this.#bytes = this.#measure();
  }

  get lastSeq(): Seq {
    return Math.max(this.firstSeq - 1, ...this.lanes.map((lane) => lane?.last ?? 0));
  }

  get isOpen(): boolean {
    return this.#handle !== null;
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
    this.#index ??= this.#open().index();
    const frames = this.#index[lane] ?? [];
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

  settled(): Settled[][] {
    return this.#open().settled();
  }

  slots(): { seq: Seq; body: Uint8Array } | null {
    return this.#open().slots();
  }

  isSettled(settled: readonly Settled[]): boolean {
    return this.lanes.every((lane, at) => lane === null || settled[at]?.covers(lane.first, lane.last) === true);
  }

  /** Unsettled entries of a lane; where a frame is settled in part it counts whole. */
  waiting(lane: number, settled: Settled): number {
    const extent = this.lanes[lane];
    if (!extent || settled.covers(extent.first, extent.last)) return 0;
    if (
      settled.position < extent.first &&
      settled.ranges.every((range) => range.last < extent.first || range.first > extent.last)
    )
      return extent.count;
    return this.framesAfter(lane, settled.position)
      .filter((frame) => !settled.covers(frame.first, frame.last))
      .reduce((sum, frame) => sum + frame.count, 0);
  }

  #open(): SegmentFile {
    this.#handle ??= SegmentFile.open(this.file);
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
