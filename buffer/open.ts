import type { Server } from 'node:net';
import { BufferError, messageOf } from '../agent/errors.ts';
import { streams } from '../agent/reading.ts';
import type { HeldDue, Kept, Note, Reading, Seq, Stream } from '../agent/reading.ts';
import type { Batch, Buffer, BufferLimits, BufferOptions, BufferStats, LastTotal, WriterPulse } from './buffer.ts';
import type { Bounds } from './dating.ts';
import { FrameDecoder } from './decoder.ts';
import { FrameEncoder } from './encoder.ts';
import { corrected, isReading, keep } from './frame.ts';
import type { Dates, Numbered } from './frame.ts';
import { Gathering } from './gathering.ts';
import { defaultHoldMs, HeldReadings } from './held.ts';
import { HeldDues } from './held-dues.ts';
import { LaneReader } from './lane-reader.ts';
import { NewestSlots } from './newest-slots.ts';
import { Points } from './points.ts';
import { laneOf, streamOf, waitsForDate } from './protocol.ts';
import type { Committed, Opened, ReadFrames, ReadRequest, RoomMade, Space } from './protocol.ts';
import { entryBytes, Quota } from './quota.ts';
import type { Range } from './ranges.ts';
import { lockWithoutWriting } from './read-only-lock.ts';
import { RoomMaker } from './room-maker.ts';
import { dropEvents } from './thin.ts';
import { WriterThread } from './thread.ts';
import { Volatile, volatileEvent } from './volatile.ts';
import type { Sealed } from './volatile.ts';
import { WearMeter } from './wear.ts';
import type { Wear } from './wear.ts';

/** After a quiet spell the first entry waits this long for company. */
const gatherMs = 20;
/** Between attempts to read from a disk that fails. */
const readAgainMs = 1_000;

/**
 * Opens the buffer in `options.path`, taking over whatever earlier starts left there.
 * Rejects with BufferError: `BUFFER_IN_USE` if another process owns it.
 */
export async function openBuffer(options: BufferOptions): Promise<Buffer> {
  const latest: Latest = {
    space: { bytes: 0, quarantineBytes: 0, segments: 0, waiting: [], held: [], writtenBytes: null },
    onVolatile: () => undefined,
    heard: 0,
  };
  const thread = new WriterThread({
    event: (event) => {
      latest.heard += 1;
      options.event(event);
    },
    trouble: (message) => options.log?.(`buffer: ${message}`),
    space: (space) => {
      latest.space = space;
    },
    volatile: (isOn) => latest.onVolatile(isOn),
  });
  let lock: Server | null = null;
  try {
    // Also where the disk can be written: an owner that began when it could not has no other lock yet.
    lock = await lockWithoutWriting(options.path).catch(onlyInUse);
    const opened = await thread.call('open', { path: options.path, maxBytes: options.maxBytes });
    latest.space = opened;
    if (opened.isReadOnly) lock ??= await lockWithoutWriting(options.path);
    else lock = closed(lock);
    return new DurableBuffer(options, thread, opened, latest, lock);
  } catch (error) {
    closed(lock);
    await thread.terminate();
    if (!(error instanceof BufferError) || error.code !== 'BUFFER_FAILED') throw error;
    throw new BufferError(
      error.code,
      `the buffer in ${options.path} cannot be opened: ${error.message}. What lies there is kept; look at the disk (\`dmesg\`, \`df\`)`,
    );
  }
}

/** Whatever else is wrong with the folder, the writer says. */
function onlyInUse(error: unknown): null {
  if (error instanceof BufferError) throw error;
  return null;
}

function closed(lock: Server | null): null {
  lock?.close();
  return null;
}

/** What the writer said last of its files: with each commit, and between. */
interface Latest {
  space: Space;
  /** The file system became read-only, or can be written again. */
  onVolatile: (isOn: boolean) => void;
  /** How many events it has told. */
  heard: number;
}

class DurableBuffer implements Buffer {
  readonly epoch: string;
  readonly before: 'none' | 'clean' | 'unclean';
  readonly failed: Promise<Error>;
  readonly #options: BufferOptions;
  readonly #thread: WriterThread;
  readonly #latest: Latest;
  readonly #readers: Readonly<Record<Stream, LaneReader>>;
  readonly #slots = new NewestSlots();
  readonly #held: HeldReadings;
  readonly #heldDues: HeldDues;
  /** The newest seq that was given to the writer. */
  #givenSeq: Seq;
  readonly #wear = new WearMeter();
  readonly #openedMs = performance.now();
  readonly #encoder = new FrameEncoder();
  readonly #quota: Quota;
  #nextSeq: Seq;
  /** On disk. */
  #newestSeq: Seq;
  #gathering = new Gathering();
  #waitingBytes = 0;
  /** Entries of the append that found no room, until one finds some. */
  #lastRefused = 0;
  #isReadTroubleTold = false;
  #timer: NodeJS.Timeout | null = null;
  #lastCommitMs = -Infinity;
  #committing: Promise<void> | null = null;
  #writing: Sealed | null = null;
  readonly #volatile = new Volatile();
  /** On a disk that cannot be written. As soon as it can, another start is asked for, which owns what lies there. */
  readonly #isReadOnlyStart: boolean;
  readonly #lock: Server | null;
  readonly #isDatingKnown: boolean;
  #isBackTold = false;
  readonly #again = Promise.withResolvers<Error>();
  #wantsSlots: boolean;
  /** A serial number, or a slot of a late date, that no packed slots hold yet. */
  #isUnpacked = false;
  #closing: Promise<void> | null = null;
  readonly #closed = new AbortController();
  #wake: (() => void)[] = [];
  #counts = { commits: 0, commitsTookMs: 0, refused: 0 };
  readonly #accepted: Record<Stream, number> = perLane(() => 0);
  readonly #dropped: Record<Stream, number> = perLane(() => 0);
  readonly #roomMaker: RoomMaker;
  /** What is appended now tells of a drop, which makes room. */
  #isTellingDrop = false;

  constructor(options: BufferOptions, thread: WriterThread, opened: Opened, latest: Latest, lock: Server | null) {
    this.#lock = lock;
    this.#options = options;
    this.#quota = new Quota(options, {
      path: options.path,
      space: () => latest.space,
      waitingBytes: () => this.#waitingBytes,
      isUnwritten: () => this.#isReadOnlyStart && this.#volatile.isOn,
      log: (message) => options.log?.(message),
    });
    this.#roomMaker = new RoomMaker({
      isShort: () => this.#quota.isShort && !this.#volatile.isOn,
      ask: () => this.#askForRoom(),
      drop: (made) => this.#drop(made),
      isClosed: () => this.#closing !== null,
      log: (message) => options.log?.(`buffer: ${message}`),
    });
    this.#thread = thread;
    this.#latest = latest;
    latest.onVolatile = (isOn) => this.#setVolatile(isOn);
    this.failed = Promise.race([thread.failed, this.#again.promise]);
    this.#isReadOnlyStart = opened.isReadOnly;
    this.#isDatingKnown = opened.isDatingKnown;
    this.#volatile.isOn = opened.isReadOnly;
    this.#wantsSlots = !opened.isReadOnly;
    this.epoch = opened.epoch;
    this.before = opened.before;
    this.#nextSeq = opened.nextSeq;
    this.#newestSeq = opened.nextSeq - 1;
    this.#givenSeq = opened.nextSeq - 1;
    const wear = opened.slots && this.#slots.unpack(opened.slots);
    if (wear) this.#wear.goOn(wear);
    this.#held = new HeldReadings(
      {
        clock: options.clock,
        holdMs: options.holdMs ?? defaultHoldMs,
        isUnknown: !opened.isDatingKnown,
        isInMemory: () => this.#isInMemory(),
        keep: (boots) => thread.call('date', boots),
        tell: options.event,
        told: () => this.#whenGathered(),
        newest: () => this.#givenSeq,
        released: () => this.#release(),
        log: (message) => options.log?.(message),
        closed: this.#closed.signal,
      },
      opened.dating,
      this.#slots.trusted,
    );
    const points = new Points();
    this.#readers = perLane((lane) => this.#reader(lane, opened, points));
    this.#heldDues = new HeldDues(options.clock.now().boot, opened.dating);
    const dates: Dates = {
      offsetOf: (boot, seq) => this.#held.offsetOf(boot, seq),
      undated: (one) => {
        this.#heldDues.note(one);
        this.#slots.noteUndated(one);
      },
    };
    for (const { entries } of new FrameDecoder(dates, points).decodeEach('meter-readings', opened.slotFrames))
      this.#slots.noteAll(entries);
    // By then whoever opened it can take its events.
    setImmediate(() => this.#held.watch());
  }

  #reader(lane: number, opened: Opened, points: Points): LaneReader {
    const { until } = this.#held;
    const doubtful = opened.doubtful[lane] ?? 0;
    const mayWait = waitsForDate(lane);
    return new LaneReader(streamOf(lane), {
      epoch: this.epoch,
      base: opened.nextSeq - 1,
      // What waits for its date was never sent.
      doubtful: until === null || opened.isReadOnly || !mayWait ? doubtful : Math.min(doubtful, until - 1),
      left: opened.isReadOnly && mayWait ? leftAlone(opened, this.#options.clock.now().boot) : null,
      held: this.#held,
      points,
      read: (request, signal) => this.#read(request, signal),
      damaged: (frame) => this.#thread.damaged(frame),
      isVolatile: () => this.#volatile.isOn,
      more: (signal) => this.#committedOrAborted(signal),
      closed: this.#closed.signal,
    });
  }

  append(stream: Stream, entries: readonly (Reading | Note)[]): Promise<void> {
    if (entries.length === 0) return Promise.resolve();
    const refusal = this.#refusal(stream, entries.length);
    if (refusal) {
      this.#counts.refused += entries.length;
      this.#lastRefused = entries.length;
      this.#roomMaker.look();
      return Promise.reject(refusal);
    }
    this.#lastRefused = 0;
    const gathering = this.#gathering;
    for (const entry of entries) {
      const bytes = entryBytes + (isReading(entry) ? (entry.text?.length ?? 0) : (entry.json?.length ?? 0)) * 2;
      gathering.add(stream, { seq: this.#nextSeq++, entry }, bytes);
      this.#waitingBytes += bytes;
    }
    this.#slots.noteAll(entries);
    this.#slots.noteLater(entries, this.#nextSeq - 1);
    this.#schedule();
    return gathering.promise;
  }

  next(stream: Stream, after: Seq, mostEntries: number, signal: AbortSignal): Promise<Batch> {
    return this.#readers[stream].next(after, mostEntries, signal);
  }

  /** null: the disk did not give it now (no handle, no room, an I/O error). Waits a moment before saying so. */
  async #read(request: ReadRequest, signal: AbortSignal): Promise<ReadFrames | null> {
    try {
      const found = await this.#thread.call('read', request);
      this.#isReadTroubleTold = false;
      return found;
    } catch (error) {
      if (this.#closed.signal.aborted) throw error;
      if (!this.#isReadTroubleTold)
        this.#options.log?.(`buffer: reading failed, it is tried again: ${messageOf(error)}`);
      this.#isReadTroubleTold = true;
      await this.#options.clock.sleep(readAgainMs, signal);
      return null;
    }
  }

  settle(stream: Stream, first: Seq, last: Seq): void {
    const lane = laneOf(stream);
    for (const range of this.#readers[stream].settle(first, last)) this.#thread.settle(lane, range.first, range.last);
    for (const { gathering } of this.#volatile.settle(lane, first, last)) {
      this.#waitingBytes -= gathering.bytes;
      this.#wantsSlots ||= !this.#isReadOnlyStart;
      gathering.resolve();
    }
  }

  async reject(entry: Kept, reason: string, record: { key: string; value: string | null }): Promise<void> {
    const { epoch, seq, stream } = entry;
    const { wallMs } = this.#options.clock.now();
    await this.#thread.call('reject', { lane: laneOf(stream), epoch, seq, reason, ...record, wallMs });
  }

  newestSlotMs(device: string, point: string): number | undefined {
    return this.#slots.get(device, point);
  }

  heldDues(device: string, point: string): readonly HeldDue[] {
    return this.#heldDues.of(device, point);
  }

  lastTotal(device: string, point: string): LastTotal | undefined {
    return this.#slots.lastTotal(device, point);
  }

  serialSeen(device: string): string | undefined {
    return this.#slots.serial(device);
  }

  sawSerial(device: string, serial: string): void {
    if (this.#slots.serial(device) === serial) return;
    this.#slots.noteSerial(device, serial);
    this.#isUnpacked = true;
  }

  get newestTrustedMs(): number {
    return this.#slots.trusted?.wallMs ?? 0;
  }

  forgetOthers(devices: ReadonlySet<string>): void {
    this.#slots.forgetOthers(devices);
  }

  adjust(limits: BufferLimits): void {
    this.#held.hold(limits.holdMs ?? defaultHoldMs);
    this.#quota.adjust(limits);
    this.#roomMaker.look();
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#schedule();
  }

  stats(): BufferStats {
    const { bytes, quarantineBytes, segments, waiting, held, writtenBytes } = this.#latest.space;
    return {
      waiting: perLane((lane) => waiting[lane] ?? 0),
      held: perLane((lane) => held[lane] ?? 0),
      bytes,
      quarantineBytes,
      maxBytes: this.#quota.wantedBytes,
      full: streams.some((stream, lane) => waitsForDate(lane) && this.#quota.isFull(stream, this.#lastRefused)),
      fill: this.#quota.look(),
      isVolatile: this.#volatile.isOn,
      whenFull: this.#quota.whenFull,
      segments,
      writtenBytes,
      wear: this.#wearNow(),
      ...this.#counts,
      accepted: { ...this.#accepted },
      dropped: { ...this.#dropped },
      committingForMs: this.#committing ? Math.round(performance.now() - this.#lastCommitMs) : 0,
    };
  }

  pulse(): WriterPulse {
    return this.#thread.pulse();
  }

  close(signal: AbortSignal): Promise<void> {
    this.#closing ??= this.#close(signal);
    return this.#closing;
  }

  async #close(signal: AbortSignal): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const cut = (): void => void this.#thread.terminate();
    if (signal.aborted) cut();
    else signal.addEventListener('abort', cut, { once: true });
    try {
      if (this.#isReadOnlyStart && this.#volatile.isOn)
        throw new BufferError('READ_ONLY', 'its file system is read-only; what was not delivered from memory is lost');
      await this.#idle();
      // The newest right time, too: the next boot may begin before it.
      this.#wantsSlots = true;
      await this.#commit();
      await this.#idle();
      this.#closed.abort();
      this.#wakeAll();
      await this.#thread.call('close', { sent: this.#given() });
    } catch (error) {
      this.#options.log?.(`buffer: closed without sealing, the next start recovers it: ${messageOf(error)}`);
    } finally {
      this.#closed.abort();
      this.#wakeAll();
      signal.removeEventListener('abort', cut);
      await this.#thread.terminate();
      this.#lock?.close();
    }
  }

  #refusal(stream: Stream, count: number): Error | null {
    if (this.#closing) return new BufferError('CLOSED', 'the buffer is closed');
    if (this.#isTellingDrop) return null;
    return this.#quota.refusal(stream, count);
  }

  #schedule(): void {
    if (this.#timer || (this.#committing && !this.#volatile.isOn) || this.#closing) return;
    const sinceMs = performance.now() - this.#lastCommitMs;
    const isUrgent = this.#gathering.drops.length > 0;
    const delayMs = isUrgent ? gatherMs : Math.max(gatherMs, this.#quota.commitEveryMs - sinceMs);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#commit();
    }, delayMs);
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

  /** What was delivered from memory leaves its slots and totals: no commit brings them. Then the next start takes over. */
  async #endReadOnlyStart(): Promise<void> {
    try {
      await this.#thread.call('keepSlots', this.#slots.pack(this.#wearNow()));
      this.#isBackTold = true;
      this.#again.resolve(
        new BufferError(
          'DISK_BACK',
          'the disk of the buffer can be written again: a new start takes over what lies there',
        ),
      );
    } catch (error) {
      this.#options.log?.(
        `buffer: the newest slots could not be kept, the next commit tries again: ${messageOf(error)}`,
      );
    }
  }

  async #idle(): Promise<void> {
    while (this.#committing) await this.#committing;
  }

  #seal(): Sealed {
    const gathering = this.#gathering;
    this.#gathering = new Gathering();
    this.#lastCommitMs = performance.now();
    const anchor = this.#options.clock.now();
    const lanes = [...gathering.lanes.values()].map(({ stream, entries }) => ({
      stream,
      entries: entries.map((one) => corrected(anchor, one)),
    }));
    const ofReadings = lanes.filter(({ stream }) => waitsForDate(laneOf(stream)));
    this.#givenSeq = Math.max(...lanes.map(({ entries }) => entries.at(-1)?.seq ?? 0));
    const firstReading = Math.min(...ofReadings.map(({ entries }) => entries[0]?.seq ?? Infinity));
    const dating = ofReadings.length === 0 ? [] : this.#held.committing(anchor, firstReading);
    const frames = lanes.map(({ stream, entries }) => this.#encoder.encode(anchor, stream, entries));
    const described = this.#encoder.takeDescribed();
    if (anchor.trust === 'synced') this.#slots.noteTrusted(anchor);
    for (const { entries } of ofReadings) this.#slots.noteCorrected(entries);
    const isWaiting = this.#isReadOnlyStart && this.#volatile.isOn;
    const maxBytes = isWaiting ? null : this.#quota.newBytes;
    const slots =
      !isWaiting && (this.#wantsSlots || this.#isUnpacked || maxBytes !== null)
        ? this.#slots.pack(this.#wearNow())
        : null;
    this.#isUnpacked = false;
    const { heard } = this.#latest;
    const commit = { frames, described, slots, dating, maxBytes, drops: gathering.drops, heard };
    return { gathering, anchor, lanes, commit, shown: new Set() };
  }

  async #write(sealed: Sealed): Promise<void> {
    const { gathering, lanes, commit } = sealed;
    const beganMs = performance.now();
    try {
      const described = [...this.#volatile.takeCarried(), ...commit.described];
      const committed: Committed = await this.#thread.call('commit', { ...commit, described });
      this.#quota.committed(commit.maxBytes);
      this.#latest.space = committed;
      this.#wantsSlots = committed.wantsSlots;
      this.#counts.commits += 1;
      this.#counts.commitsTookMs += performance.now() - beganMs;
      for (const { stream, entries } of lanes) {
        this.#accepted[stream] += entries.length;
        this.#newestSeq = Math.max(this.#newestSeq, entries.at(-1)?.seq ?? 0);
      }
      this.#show(sealed);
      this.#held.committed(sealed.anchor, commit.dating);
      for (const { lane, count } of gathering.drops) this.#dropped[streamOf(lane)] += count;
      for (const { stream, entries } of lanes) this.#tap(stream, entries);
      gathering.resolve();
      this.#roomMaker.look();
      this.#quota.look();
    } catch (error) {
      gathering.reject(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#waitingBytes -= gathering.bytes;
    }
  }

  /** From now on readers are given it: when it is on disk, or cannot be brought there now. */
  #show(sealed: Sealed): void {
    const { anchor, lanes, shown } = sealed;
    const isOnDisk = !this.#volatile.isOn;
    for (const { stream, entries } of lanes.filter((one) => !shown.has(one.stream))) {
      const { recent } = this.#readers[stream];
      const last = entries.at(-1)?.seq ?? 0;
      // How it is dated is decided later: then it comes from the disk, and nothing of its lane before it.
      const isUndated = anchor.trust === 'unsynced' && waitsForDate(laneOf(stream)) && !this.#isDatedInMemory(last);
      if (isUndated && isOnDisk) recent.skip(last);
      if (!isOnDisk && !this.#volatile.mayShow(stream, isUndated)) continue;
      // What it would overtake may lie on disk, and the newest record is what its topic keeps.
      if (this.#isReadOnlyStart && stream === 'asset-metadata') continue;
      shown.add(stream);
      if (isUndated) continue;
      const kept = entries.map((one) => keep(anchor, one, this.epoch, stream, this.#held));
      recent.add({ last, entries: kept }, !isOnDisk);
    }
    this.#wakeAll();
  }

  /** Of what this start accepts nothing lies on disk: how it is dated may be decided in memory. */
  #isInMemory(): boolean {
    return this.#isReadOnlyStart && this.#isDatingKnown && this.#volatile.isOn;
  }

  #isDatedInMemory(last: Seq): boolean {
    const { until } = this.#held;
    return this.#isInMemory() && (until === null || last < until);
  }

  /** Readings that had to wait for their date may be sent. */
  #release(): void {
    if (this.#slots.date(this.#held)) this.#isUnpacked = true;
    if (this.#isInMemory()) {
      this.#volatile.unblock();
      if (this.#writing) this.#show(this.#writing);
      for (const sealed of this.#volatile.held) this.#show(sealed);
    }
    this.#wakeAll();
  }

  /** The file system became read-only, or can be written again. */
  #setVolatile(isOn: boolean): void {
    this.#volatile.isOn = isOn;
    if (!isOn) {
      this.#options.log?.('buffer: its file system can be written again; what waits in memory is written down');
      return;
    }
    if (this.#writing) this.#show(this.#writing);
    this.#options.event(volatileEvent(this.#options.path, this.#options.clock.now().wallMs));
    if (this.#gathering.lanes.size > 0) this.#schedule();
  }

  /** From now on readers get from the writer thread, which knows what it drops, all that lies on disk now. */
  async #askForRoom(): Promise<RoomMade> {
    for (const { recent } of Object.values(this.#readers)) recent.forget(this.#newestSeq);
    const made = await this.#thread.call('makeRoom', {
      given: this.#given(),
      newest: this.#newestSeq,
      maxBytes: this.#quota.bytes,
    });
    this.#latest.space = made.space;
    return made;
  }

  /** The same commit carries the events and the drop: neither is on disk without the other. */
  #drop({ drop, count, tallies }: RoomMade & { did: 'drop' }): Promise<void> {
    const gathering = this.#gathering;
    gathering.drops.push({ ...drop, count });
    this.#isTellingDrop = true;
    try {
      const boundsOf = (boot: string): Bounds => this.#held.boundsOf(boot);
      for (const event of dropEvents(drop, tallies, this.#quota.bytes, boundsOf)) this.#options.event(event);
    } finally {
      this.#isTellingDrop = false;
    }
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    if (gathering.lanes.size > 0) this.#schedule();
    return gathering.promise;
  }

  /** Resolves when what is gathered now is on disk, or cannot be. */
  async #whenGathered(): Promise<void> {
    if (this.#isInMemory()) return;
    const { lanes, promise } = this.#gathering;
    if (lanes.size > 0) await promise.catch(() => undefined);
  }

  /** Committed it is, whatever becomes of the audit's copy. */
  #tap(stream: Stream, entries: readonly Numbered[]): void {
    try {
      this.#options.tap?.(
        this.epoch,
        stream,
        entries.map((one) => one.seq),
      );
    } catch (error) {
      this.#options.log?.(`buffer: the tap failed: ${messageOf(error)}`);
    }
  }

  /** Per lane the last seq that a reader was given. */
  #given(): Seq[] {
    return streams.map((stream) => this.#readers[stream].given);
  }

  #wearNow(): Wear | null {
    const bytes = this.#latest.space.writtenBytes;
    return bytes === null ? null : this.#wear.now({ bytes, runningMs: performance.now() - this.#openedMs });
  }

  #committedOrAborted(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#wake.push(done);
    });
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

/** Readings of this boot that wait on a disk where no date can be kept; all that lies there, where what was kept cannot be read. */
function leftAlone({ isDatingKnown, dating, nextSeq }: Opened, boot: string): Range | null {
  const first = isDatingKnown ? (dating.find((one) => one.boot === boot)?.heldFrom ?? null) : 1;
  return first === null ? null : { first, last: nextSeq - 1 };
}

function perLane<T>(of: (lane: number) => T): Record<Stream, T> {
  return Object.fromEntries(streams.map((stream, lane) => [stream, of(lane)])) as Record<Stream, T>;
}
