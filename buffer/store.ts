import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../agent/errors.ts';
import { streams } from '../agent/reading.ts';
import type { GatewayEvent, Seq } from '../agent/reading.ts';
import { DeadLetters } from './dead-letters.ts';
import { Lock } from './lock.ts';
import { laneOf, streamOf } from './protocol.ts';
import type {
  Commit,
  Committed,
  DeadLetter,
  Described,
  Descriptor,
  Opened,
  ReadFrame,
  ReadFrames,
  StoreOptions,
} from './protocol.ts';
import { Settled } from './ranges.ts';
import { parseSegmentName, syncFolder } from './segment.ts';
import { Shelf } from './shelf.ts';
import { segmentBytes } from './sizes.ts';

const mostSegmentAgeMs = 3_600_000;
/** Bytes of frames that one answer to a reader may hold. */
const mostReadBytes = 4 * 1024 * 1024;
/** Segments whose handle and index stay open for readers: one a lane, about. */
const mostOpen = streams.length;
/** Commits after which the newest slots are written anew, so that a start need not decode more than this many frames for them. */
const commitsPerSlots = 600;
/** Settled entries after which an acknowledgement is written without a frame that carries it. */
const mostUnwrittenSettled = 100_000;

/**
 * The files of one buffer: all of them, and nobody else's. Runs in the writer thread; every call is synchronous and may block for as
 * long as the disk does. After a throw from `commit` the segment is retired: call again, it goes to a new one.
 */
export class Store {
  readonly #options: StoreOptions;
  readonly #tell: (event: GatewayEvent) => void;
  readonly #lock: Lock;
  readonly #dead: DeadLetters;
  readonly #epoch: string;
  readonly #rollBytes: number;
  readonly #starts: number;
  readonly #settled: Settled[] = streams.map(() => new Settled());
  readonly #doubtful: Seq[];
  readonly #descriptors = new Map<number, Descriptor>();
  /** In order of age; the active one is last. */
  #shelves: Shelf[] = [];
  #active: Shelf | null = null;
  #activeSinceMs = 0;
  /** Segments before this one may go: it, or a later one, carries the newest slots. */
  #slotsFrom: Shelf | null = null;
  #commitsSinceSlots = 0;
  #unwritten = 0;
  #nextSeq: Seq;

  constructor(options: StoreOptions, tell: (event: GatewayEvent) => void) {
    this.#options = options;
    this.#tell = tell;
    this.#rollBytes = segmentBytes(options.maxBytes);
    mkdirSync(options.path, { recursive: true });
    this.#lock = new Lock(options.path);
    const names = readdirSync(options.path)
      .map((name) => ({ name, parsed: parseSegmentName(name) }))
      .filter(({ parsed }) => parsed !== null)
      .toSorted(
        (a, b) => (a.parsed?.first ?? 0) - (b.parsed?.first ?? 0) || (a.parsed?.starts ?? 0) - (b.parsed?.starts ?? 0),
      );
    this.#starts = Math.max(this.#lock.before.starts, ...names.map(({ parsed }) => parsed?.starts ?? 0)) + 1;
    this.#epoch = `${this.#starts}-${randomText()}`;
    for (const { name } of names) this.#takeStock(new Shelf(options.path, name));
    const known = [...this.#shelves.map((shelf) => shelf.lastSeq), ...this.#settled.map((lane) => lane.position)];
    this.#nextSeq = Math.max(this.#lock.before.floor, ...known.map((seq) => seq + 1), 1);
    const { clean, doubtful } = this.#lock.before;
    this.#doubtful = streams.map((_, lane) => (clean ? (doubtful[lane] ?? 0) : this.#nextSeq - 1));
    this.#lock.begun(this.#starts, this.#doubtful);
    this.#dead = new DeadLetters(options.path);
  }

  opened(): Opened {
    const { slots, slotFrames } = this.#newestSlots();
    this.#unlinkSettled();
    return {
      epoch: this.#epoch,
      nextSeq: this.#nextSeq,
      doubtful: this.#doubtful,
      slots,
      slotFrames,
      ...this.space(),
    };
  }

  space(): { bytes: number; segments: number; waiting: readonly number[] } {
    return {
      bytes: this.#shelves.reduce((sum, shelf) => sum + shelf.bytes, 0) + this.#dead.bytes(),
      segments: this.#shelves.length,
      waiting: streams.map((_, lane) => {
        const settled = this.#settled[lane] ?? new Settled();
        return this.#shelves.reduce((sum, shelf) => sum + shelf.waiting(lane, settled), 0);
      }),
    };
  }

  commit(commit: Commit): Committed {
    for (const descriptor of commit.described) this.#descriptors.set(descriptor.id, descriptor);
    const active = this.#ensureActive(Math.min(...commit.frames.map((frame) => frame.first)));
    this.#guarded(active, () => active.commit(commit, (id) => this.#describe(id), this.#settled));
    this.#nextSeq = active.lastSeq + 1;
    this.#unwritten = 0;
    this.#commitsSinceSlots += 1;
    if (commit.slots) {
      this.#slotsFrom = active;
      this.#commitsSinceSlots = 0;
    }
    this.#rollIfDue(active);
    this.#unlinkSettled();
    const hasSlots = this.#active !== null && this.#slotsFrom === this.#active;
    return { ...this.space(), wantsSlots: !hasSlots || this.#commitsSinceSlots >= commitsPerSlots };
  }

  settle(lane: number, first: Seq, last: Seq): void {
    this.#settled[lane]?.add(first, last);
    this.#unwritten += last - first + 1;
    if (this.#unwritten > mostUnwrittenSettled) this.writeSettled();
    this.#unlinkSettled();
  }

  /** Puts on disk what was settled since the last commit, if anything was. */
  writeSettled(): void {
    if (this.#unwritten === 0) return;
    const active = this.#ensureActive(this.#nextSeq);
    this.#guarded(active, () => active.commitSettled(this.#settled));
    this.#unwritten = 0;
  }

  /** `known`: per segment how many rows of descriptors the reader has already. */
  read(lane: number, after: Seq, most: number, known: ReadonlyMap<string, number>): ReadFrames {
    const frames: ReadFrame[] = [];
    const described = new Map<string, Described>();
    const settled = this.#settled[lane] ?? new Settled();
    let through = after;
    let entries = 0;
    let bytes = 0;
    for (const shelf of this.#shelves) {
      const extent = shelf.lanes[lane];
      if (!extent || extent.last <= through || settled.covers(extent.first, extent.last)) continue;
      try {
        for (const frame of shelf.framesAfter(lane, through)) {
          if (entries >= most || bytes >= mostReadBytes) return { frames, through, described: [...described.values()] };
          through = frame.last;
          if (settled.covers(frame.first, frame.last)) continue;
          const body = shelf.read(frame.first);
          if (body === null) {
            this.#tellLost(lane, frame.first, frame.last, frame.count, `a frame in ${shelf.file} is damaged`);
            this.settle(lane, frame.first, frame.last);
            continue;
          }
          if (!described.has(shelf.name)) described.set(shelf.name, shelf.descriptors(known.get(shelf.name) ?? 0));
          const inside = [{ first: 0, last: settled.position }, ...settled.ranges].filter(
            (range) => range.last >= frame.first && range.first <= frame.last,
          );
          frames.push({
            epoch: shelf.epoch,
            segment: shelf.name,
            lane,
            first: frame.first,
            last: frame.last,
            body,
            settled: inside,
          });
          entries += frame.count;
          bytes += body.length;
        }
      } catch (error) {
        this.#quarantine(shelf, error);
      }
      this.#parkOldest();
    }
    return { frames, through: Math.max(through, this.#nextSeq - 1), described: [...described.values()] };
  }

  reject(letter: DeadLetter): void {
    this.#dead.add(letter);
    this.settle(letter.lane, letter.seq, letter.seq);
  }

  /** `sent`: per lane the last seq that a reader was given in this start. */
  close(sent: readonly Seq[]): void {
    this.writeSettled();
    this.#active?.seal();
    this.#active = null;
    this.#unlinkSettled();
    for (const shelf of this.#shelves) shelf.park();
    this.#dead.close();
    const doubtful = this.#doubtful.map((seq, lane) => Math.max(seq, sent[lane] ?? 0));
    this.#lock.release({ starts: this.#starts, doubtful, floor: this.#nextSeq });
  }

  #ensureActive(first: Seq): Shelf {
    if (this.#active) return this.#active;
    const active = Shelf.create(this.#options.path, first, this.#epoch, this.#rollBytes);
    this.#shelves.push(active);
    this.#active = active;
    this.#activeSinceMs = performance.now();
    return active;
  }

  /** A handle that once failed is never used again: what is behind it is unknown until it is opened anew. */
  #guarded(active: Shelf, act: () => void): void {
    try {
      act();
    } catch (error) {
      active.park();
      this.#active = null;
      // Nothing in it was ever accepted: the new segment will bear the same name.
      if (active.lastSeq < active.firstSeq) this.#shelves = this.#shelves.filter((shelf) => shelf !== active);
      throw error;
    }
  }

  #rollIfDue(active: Shelf): void {
    if (active.bytes < this.#rollBytes && performance.now() - this.#activeSinceMs < mostSegmentAgeMs) return;
    this.#active = null;
    try {
      active.seal();
    } catch {
      // Committed it is; the next who opens it seals it.
      active.park();
    }
  }

  /** Space comes back only by unlinking whole segments: those with nothing unsettled, while a later one carries the newest slots and positions. */
  #unlinkSettled(): void {
    const guard = this.#slotsFrom === null ? -1 : this.#shelves.indexOf(this.#slotsFrom);
    for (const shelf of this.#shelves.slice(0, Math.max(0, guard))) {
      if (!shelf.isSettled(this.#settled)) continue;
      shelf.park();
      this.#shelves = this.#shelves.filter((one) => one !== shelf);
      for (const tail of ['', '-wal', '-shm', '-journal']) rmSync(shelf.file + tail, { force: true });
    }
  }

  #parkOldest(): void {
    const open = this.#shelves.filter((shelf) => shelf.isOpen && shelf !== this.#active);
    for (const shelf of open.slice(0, -mostOpen)) shelf.park();
  }

  #takeStock(shelf: Shelf): void {
    try {
      shelf.stock();
      for (const found of shelf.settled())
        for (const [lane, settled] of found.entries()) {
          this.#settled[lane]?.add(1, settled.position);
          for (const range of settled.ranges) this.#settled[lane]?.add(range.first, range.last);
        }
      this.#shelves.push(shelf);
      this.#parkOldest();
    } catch (error) {
      this.#quarantine(shelf, error);
    }
  }

  /** A segment that cannot be read goes aside undamaged, for people and later tools; the others go on. */
  #quarantine(shelf: Shelf, error: unknown): void {
    shelf.park();
    this.#shelves = this.#shelves.filter((one) => one !== shelf);
    const folder = join(this.#options.path, 'quarantine');
    let place = `stays at ${shelf.file}`;
    try {
      mkdirSync(folder, { recursive: true });
      for (const tail of ['', '-wal', '-shm', '-journal'])
        if (readdirSync(this.#options.path).includes(`${shelf.name}.db${tail}`))
          renameSync(shelf.file + tail, join(folder, `${shelf.name}.db${tail}`));
      syncFolder(this.#options.path);
      place = `was moved to ${folder}`;
    } catch (moveError) {
      place += ` (${messageOf(moveError)})`;
    }
    this.#tell({
      event: 'quarantine',
      severity: 'error',
      message: `Buffer segment ${shelf.name} cannot be read and ${place}: ${messageOf(error)}. Keep the file: its readings may be recoverable.`,
      facts: { segment: shelf.name, firstSeq: shelf.firstSeq, lastSeq: shelf.lastSeq },
    });
    for (const [lane, extent] of shelf.lanes.entries())
      if (extent && this.#settled[lane]?.covers(extent.first, extent.last) === false)
        this.#tellLost(lane, extent.first, extent.last, extent.count, `segment ${shelf.name} cannot be read`);
  }

  #tellLost(lane: number, first: Seq, last: Seq, count: number, why: string): void {
    this.#tell({
      event: 'loss',
      severity: 'error',
      message: `Up to ${count} entries of ${streamOf(lane)} are lost: ${why}.`,
      facts: { stream: streamOf(lane), firstSeq: first, lastSeq: last, count, reason: why },
    });
  }

  #describe(id: number): Descriptor {
    const descriptor = this.#descriptors.get(id);
    if (!descriptor) throw new RangeError(`descriptor ${id} was never told`);
    return descriptor;
  }

  /** The newest slots written, and the frames of the meter lane that came after them. */
  #newestSlots(): { slots: Uint8Array | null; slotFrames: ReadFrames } {
    for (const [at, shelf] of [...this.#shelves.entries()].toReversed()) {
      const slots = shelf.slots();
      if (!slots) continue;
      this.#slotsFrom = this.#shelves[at] ?? null;
      return { slots: slots.body, slotFrames: this.#allFrames(slots.seq) };
    }
    return { slots: null, slotFrames: this.#allFrames(0) };
  }

  /** All frames of the meter lane behind `after`, settled ones too. */
  #allFrames(after: Seq): ReadFrames {
    const lane = laneOf('meter-readings');
    const frames: ReadFrame[] = [];
    const described: Described[] = [];
    for (const shelf of this.#shelves.filter((one) => (one.lanes[lane]?.last ?? 0) > after)) {
      try {
        for (const { first, last } of shelf.framesAfter(lane, after)) {
          const body = shelf.read(first);
          if (body) frames.push({ epoch: shelf.epoch, segment: shelf.name, lane, first, last, body, settled: [] });
        }
        described.push(shelf.descriptors(0));
      } catch (error) {
        this.#quarantine(shelf, error);
      }
      this.#parkOldest();
    }
    return { frames, through: after, described };
  }
}

/** 40 random bits in 8 characters that nobody misreads. */
function randomText(): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return Array.from({ length: 8 }, () => alphabet[randomInt(alphabet.length)]).join('');
}
