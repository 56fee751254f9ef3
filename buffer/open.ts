import type { Server } from 'node:net';
import { BufferError, messageOf } from '../agent/errors.ts';
import { streams } from '../agent/reading.ts';
import type { HeldDue, Kept, Note, Reading, Seq, Stream } from '../agent/reading.ts';
import type { Batch, Buffer, BufferLimits, BufferOptions, BufferStats, LastTotal } from './buffer.ts';
import { Commits } from './commits.ts';
import type { Bounds } from './dating/dating.ts';
import { FrameDecoder } from './frames/decoder.ts';
import type { Dates } from './frames/frame.ts';
import { defaultHoldMs, HeldReadings } from './dating/held.ts';
import { HeldDues } from './dating/held-dues.ts';
import { LaneReader } from './lane-reader.ts';
import { NewestSlots } from './newest-slots.ts';
import { Points } from './frames/points.ts';
import { laneOf, perLane, streamOf, waitsForDate } from './protocol.ts';
import type { Opened, ReadFrames, ReadRequest, RoomMade, Space } from './protocol.ts';
import { Quota } from './room/quota.ts';
import type { Range } from './ranges.ts';
import { lockWithoutWriting } from './read-only-lock.ts';
import { RoomMaker } from './room/room-maker.ts';
import { dropEvents } from './room/thin.ts';
import { beginWriter, WriterThread } from './thread.ts';
import type { WriterPulse } from './thread.ts';
import { WearMeter } from './wear.ts';
import type { Wear } from './wear.ts';

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
    told: 0,
  };
  const thread = new WriterThread(options.writer ?? beginWriter(), {
    event: (event) => {
      latest.told += 1;
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
  told: number;
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
  readonly #wear = new WearMeter();
  readonly #openedMs = performance.now();
  readonly #quota: Quota;
  readonly #commits: Commits;
  readonly #roomMaker: RoomMaker;
  /** The owner's on a disk that cannot be written. */
  readonly #lock: Server | null;
  readonly #closed = new AbortController();
  #closing: Promise<void> | null = null;
  #refused = 0;
  /** Entries of the append that found no room, until one finds some. */
  #lastRefused = 0;
  /** What is appended now tells of a drop, which makes room. */
  #isTellingDrop = false;
  #isReadTroubleTold = false;
  #wake: (() => void)[] = [];

  constructor(options: BufferOptions, thread: WriterThread, opened: Opened, latest: Latest, lock: Server | null) {
    this.#lock = lock;
    this.#options = options;
    this.#thread = thread;
    this.#latest = latest;
    this.epoch = opened.epoch;
    this.before = opened.before;
    this.#quota = new Quota(options, {
      path: options.path,
      space: () => latest.space,
      waitingBytes: () => this.#commits.waitingBytes,
      isUnwritten: () => this.#commits.isUnwritten,
      log: (message) => options.log?.(message),
    });
    this.#roomMaker = new RoomMaker({
      isShort: () => this.#quota.isShort && !this.#commits.isVolatile,
      ask: () => this.#askForRoom(),
      drop: (made) => this.#drop(made),
      isClosed: () => this.#closing !== null,
      log: (message) => options.log?.(`buffer: ${message}`),
    });
    const wear = opened.slots && this.#slots.unpack(opened.slots);
    if (wear) this.#wear.goOn(wear);
    this.#held = new HeldReadings(
      {
        clock: options.clock,
        holdMs: options.holdMs ?? defaultHoldMs,
        isUnknown: !opened.isDatingKnown,
        isInMemory: () => this.#commits.isInMemory,
        keep: (boots) => thread.call('date', boots),
        tell: options.event,
        told: () => this.#commits.whenGathered(),
        newest: () => this.#commits.givenSeq,
        released: () => this.#release(),
        log: (message) => options.log?.(message),
        closed: this.#closed.signal,
      },
      opened.dating,
      this.#slots.trusted,
    );
    const points = new Points();
    this.#readers = perLane((lane) => this.#reader(lane, opened, points));
    this.#commits = new Commits(
      {
        options,
        thread,
        quota: this.#quota,
        slots: this.#slots,
        held: this.#held,
        readers: this.#readers,
        wear: () => this.#wearNow(),
        space: (space) => (latest.space = space),
        told: () => latest.told,
        committed: () => {
          this.#roomMaker.look();
          this.#quota.look();
        },
        wake: () => this.#wakeAll(),
      },
      opened,
    );
    latest.onVolatile = (isOn) => this.#commits.setVolatile(isOn);
    this.failed = Promise.race([thread.failed, this.#commits.again]);
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
      isVolatile: () => this.#commits.isVolatile,
      more: (signal) => this.#committedOrAborted(signal),
      closed: this.#closed.signal,
    });
  }

  append(stream: Stream, entries: readonly (Reading | Note)[]): Promise<void> {
    if (entries.length === 0) return Promise.resolve();
    const refusal = this.#refusal(stream, entries.length);
    if (refusal) {
      this.#refused += entries.length;
      this.#lastRefused = entries.length;
      if (stream === 'gateway-events') this.#commits.lostEvent();
      this.#roomMaker.look();
      return Promise.reject(refusal);
    }
    this.#lastRefused = 0;
    return this.#commits.add(stream, entries);
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
    this.#commits.settle(lane, first, last);
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
    this.#commits.packSlots();
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
    this.#commits.reschedule();
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
      isVolatile: this.#commits.isVolatile,
      whenFull: this.#quota.whenFull,
      segments,
      writtenBytes,
      wear: this.#wearNow(),
      refused: this.#refused,
      ...this.#commits.stats(),
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
    this.#commits.end();
    const cut = (): void => void this.#thread.terminate();
    if (signal.aborted) cut();
    else signal.addEventListener('abort', cut, { once: true });
    try {
      if (this.#commits.isUnwritten)
        throw new BufferError('READ_ONLY', 'its file system is read-only; what was not delivered from memory is lost');
      await this.#commits.flush();
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

  /** Readings that had to wait for their date may be sent. */
  #release(): void {
    this.#commits.release();
    this.#wakeAll();
  }

  /** From now on readers get from the writer thread, which knows what it drops, all that lies on disk now. */
  async #askForRoom(): Promise<RoomMade> {
    for (const { recent } of Object.values(this.#readers)) recent.forget(this.#commits.newestSeq);
    const made = await this.#thread.call('makeRoom', {
      given: this.#given(),
      newest: this.#commits.newestSeq,
      maxBytes: this.#quota.bytes,
    });
    this.#latest.space = made.space;
    return made;
  }

  #drop({ drop, count, tallies }: RoomMade & { did: 'drop' }): Promise<void> {
    return this.#commits.drop({ ...drop, count }, () => {
      this.#isTellingDrop = true;
      try {
        const boundsOf = (boot: string): Bounds => this.#held.boundsOf(boot);
        for (const event of dropEvents(drop, tallies, this.#quota.bytes, boundsOf)) this.#options.event(event);
      } finally {
        this.#isTellingDrop = false;
      }
    });
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
