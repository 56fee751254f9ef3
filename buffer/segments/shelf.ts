import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BufferError } from '../../agent/errors.ts';
import { streams } from '../../agent/reading.ts';
import type { Seq } from '../../agent/reading.ts';
import { isAtRest } from './at-rest.ts';
import { DamagedSegment } from '../damage/damaged-segment.ts';
import { makeFolder } from '../folder.ts';
import { examined } from '../damage/examination.ts';
import type { Findings } from '../damage/examination.ts';
import { countOf, endOf, extentOf, overlap, partOf, sameExtent } from './extents.ts';
import { anchorOf } from '../frames/frame.ts';
import { missingEntries } from '../damage/missing.ts';
import type { MissingEntries } from '../damage/missing.ts';
import { laneOf } from '../protocol.ts';
import type { Commit, Described, Descriptor } from '../protocol.ts';
import type { Settled } from '../ranges.ts';
import { damagedRowsIn, isDamage, isUnreadable } from './segment-errors.ts';
import { fileTails, parseSegmentName, segmentName, sizeOf } from './segment-files.ts';
import { SegmentFile } from './segment.ts';
import type { ListedSegment, SealedFacts } from './sealed-list.ts';
import type { DescriptorRow, Extent, FrameRow, RemovedRun, SegmentRows } from './segment-format.ts';

/** More than any segment holds. */
const mostEntries = 1_000_000_000;
/** Reads of a segment that may fail before it is read around what fails. */
const mostFailures = 30;

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
  #damaged: DamagedSegment | null = null;
  readonly #described = new Set<number>();
  /** `lanes` are what was written; until then they are the most that it can be. */
  #areLanesKnown = false;
  /** The last seq that was written to it, where something outside of it tells. */
  knownEnd: Seq | null = null;
  /** SQLite did not read it, or not whole: it is read row by row, and goes to the quarantine when what can be read is delivered. */
  isDistrusted = false;
  /** What can be read of it is known. Not for ever: more of it may be lost. */
  isExamined = true;
  #wasExamined = false;
  /** Some of it cannot be decoded: it goes to the quarantine when the rest is delivered. */
  isDamaged = false;
  /** It was given up and told as lost, but could not be moved aside yet. */
  isCondemned = false;
  /** Its sealing was cut short when all was written. */
  isWholeBySummary = false;
  /** Frames that were told as lost one by one, by their first seq. */
  readonly #lost = new Set<Seq>();
  #failures = 0;
  /** Nothing is written to it any more. */
  isSealed = true;
  /** Nobody will write to it, we neither. */
  #isAtRest = false;
  #bytes = 0;
  #inode = 0;
  /** Its own summary was read; false: a list told what it holds. */
  isConfirmed = true;
  /** Entries that were taken out of it when it was written anew. */
  #removed = 0;

  /** Nothing can be written beside it either. */
  readonly #isOnReadOnlyDisk: boolean;

  constructor(folder: string, fileName: string, isOnReadOnlyDisk = false) {
    const parsed = parseSegmentName(fileName);
    if (!parsed) throw new RangeError(`${fileName} is no name of a segment`);
    this.file = join(folder, fileName);
    this.name = fileName.slice(0, -'.db'.length);
    this.epoch = parsed.epoch;
    this.firstSeq = parsed.first;
    this.#isOnReadOnlyDisk = isOnReadOnlyDisk;
  }

  static create(folder: string, first: Seq, epoch: string, rollBytes: number): Shelf {
    const shelf = new Shelf(folder, `${segmentName(first, epoch)}.db`);
    makeFolder(folder);
    // What bears this name already is the ruin of a creation or first commit that failed: nothing in it was accepted.
    for (const tail of fileTails) rmSync(shelf.file + tail, { force: true });
    shelf.#handle = SegmentFile.create(shelf.file, rollBytes);
    shelf.#index = streams.map(() => []);
    shelf.#areLanesKnown = true;
    shelf.isSealed = false;
    shelf.#inode = statSync(shelf.file).ino;
    return shelf;
  }

  /** Nobody writes to it. False also where that cannot be seen now. */
  needsNoWal(): boolean {
    try {
      return isAtRest(this.file);
    } catch {
      return false;
    }
  }

  /** Believes for now what the list of sealed segments tells: its first opening, or `confirm`, asks the file. */
  take({ lanes, removed, bytes }: ListedSegment): void {
    this.lanes = [...lanes];
    this.#areLanesKnown = true;
    this.#isAtRest = true;
    this.#bytes = bytes;
    this.#removed = removed;
    this.isConfirmed = false;
  }

  /** Asks the file whether the list told the truth; throws as any opening does, or where it did not. Nothing is left open. */
  confirm(): void {
    if (this.isConfirmed) return;
    this.#open();
    this.park();
  }

  /** What the list of sealed segments may say of it; null: nothing, since it is not sealed, or not sound. */
  sealedFacts(): (SealedFacts & { readonly file: string; readonly name: string }) | null {
    const isFit = this.isSealed && this.#areLanesKnown && !this.isDistrusted && !this.isCondemned;
    if (!isFit || !this.needsNoWal()) return null;
    return { file: this.file, name: this.name, lanes: this.lanes, removed: this.#removed };
  }

  /** Takes stock of a segment of an earlier start, sealing it if nobody has. */
  stock(): void {
    if (statSync(this.file, { throwIfNoEntry: false })?.isFile() !== true)
      throw new BufferError('NO_FILE', `${this.file} is no file`);
    this.#bytes = this.#measure();
    // Beside a file of no bytes SQLite removes the WAL without a look.
    if (sizeOf(this.file) === 0 && sizeOf(`${this.file}-wal`) > 0)
      throw new BufferError('DAMAGED_ROWS', `${this.file} is empty, its WAL is not`);
    this.#isAtRest = this.needsNoWal();
    const summary = this.#open().summary();
    if (summary) {
      this.lanes = summary;
      this.#areLanesKnown = true;
      this.#removed = countOf(this.#open().removed());
      return;
    }
    this.park();
    this.#isAtRest = false;
    const handle = this.#open();
    const { lanes, damagedRows: damaged } = handle.index();
    if (damaged > 0) throw damagedRowsIn(this.file, damaged);
    this.#index = lanes;
    this.lanes = lanes.map(extentOf);
    this.#areLanesKnown = true;
    const written = handle.writtenSummary();
    this.isWholeBySummary = written?.every((lane, at) => sameExtent(lane, this.lanes[at] ?? null)) === true;
    if (this.isWholeBySummary) this.knownEnd = this.lastSeq;
    if (this.#isOnReadOnlyDisk) return;
    try {
      handle.seal(this.lanes);
    } catch (error) {
      // No room, or somebody looks into it: it is read as it is, and sealed by a later start.
      if (isDamage(error)) throw error;
      this.park();
    }
    this.#bytes = this.#measure();
  }

  /** From now on nothing is believed but single rows by their CRC. */
  distrust(): void {
    this.retire();
    this.isDistrusted = true;
    this.isConfirmed = true;
    this.isExamined = false;
    if (this.#areLanesKnown) return;
    const last = Math.max(this.firstSeq, this.knownEnd ?? this.firstSeq + mostEntries);
    this.lanes = streams.map(() => ({ first: this.firstSeq, last, count: 0 }));
  }

  /** The disk has given it. */
  hasWorked(): void {
    this.#failures = 0;
  }

  /** The disk has failed to give it time and again: a reader asks once a second. */
  hasFailedOften(error: unknown): boolean {
    if (!isUnreadable(error) || this.isDistrusted) return false;
    this.#failures += 1;
    return this.#failures >= mostFailures;
  }

  /** Finds what is left of a distrusted segment; from then on its lanes are that. Reads all of it. */
  examine(settled: readonly Settled[]): Findings {
    const { frames, lanes, end, findings } = examined(this.#damagedRows(), {
      firstSeq: this.firstSeq,
      lanes: this.#areLanesKnown ? this.lanes : null,
      knownEnd: this.knownEnd,
      settled,
    });
    this.#index = frames;
    this.lanes = lanes;
    this.#lost.clear();
    this.#areLanesKnown = true;
    // Of a second look the first one knew more.
    if (!this.#wasExamined) this.knownEnd = end;
    this.isExamined = true;
    this.#wasExamined = true;
    return findings;
  }

  /** A frame of it is told as lost: what can be read of it from now on is the rest. False: it was told before. */
  noteLost(lane: number, { first, count }: Extent): boolean {
    if (this.#lost.has(first)) return false;
    this.#lost.add(first);
    const extent = this.lanes[lane];
    if (!this.isDistrusted || !extent) return true;
    this.lanes[lane] = { ...extent, count: extent.count - count };
    if (this.#index) this.#index = this.#withoutLost(this.#index);
    return true;
  }

  /** Where nothing of it can be read: all that it should have held. */
  allMissing(settled: readonly Settled[]): readonly MissingEntries[] {
    const expected = this.#areLanesKnown ? this.lanes : null;
    const last = this.writtenEnd;
    const ranges = last === null || last < this.firstSeq ? [] : [{ first: this.firstSeq, last }];
    return missingEntries(ranges, settled, expected && { expected, found: [] });
  }

  get lastSeq(): Seq {
    return Math.max(this.firstSeq - 1, this.isDistrusted ? (this.knownEnd ?? 0) : 0, endOf(this.lanes));
  }

  /** The last seq that was written to it; null: not known. */
  get writtenEnd(): Seq | null {
    return this.#areLanesKnown ? endOf(this.lanes) : this.knownEnd;
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

  checkpointIfDue(): void {
    this.#open().checkpointIfDue();
    this.#bytes = this.#measure();
  }

  commitSettled(settled: readonly Settled[]): void {
    this.#open().commitSettled(settled);
    this.#bytes = this.#measure();
  }

  commitSlots(seq: Seq, slots: Uint8Array): void {
    this.#open().commitSlots(seq, slots);
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
    const handles = [this.#handle, this.#damaged];
    this.#handle = null;
    this.#damaged = null;
    this.#index = null;
    for (const handle of handles)
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
    return this.#rows().read(first);
  }

  /** Descriptors behind row `after`. */
  descriptors(after: number): Described {
    const found = this.#rows().descriptors(after);
    // A commit brings the descriptors of its readings.
    const isLost = after === 0 && found.last === 0 && this.lanes.some((lane, at) => lane !== null && hasReadings(at));
    if (isLost && !this.isDistrusted) throw damagedRowsIn(this.file, 1);
    return { segment: this.name, ...found };
  }

  /** Entries of the frame that begins there; null: there is none. */
  countAt(lane: number, first: Seq): number | null {
    return this.framesAfter(lane, first - 1).find((frame) => frame.first === first)?.count ?? null;
  }

  /** The frame as it lies on disk; null: it is damaged. */
  row(first: Seq): FrameRow | null {
    return this.isDistrusted ? this.#damagedRows().row(first) : this.#open().row(first);
  }

  descriptorRows(): DescriptorRow[] {
    return this.#open().descriptorRows();
  }

  frameBytes(): Map<Seq, number> {
    return this.#open().frameBytes();
  }

  removed(): RemovedRun[] {
    return this.isDistrusted ? this.#damagedRows().removed() : this.#open().removed();
  }

  /** Its file was replaced by a copy that holds less. It must be parked. */
  rewritten(lanes: readonly (Extent | null)[], removed: readonly RemovedRun[]): void {
    this.lanes = [...lanes];
    this.#removed = countOf(removed);
    this.#bytes = this.#measure();
  }

  /** What could be read of it was written anew in its place. It must be parked. */
  salvaged(lanes: readonly (Extent | null)[], removed: readonly RemovedRun[]): void {
    this.isDistrusted = false;
    this.#wasExamined = false;
    this.#failures = 0;
    this.#isAtRest = this.needsNoWal();
    this.rewritten(lanes, removed);
  }

  settled(): Settled[][] {
    return this.#rows().settled();
  }

  slots(): { seq: Seq; body: Uint8Array } | null {
    return this.#rows().slots();
  }

  /** When the newest frame that can be read was committed, by the gateway's clock; null: there is none, or it cannot be read now. Unix ms. */
  lastCommitMs(): number | null {
    try {
      for (const { body, isSound } of this.#rows().frames(true)) if (isSound) return anchorOf(body).wallMs;
    } catch {
      // Whoever reads its entries meets the same and deals with it.
    }
    return null;
  }

  isSettled(settled: readonly Settled[]): boolean {
    return this.lanes.every((lane, at) => lane === null || settled[at]?.covers(lane.first, lane.last) === true);
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
    const { lanes: found, damagedRows: damaged } = this.#rows().index();
    const lanes = this.isDistrusted ? this.#withoutLost(found) : found;
    const missing = this.lanes.reduce((sum, lane, at) => sum + Math.max(0, (lane?.count ?? 0) - countOf(lanes[at])), 0);
    if (damaged + missing > 0) {
      this.isExamined = !this.isDistrusted;
      throw damagedRowsIn(this.file, Math.max(1, damaged));
    }
    this.#index = lanes;
    return lanes;
  }

  #withoutLost(lanes: readonly (readonly Extent[])[]): Extent[][] {
    return lanes.map((frames) => frames.filter(({ first }) => !this.#lost.has(first)));
  }

  #rows(): SegmentRows {
    return this.isDistrusted ? this.#damagedRows() : this.#open();
  }

  #damagedRows(): DamagedSegment {
    this.#damaged ??= DamagedSegment.open(this.file);
    return this.#damaged;
  }

  #open(): SegmentFile {
    this.#handle ??= this.#isAtRest ? SegmentFile.openReadOnly(this.file) : this.#openUnsealed();
    if (!this.isConfirmed) {
      const written = this.#handle.summary();
      if (written?.every((lane, at) => sameExtent(lane, this.lanes[at] ?? null)) !== true)
        throw damagedRowsIn(this.file, 1);
      this.isConfirmed = true;
    }
    return this.#handle;
  }

  #openUnsealed(): SegmentFile {
    return this.#isOnReadOnlyDisk ? SegmentFile.openInMemory(this.file) : SegmentFile.open(this.file);
  }

  /** What cannot be seen now is as it was: a commit that is on disk must not fail for it. */
  #measure(): number {
    try {
      return sizeOf(this.file) + sizeOf(`${this.file}-wal`);
    } catch {
      return this.#bytes;
    }
  }
}

function hasReadings(lane: number): boolean {
  return lane === laneOf('meter-readings') || lane === laneOf('sensor-values');
}
