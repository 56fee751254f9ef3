import { randomInt } from 'node:crypto';
import { streams } from '../agent/reading.ts';
import type { GatewayEvent, Seq } from '../agent/reading.ts';
import { readBacklog, readNewestSlots } from './backlog.ts';
import { Ballast } from './room/ballast.ts';
import { DatingFile } from './dating/dating-file.ts';
import { joinedRows, offsetIn } from './dating/dating.ts';
import type { WrongBoot } from './dating/dating.ts';
import { DeadLetters } from './dead-letters.ts';
import { isReadOnly, makeFolder } from './folder.ts';
import { Lock } from './lock.ts';
import { Mending } from './damage/mending.ts';
import type {
  Commit,
  Committed,
  DamagedFrame,
  DeadLetter,
  Descriptor,
  Opened,
  ReadFrames,
  ReadRequest,
  RoomMade,
  RoomRequest,
  Space,
  StoreOptions,
} from './protocol.ts';
import { Quarantine } from './damage/quarantine.ts';
import { Settled } from './ranges.ts';
import { removeUnfinished } from './segments/segment-copy.ts';
import { Shelf } from './segments/shelf.ts';
import { Shelves } from './segments/shelves.ts';
import { ballastBytes, segmentBytes } from './room/sizes.ts';
import { withDrops } from './room/thin.ts';
import { Thinning } from './room/thinning.ts';
import { Telling } from './damage/telling.ts';
import { Undecodable } from './damage/undecodable.ts';
import { writtenByThread } from './wear.ts';

const mostSegmentAgeMs = 3_600_000;
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
  readonly #lock: Lock;
  readonly #dead: DeadLetters;
  readonly #dating: DatingFile;
  /** Boots with a wrong clock, as their rows on disk say. */
  readonly #boots = new Map<string, WrongBoot>();
  readonly #epoch: string;
  #maxBytes: number;
  #rollBytes: number;
  readonly #ballast: Ballast;
  readonly #starts: number;
  readonly #settled: Settled[] = streams.map(() => new Settled());
  readonly #doubtful: Seq[];
  readonly #descriptors = new Map<number, Descriptor>();
  readonly #quarantine: Quarantine;
  readonly #shelves: Shelves;
  readonly #telling: Telling;
  readonly #undecodable: Undecodable;
  readonly #mending: Mending;
  readonly #thinning: Thinning;
  #active: Shelf | null = null;
  #activeSinceMs = 0;
  /** Segments before this one may go: it, or a later one, carries the newest slots and positions. */
  #slotsFrom: Shelf | null = null;
  #commitsSinceSlots = 0;
  /** On disk beside the segments. */
  #otherBytes = 0;
  /** Settled since positions were last written. */
  #unwritten = 0;
  #nextSeq: Seq;

  /** `telling`: of a start that began before the disk could be written. */
  constructor(options: StoreOptions, telling: Telling | ((event: GatewayEvent) => void)) {
    this.#options = options;
    this.#maxBytes = options.maxBytes;
    this.#rollBytes = segmentBytes(options.maxBytes);
    makeFolder(options.path);
    this.#lock = new Lock(options.path);
    removeUnfinished(options.path);
    this.#ballast = new Ballast(options.path);
    this.#telling = telling instanceof Telling ? telling : new Telling(telling);
    this.#telling.keepIn(options.path);
    const tell = (event: GatewayEvent): void => this.#telling.tell(event);
    const quarantined = (message: string): void => tell({ event: 'quarantine', severity: 'error', message });
    this.#dead = new DeadLetters(options.path, quarantined);
    this.#dating = new DatingFile(options.path, quarantined);
    this.#quarantine = new Quarantine(options.path, options.maxBytes, tell);
    this.#shelves = new Shelves(options.path, this.#quarantine, this.#settled, tell);
    this.#undecodable = new Undecodable(options.path, this.#shelves, this.#quarantine);
    this.#mending = new Mending({
      shelves: this.#shelves,
      undecodable: this.#undecodable,
      quarantine: this.#quarantine,
      settled: this.#settled,
      tell,
    });
    this.#thinning = new Thinning({
      shelves: this.#shelves,
      settled: this.#settled,
      guard: () => this.#slotsFrom,
      space: () => this.space(),
      dates: { offsetOf: (boot, seq) => offsetIn(this.#boots.get(boot), seq) },
    });
    if (this.#shelves.starts() > this.#lock.before.starts) this.#lock.distrust();
    this.#starts = Math.max(this.#lock.before.starts, this.#shelves.starts()) + 1;
    this.#epoch = options.as?.epoch ?? newEpoch(this.#starts);
    const { clean, doubtful, floor } = this.#lock.before;
    for (const [lane, settled] of (options.as?.settled ?? []).entries()) this.#settled[lane]?.addAll(settled);
    this.#shelves.takeStock(clean ? floor - 1 : null);
    this.#undecodable.tellEarlier();
    this.#telling.keepRest();
    // Then every number in use must be known.
    if (options.as)
      for (const shelf of this.#shelves.all.filter(({ isExamined, isCondemned }) => !isExamined && !isCondemned))
        this.#shelves.use(shelf, () => undefined);
    // A number that counts as settled is not given to anything new.
    const known = [...this.#shelves.all.map((shelf) => shelf.lastSeq), ...this.#settled.map(({ last }) => last)];
    this.#nextSeq = Math.max(floor, ...known.map((seq) => seq + 1), 1);
    if (options.as) this.#skipTo(options.as.nextSeq);
    this.#doubtful = streams.map((_, lane) => (clean ? (doubtful[lane] ?? 0) : this.#nextSeq - 1));
    this.#lock.begun(this.#starts, this.#doubtful);
  }

  opened(): Opened {
    const { from, slots, slotFrames } = readNewestSlots(this.#shelves, this.#dating.boots);
    this.#slotsFrom = from;
    this.#shelves.unlinkSettled(from);
    const before = this.#lock.isNew ? 'none' : this.#lock.before.clean ? 'clean' : 'unclean';
    return {
      before,
      isReadOnly: false,
      isDatingKnown: true,
      epoch: this.#epoch,
      nextSeq: this.#nextSeq,
      doubtful: this.#doubtful,
      dating: this.#takeDating(),
      slots,
      slotFrames,
      ...this.space(),
    };
  }

  /** The numbers between are never given: no file is missing that held them. */
  #skipTo(nextSeq: Seq): void {
    if (nextSeq <= this.#nextSeq) return;
    for (const lane of this.#settled) lane.add(this.#nextSeq, nextSeq - 1);
    this.#nextSeq = nextSeq;
  }

  /** From memory alone: a sick file must not fail whoever asks. */
  space(): Space {
    const { all } = this.#shelves;
    return {
      bytes: all.reduce((sum, shelf) => sum + shelf.bytes, 0) + this.#seenOtherBytes(),
      quarantineBytes: this.#quarantine.bytes,
      segments: all.length,
      ...this.#shelves.waiting(this.#boots.values()),
      writtenBytes: writtenByThread(),
    };
  }

  #seenOtherBytes(): number {
    try {
      const copies = this.#thinning.bytes + this.#mending.bytes;
      const others = this.#shelves.listBytes + this.#ballast.bytes;
      this.#otherBytes = this.#dead.bytes() + this.#dating.bytes() + copies + this.#quarantine.bytes + others;
    } catch {
      // What cannot be seen now is as it was.
    }
    return this.#otherBytes;
  }

  commit(commit: Commit): Committed {
    this.#shelves.unlinkSettled(this.#slotsFrom);
    for (const descriptor of commit.described) this.#descriptors.set(descriptor.id, descriptor);
    this.#leaveSickActive();
    if (commit.maxBytes !== null) {
      this.#limit(commit.maxBytes);
      this.#quarantine.adjust(commit.maxBytes);
    }
    if (this.#active && commit.maxBytes !== null) this.#rollIfDue(this.#active);
    if (commit.dating.length > 0) this.date(commit.dating);
    const active = this.#ensureActive(Math.min(...commit.frames.map((frame) => frame.first)));
    const settled = commit.drops.length === 0 ? this.#settled : withDrops(this.#settled, commit.drops);
    this.#keepUntold();
    this.#guarded(active, () => active.commit(commit, (id) => this.#describe(id), settled));
    // Committed it is. Nothing from here on may throw, or the same frames would be committed again.
    this.#thinning.dropped(commit.drops);
    this.#nextSeq = active.lastSeq + 1;
    this.#unwritten = 0;
    this.#shelves.hasToldMore = false;
    this.#telling.committed(commit.heard);
    this.#commitsSinceSlots += 1;
    if (commit.slots) {
      this.#slotsFrom = active;
      this.#commitsSinceSlots = 0;
    }
    this.#checkpoint(active);
    if (this.#active) this.#rollIfDue(active);
    this.#shelves.unlinkSettled(this.#slotsFrom);
    const hasSlots = this.#active !== null && this.#slotsFrom === this.#active;
    return { ...this.space(), wantsSlots: !hasSlots || this.#commitsSinceSlots >= commitsPerSlots };
  }

  /** Not even the ballast helps. */
  isReadOnly(): boolean {
    return isReadOnly(this.#options.path);
  }

  #limit(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#rollBytes = segmentBytes(maxBytes);
    this.#ballast.shrink(ballastBytes(maxBytes));
  }

  /** May take as long as the disk takes for 16 MB; seldom does anything. */
  keepBallast(): void {
    this.#ballast.keep(ballastBytes(this.#maxBytes));
  }

  /** A write failed: if the disk is full, the ballast goes. True: it is worth another try at once. */
  madeRoomAfter(error: unknown): boolean {
    return this.#ballast.releaseAfter(error);
  }

  settle(lane: number, first: Seq, last: Seq): void {
    this.#settled[lane]?.add(first, last);
    this.#unwritten += last - first + 1;
    // First what makes room: on a full disk the rest may throw.
    this.#shelves.unlinkSettled(this.#slotsFrom);
    if (this.#unwritten > mostUnwrittenSettled) this.writeSettled();
  }

  date(boots: readonly WrongBoot[]): void {
    const rows = boots.map((boot) => joinedRows(this.#boots.get(boot.boot), boot));
    this.#dating.keep(rows);
    this.#noteBoots(rows);
  }

  /** What all of is delivered, and told, is forgotten. */
  #takeDating(): readonly WrongBoot[] {
    const oldest = this.#shelves.all[0]?.firstSeq ?? this.#nextSeq;
    const isDone = ({ over, isBounded }: WrongBoot): boolean => isBounded && over !== null && over < oldest;
    const [done, kept] = [this.#dating.boots.filter(isDone), this.#dating.boots.filter((boot) => !isDone(boot))];
    if (done.length > 0) this.#dating.forget(done.map(({ boot }) => boot));
    this.#noteBoots(kept);
    return kept;
  }

  #noteBoots(boots: readonly WrongBoot[]): void {
    for (const boot of boots) this.#boots.set(boot.boot, boot);
  }

  /** Puts on disk the newest slots of all that was committed or delivered so far. */
  keepSlots(slots: Uint8Array): void {
    this.#leaveSickActive();
    const active = this.#ensureActive(this.#nextSeq);
    this.#guarded(active, () => active.commitSlots(this.#nextSeq - 1, slots));
    this.#slotsFrom = active;
    this.#commitsSinceSlots = 0;
  }

  /** Puts on disk what was settled since the last commit, if anything was. */
  writeSettled(): void {
    if (this.#unwritten === 0 && !this.#shelves.hasToldMore) return;
    this.#leaveSickActive();
    const active = this.#ensureActive(this.#nextSeq);
    this.#keepUntold();
    this.#guarded(active, () => active.commitSettled(this.#settled));
    this.#unwritten = 0;
    this.#shelves.hasToldMore = false;
  }

  read(request: ReadRequest): ReadFrames {
    const found = readBacklog(this.#shelves, this.#thinning.hidden(request.lane), this.#nextSeq - 1, request);
    const last = found.frames.at(-1)?.last;
    if (last !== undefined) this.#thinning.gave(request.lane, last);
    return found;
  }

  /** In steps: whoever drives it lets other calls come between. */
  makeRoom(request: RoomRequest): Generator<undefined, RoomMade> {
    return this.#thinning.makeRoom(request);
  }

  /** A reader could not make sense of a frame. It counts as settled, and its file is kept. */
  tellDamaged(frame: DamagedFrame): void {
    this.#undecodable.note(frame);
    this.settle(frame.lane, frame.first, frame.last);
  }

  /** Of these segments more was told as lost than the files themselves may show. */
  keepFiles(names: ReadonlySet<string>): void {
    for (const shelf of this.#shelves.all) if (names.has(shelf.name)) this.#undecodable.keepFile(shelf);
  }

  reject(letter: DeadLetter): void {
    this.#dead.add(letter);
    this.settle(letter.lane, letter.seq, letter.seq);
  }

  /** `sent`: per lane the last seq that a reader was given in this start. */
  close(sent: readonly Seq[]): void {
    this.#thinning.end();
    this.writeSettled();
    if (this.#active) this.#seal(this.#active);
    this.#shelves.unlinkSettled(this.#slotsFrom);
    this.#undecodable.tell();
    this.#mending.end();
    this.#telling.keepRest();
    this.#shelves.park();
    this.#dead.close();
    this.#dating.close();
    const doubtful = this.#doubtful.map((seq, lane) => Math.max(seq, sent[lane] ?? 0));
    this.#lock.release({ starts: this.#starts, doubtful, floor: this.#nextSeq });
  }

  /** True: people moved files out of the quarantine, or into it. */
  recountQuarantine(): boolean {
    return this.#quarantine.recount();
  }

  get needsMending(): boolean {
    return this.#mending.isNeeded;
  }

  /** One step of what can wait for commits and readers. False: there is nothing to do now. May throw: ask again later. */
  mend(): boolean {
    // A segment that a reader found damaged is written anew: from then on it is another file.
    this.#leaveSickActive();
    const hasMore = this.#mending.step((bytes) => this.space().bytes + bytes <= this.#maxBytes);
    this.#telling.keepRest();
    return hasMore;
  }

  /** What counts as settled without being delivered is kept before a commit says so, or a power cut would take who knows. */
  #keepUntold(): void {
    this.#undecodable.keepRest();
    this.#telling.keepRest();
  }

  /** What was taken away, or found damaged by a reader, is not written to any more. */
  #leaveSickActive(): void {
    const active = this.#active;
    if (active === null) return;
    if (!active.isThere()) this.#shelves.gone(active);
    else if (!active.isDistrusted) return;
    this.#active = null;
  }

  #ensureActive(first: Seq): Shelf {
    if (this.#active) return this.#active;
    const active = Shelf.create(this.#options.path, first, this.#epoch, this.#rollBytes);
    this.#shelves.add(active);
    this.#active = active;
    this.#activeSinceMs = performance.now();
    return active;
  }

  /** A handle that once failed is never used again: what is behind it is unknown until it is opened anew. */
  #guarded(active: Shelf, act: () => void): void {
    try {
      act();
    } catch (error) {
      active.retire();
      this.#active = null;
      // Nothing in it was ever accepted: the new segment will bear the same name.
      if (active.lastSeq < active.firstSeq) this.#shelves.forget(active);
      throw error;
    }
  }

  /** Where it fails, what the file holds is unknown, and the WAL holds it still: both are left to whoever opens them next. */
  #checkpoint(active: Shelf): void {
    try {
      active.checkpointIfDue();
    } catch {
      active.retire();
      this.#active = null;
    }
  }

  #rollIfDue(active: Shelf): void {
    if (active.bytes < this.#rollBytes && performance.now() - this.#activeSinceMs < mostSegmentAgeMs) return;
    this.#seal(active);
  }

  /** One that cannot be sealed (no room, or somebody looks into it) holds all that it held: the next who opens it seals it. */
  #seal(active: Shelf): void {
    this.#active = null;
    try {
      active.seal();
      this.#shelves.listSealed(active);
    } catch {
      active.retire();
    }
  }

  #describe(id: number): Descriptor {
    const descriptor = this.#descriptors.get(id);
    if (!descriptor) throw new RangeError(`descriptor ${id} was never told`);
    return descriptor;
  }
}

/** The name of a start: its count and 40 random bits, so that no two are the same even where the count cannot be kept. */
export function newEpoch(starts: number): string {
  return `${starts}-${randomText()}`;
}

/** 40 random bits in 8 characters that nobody misreads. */
function randomText(): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return Array.from({ length: 8 }, () => alphabet[randomInt(alphabet.length)]).join('');
}
