import { BufferError, messageOf } from '../agent/errors.ts';
import type { Note, Reading, Seq, Stream } from '../agent/reading.ts';
import type { BufferOptions, BufferStats } from './buffer.ts';
import { FrameEncoder } from './frames/encoder.ts';
import { corrected, isReading, keep } from './frames/frame.ts';
import type { Numbered } from './frames/frame.ts';
import { Gathering } from './gathering.ts';
import type { HeldReadings } from './dating/held.ts';
import type { LaneReader } from './lane-reader.ts';
import type { NewestSlots } from './newest-slots.ts';
import { laneOf, perLane, streamOf, waitsForDate } from './protocol.ts';
import type { Committed, Drop, Opened, Space } from './protocol.ts';
import { entryBytes } from './room/quota.ts';
import type { Quota } from './room/quota.ts';
import type { WriterThread } from './thread.ts';
import { Volatile, volatileEvent } from './volatile.ts';
import type { Sealed } from './volatile.ts';
import type { Wear } from './wear.ts';

/** After a quiet spell the first entry waits this long for company. */
const gatherMs = 20;

export interface CommitsParts {
  readonly options: BufferOptions;
  readonly thread: WriterThread;
  readonly quota: Quota;
  readonly slots: NewestSlots;
  readonly held: HeldReadings;
  readonly readers: Readonly<Record<Stream, LaneReader>>;
  readonly wear: () => Wear | null;
  /** What the writer says of its files with a commit. */
  readonly space: (space: Space) => void;
  /** How many events the writer has told. */
  readonly told: () => number;
  /** A commit returned. */
  readonly committed: () => void;
  /** There may be more to read. */
  readonly wake: () => void;
}

/**
 * What was appended, on its way to the disk: numbered, gathered, sealed as one transaction, written one at a time. Readers are shown it when
 * it is on disk, or at once while the disk takes nothing.
 */
export class Commits {
  /** Resolves when the disk can be written again after a start on one that could not: another start takes over. */
  readonly again: Promise<Error>;
  readonly #parts: CommitsParts;
  readonly #epoch: string;
  /** On a disk that cannot be written. As soon as it can, another start is asked for, which owns what lies there. */
  readonly #isReadOnlyStart: boolean;
  readonly #isDatingKnown: boolean;
  readonly #encoder = new FrameEncoder();
  readonly #volatile = new Volatile();
  readonly #back = Promise.withResolvers<Error>();
  readonly #accepted: Record<Stream, number> = perLane(() => 0);
  readonly #dropped: Record<Stream, number> = perLane(() => 0);
  #nextSeq: Seq;
  /** The newest seq that was given to the writer. */
  #givenSeq: Seq;
  /** On disk. */
  #newestSeq: Seq;
  #gathering = new Gathering();
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #lastCommitMs = -Infinity;
  #committing: Promise<void> | null = null;
  #writing: Sealed | null = null;
  /** So many of the writer's events were told, and not refused, before what was sealed last. */
  #heard = 0;
  #isEventLost = false;
  #isBackTold = false;
  #isEnding = false;
  #wantsSlots: boolean;
  /** A serial number, or a slot of a late date, that no packed slots hold yet. */
  #isUnpacked = false;
  #count = 0;
  #tookMs = 0;

  constructor(parts: CommitsParts, opened: Opened) {
    this.#parts = parts;
    this.#epoch = opened.epoch;
    this.#isReadOnlyStart = opened.isReadOnly;
    this.#isDatingKnown = opened.isDatingKnown;
    this.#volatile.isOn = opened.isReadOnly;
    this.#wantsSlots = !opened.isReadOnly;
    this.#nextSeq = opened.nextSeq;
    this.#newestSeq = opened.nextSeq - 1;
    this.#givenSeq = opened.nextSeq - 1;
    this.again = this.#back.promise;
  }

  get isVolatile(): boolean {
    return this.#volatile.isOn;
  }

  /** Nothing is written, and nothing will be before the disk is back. */
  get isUnwritten(): boolean {
    return this.#isReadOnlyStart && this.#volatile.isOn;
  }

  /** Of what this start accepts nothing lies on disk: how it is dated may be decided in memory. */
  get isInMemory(): boolean {
    return this.isUnwritten && this.#isDatingKnown;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get givenSeq(): Seq {
    return this.#givenSeq;
  }

  get newestSeq(): Seq {
    return this.#newestSeq;
  }

  stats(): Pick<BufferStats, 'commits' | 'commitsTookMs' | 'committingForMs' | 'accepted' | 'dropped'> {
    return {
      commits: this.#count,
      commitsTookMs: this.#tookMs,
      committingForMs: this.#committing ? Math.round(performance.now() - this.#lastCommitMs) : 0,
      accepted: { ...this.#accepted },
      dropped: { ...this.#dropped },
    };
  }

  /** Resolves when they are on disk, or were delivered from memory. */
  add(stream: Stream, entries: readonly (Reading | Note)[]): Promise<void> {
    const { slots } = this.#parts;
    const gathering = this.#gathering;
    for (const entry of entries) {
      const bytes = entryBytes + (isReading(entry) ? (entry.text?.length ?? 0) : (entry.json?.length ?? 0)) * 2;
      gathering.add(stream, { seq: this.#nextSeq++, entry }, bytes);
      this.#waitingBytes += bytes;
    }
    slots.noteAll(entries);
    slots.noteLater(entries, this.#nextSeq - 1);
    this.#schedule();
    return gathering.promise;
  }

  /** The same commit carries the events, which `tell` appends, and the drop: neither is on disk without the other. */
  drop(drop: Drop & { readonly count: number }, tell: () => void): Promise<void> {
    const gathering = this.#gathering;
    gathering.drops.push(drop);
    tell();
    this.#unschedule();
    if (gathering.lanes.size > 0) this.#schedule();
    return gathering.promise;
  }

  settle(lane: number, first: Seq, last: Seq): void {
    for (const { gathering } of this.#volatile.settle(lane, first, last)) {
      this.#waitingBytes -= gathering.bytes;
      this.#wantsSlots ||= !this.#isReadOnlyStart;
      gathering.resolve();
    }
  }

  /** The newest slots, totals and serial numbers have changed beside what is appended. */
  packSlots(): void {
    this.#isUnpacked = true;
  }

  /** The lane of the events has refused one, perhaps one of the writer's: no commit says any more that it holds what they tell, and the next start tells it. */
  lostEvent(): void {
    this.#isEventLost = true;
  }

  /** `commitEvery` may have changed. */
  reschedule(): void {
    if (this.#timer === null) return;
    this.#unschedule();
    this.#schedule();
  }

  /** Resolves when what is gathered now is on disk, or cannot be. */
  async whenGathered(): Promise<void> {
    if (this.isInMemory) return;
    const { lanes, promise } = this.#gathering;
    if (lanes.size > 0) await promise.catch(() => undefined);
  }

  /** No commit begins by itself from here on. */
  end(): void {
    this.#isEnding = true;
    this.#unschedule();
  }

  /** Resolves when all is on disk that was appended before. */
  async flush(): Promise<void> {
    await this.#idle();
    // The newest right time, too: the next boot may begin before it.
    this.#wantsSlots = true;
    await this.#commit();
    await this.#idle();
  }

  /** Readings that had to wait for their date may be sent. */
  release(): void {
    if (this.#parts.slots.date(this.#parts.held)) this.#isUnpacked = true;
    if (!this.isInMemory) return;
    this.#volatile.unblock();
    this.#showWaiting();
  }

  /** In their order, before what comes: whoever is given a later one counts all before it as seen. */
  #showWaiting(): void {
    if (this.#writing) this.#show(this.#writing);
    for (const sealed of this.#volatile.held) this.#show(sealed);
  }

  /** The file system became read-only, or can be written again. */
  setVolatile(isOn: boolean): void {
    const { options } = this.#parts;
    this.#volatile.isOn = isOn;
    if (!isOn) {
      options.log?.('buffer: its file system can be written again; what waits in memory is written down');
      return;
    }
    this.#showWaiting();
    options.event(volatileEvent(options.path, options.clock.now().wallMs));
    if (this.#gathering.lanes.size > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#timer || (this.#committing && !this.#volatile.isOn) || this.#isEnding) return;
    const sinceMs = performance.now() - this.#lastCommitMs;
    const isUrgent = this.#gathering.drops.length > 0;
    const delayMs = isUrgent ? gatherMs : Math.max(gatherMs, this.#parts.quota.commitEveryMs - sinceMs);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#commit();
    }, delayMs);
  }

  #unschedule(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Everything gathered so far, as one transaction. One at a time: the next gathers meanwhile, or waits dated where the disk takes nothing. */
  async #commit(): Promise<void> {
    if (this.#gathering.lanes.size === 0) return;
    const sealed = this.#seal();
    if (this.#committing) this.#volatile.hold(sealed);
    if (this.#volatile.isOn) this.#show(sealed);
    if (this.#committing) return;
    for (let next: Sealed | undefined = sealed; next; next = this.#volatile.take()) {
      this.#writing = next;
      this.#committing = this.#write(next);
      await this.#committing;
    }
    this.#writing = null;
    this.#committing = null;
    this.#volatile.unblock();
    if (this.#isReadOnlyStart && !this.#volatile.isOn && !this.#isBackTold) await this.#endReadOnlyStart();
    if (this.#gathering.lanes.size > 0) this.#schedule();
  }

  async #idle(): Promise<void> {
    while (this.#committing) await this.#committing;
  }

  /** What was delivered from memory leaves its slots and totals: no commit brings them. Then the next start takes over. */
  async #endReadOnlyStart(): Promise<void> {
    const { thread, slots, wear, options } = this.#parts;
    try {
      await thread.call('keepSlots', slots.pack(wear()));
      this.#isBackTold = true;
      this.#back.resolve(
        new BufferError(
          'DISK_BACK',
          'the disk of the buffer can be written again: a new start takes over what lies there',
        ),
      );
    } catch (error) {
      options.log?.(`buffer: the newest slots could not be kept, the next commit tries again: ${messageOf(error)}`);
    }
  }

  #seal(): Sealed {
    const { options, held, slots, quota, wear, told } = this.#parts;
    const gathering = this.#gathering;
    this.#gathering = new Gathering();
    this.#lastCommitMs = performance.now();
    const anchor = options.clock.now();
    const lanes = [...gathering.lanes.values()].map(({ stream, entries }) => ({
      stream,
      entries: entries.map((one) => corrected(anchor, one)),
    }));
    const ofReadings = lanes.filter(({ stream }) => waitsForDate(laneOf(stream)));
    this.#givenSeq = Math.max(...lanes.map(({ entries }) => entries.at(-1)?.seq ?? 0));
    const firstReading = Math.min(...ofReadings.map(({ entries }) => entries[0]?.seq ?? Infinity));
    const dating = ofReadings.length === 0 ? [] : held.committing(anchor, firstReading);
    const frames = lanes.map(({ stream, entries }) => this.#encoder.encode(anchor, stream, entries));
    const described = this.#encoder.takeDescribed();
    if (anchor.trust === 'synced') slots.noteTrusted(anchor);
    for (const { entries } of ofReadings) slots.noteCorrected(entries);
    const maxBytes = this.isUnwritten ? null : quota.newBytes;
    const packs = !this.isUnwritten && (this.#wantsSlots || this.#isUnpacked || maxBytes !== null);
    this.#isUnpacked = false;
    if (!this.#isEventLost) this.#heard = told();
    const commit = {
      frames,
      described,
      slots: packs ? slots.pack(wear()) : null,
      dating,
      maxBytes,
      drops: gathering.drops,
      heard: this.#heard,
    };
    return { gathering, anchor, lanes, commit, shown: new Set() };
  }

  async #write(sealed: Sealed): Promise<void> {
    const { thread, quota, held } = this.#parts;
    const { gathering, lanes, commit } = sealed;
    const beganMs = performance.now();
    try {
      const described = [...this.#volatile.takeCarried(), ...commit.described];
      const committed: Committed = await thread.call('commit', { ...commit, described });
      quota.committed(commit.maxBytes);
      this.#parts.space(committed);
      this.#wantsSlots = committed.wantsSlots;
      this.#count += 1;
      this.#tookMs += performance.now() - beganMs;
      for (const { stream, entries } of lanes) {
        this.#accepted[stream] += entries.length;
        this.#newestSeq = Math.max(this.#newestSeq, entries.at(-1)?.seq ?? 0);
      }
      this.#show(sealed);
      held.committed(sealed.anchor, commit.dating);
      for (const { lane, count } of gathering.drops) this.#dropped[streamOf(lane)] += count;
      for (const { stream, entries } of lanes) this.#tap(stream, entries);
      gathering.resolve();
      this.#parts.committed();
    } catch (error) {
      gathering.reject(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#waitingBytes -= gathering.bytes;
    }
  }

  /** From now on readers are given it: when it is on disk, or cannot be brought there now. */
  #show(sealed: Sealed): void {
    const { readers, held, wake } = this.#parts;
    const { anchor, lanes, shown } = sealed;
    const isOnDisk = !this.#volatile.isOn;
    for (const { stream, entries } of lanes.filter((one) => !shown.has(one.stream))) {
      const { recent } = readers[stream];
      const last = entries.at(-1)?.seq ?? 0;
      // How it is dated is decided later: then it comes from the disk, and nothing of its lane before it.
      const isUndated = anchor.trust === 'unsynced' && waitsForDate(laneOf(stream)) && !this.#isDatedInMemory(last);
      if (isUndated && isOnDisk) recent.skip(last);
      if (!isOnDisk && !this.#volatile.mayShow(stream, isUndated)) continue;
      // What it would overtake may lie on disk, and the newest record is what its topic keeps.
      if (this.#isReadOnlyStart && stream === 'asset-metadata') continue;
      shown.add(stream);
      if (isUndated) continue;
      const kept = entries.map((one) => keep(anchor, one, this.#epoch, stream, held));
      recent.add({ last, entries: kept }, !isOnDisk);
    }
    wake();
  }

  #isDatedInMemory(last: Seq): boolean {
    const { until } = this.#parts.held;
    return this.isInMemory && (until === null || last < until);
  }

  /** Committed it is, whatever becomes of the audit's copy. */
  #tap(stream: Stream, entries: readonly Numbered[]): void {
    const { tap, log } = this.#parts.options;
    try {
      tap?.(
        this.#epoch,
        stream,
        entries.map((one) => one.seq),
      );
    } catch (error) {
      log?.(`buffer: the tap failed: ${messageOf(error)}`);
    }
  }
}
