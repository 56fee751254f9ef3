import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BufferError } from '../agent/errors.ts';
import { streams } from '../agent/reading.ts';
import type { GatewayEvent, Seq } from '../agent/reading.ts';
import { readBacklog, readNewestSlots } from './backlog.ts';
import { datingOnReadOnlyDisk } from './dating/dating-file.ts';
import type { WrongBoot } from './dating/dating.ts';
import { isReadOnly } from './folder.ts';
import { lockOnReadOnlyDisk } from './lock.ts';
import type { DamagedFrame, DeadLetter, Opened, ReadFrames, ReadRequest, Space, StoreOptions } from './protocol.ts';
import { quarantineFolder } from './damage/quarantine.ts';
import { Settled } from './ranges.ts';
import { seqsAhead } from './segments/segment-files.ts';
import type { Shelf } from './segments/shelf.ts';
import { Shelves } from './segments/shelves.ts';
import { newEpoch, Store } from './store.ts';
import { Telling } from './damage/telling.ts';

/** Dead letters may take so much of memory. */
const mostLetterBytes = 4 * 1024 * 1024;

/**
 * The buffer of a start on a read-only file system. Writes nothing. What lies there is read as it lies, WALs played back in memory; what comes meanwhile
 * is sent from memory, under an epoch of its own and behind all numbers that may be in use. What was settled, dated and refused is known here alone until
 * the disk can be written: then the store takes it over.
 */
export class ReadOnlyStart {
  readonly #options: StoreOptions;
  readonly #telling: Telling;
  readonly #hasOwner: boolean;
  readonly #epoch: string;
  readonly #shelves: Shelves;
  /** The newest number that lies there. */
  readonly #newest: Seq;
  readonly #nextSeq: Seq;
  /** Of what lies there. */
  readonly #settled: readonly Settled[] = streams.map(() => new Settled());
  /** Of what came since: none of it is on disk. */
  readonly #delivered: readonly Settled[] = streams.map(() => new Settled());
  /** What the files of dates say; null: what they say cannot be told now. */
  readonly #onDisk: readonly WrongBoot[] | null;
  readonly #dated = new Map<string, WrongBoot>();
  readonly #letters: DeadLetter[] = [];
  #letterBytes = 0;
  /** Segments of which frames could not be decoded. */
  readonly #undecodable = new Set<string>();

  /** Throws BufferError: `BUFFER_IN_USE`, `SEGMENT_UNREACHABLE`. */
  constructor(options: StoreOptions, tell: (event: GatewayEvent) => void) {
    const { path } = options;
    this.#options = options;
    this.#telling = new Telling(tell);
    const lock = lockOnReadOnlyDisk(path);
    this.#shelves = new Shelves(path, nowhere(path), this.#settled, (event) => this.#telling.tell(event), true);
    const isThere = existsSync(path);
    const starts = isThere ? this.#shelves.starts() : 0;
    const isClean = lock?.clean === true && lock.starts >= starts;
    if (isThere) this.#shelves.takeStock(isClean ? lock.floor - 1 : null);
    this.#hasOwner = lock !== undefined || this.#shelves.all.length > 0;
    this.#epoch = newEpoch(Math.max(lock?.starts ?? 0, starts) + 1);
    const ends = [...this.#shelves.all.map(({ lastSeq }) => lastSeq), ...this.#settled.map(({ last }) => last)];
    this.#newest = Math.max(0, (lock?.floor ?? 0) - 1, ...ends);
    this.#nextSeq = this.#newest + 1 + seqsAhead;
    this.#onDisk = datingOnReadOnlyDisk(path);
  }

  opened(): Opened {
    const { slots, slotFrames } = readNewestSlots(this.#shelves, this.#onDisk ?? []);
    return {
      before: this.#hasOwner ? 'unclean' : 'none',
      isReadOnly: true,
      isDatingKnown: this.#onDisk !== null,
      epoch: this.#epoch,
      nextSeq: this.#nextSeq,
      // A start like this one may have sent any of it, and left no trace.
      doubtful: streams.map(() => this.#nextSeq - 1),
      dating: this.#onDisk ?? [],
      slots,
      slotFrames,
      ...this.space(),
    };
  }

  /** What lies on the disk. */
  space(): Space {
    const { all } = this.#shelves;
    const boots = new Map([...(this.#onDisk ?? []).map((boot) => [boot.boot, boot] as const), ...this.#dated]);
    return {
      bytes: all.reduce((sum, shelf) => sum + shelf.bytes, 0),
      quarantineBytes: 0,
      segments: all.length,
      ...this.#shelves.waiting(boots.values()),
      writtenBytes: null,
    };
  }

  read(request: ReadRequest): ReadFrames {
    const settled = this.#settled[request.lane] ?? new Settled();
    return readBacklog(this.#shelves, settled, this.#nextSeq - 1, request);
  }

  settle(lane: number, first: Seq, last: Seq): void {
    if (first <= this.#newest) this.#settled[lane]?.add(first, Math.min(last, this.#newest));
    if (last >= this.#nextSeq) this.#delivered[lane]?.add(Math.max(first, this.#nextSeq), last);
  }

  /** A reader could not make sense of a frame: it counts as settled, and its file is kept. */
  tellDamaged(frame: DamagedFrame): void {
    const { lane, segment, first, last, why } = frame;
    this.#undecodable.add(segment);
    const count = this.#shelves.countOf(frame);
    this.#shelves.tellLost(lane, first, last, count, `frames in segment ${segment} cannot be decoded (${why})`);
    this.settle(lane, first, last);
  }

  /** On disk before what is dated by it. */
  date(boots: readonly WrongBoot[]): void {
    for (const boot of boots) this.#dated.set(boot.boot, boot);
  }

  /** In the dead letters before it counts as settled on disk. Until then a power cut takes the letter, and the entry comes again if it lies there. */
  reject(letter: DeadLetter): void {
    const bytes = 2 * (letter.key.length + (letter.value?.length ?? 0) + letter.reason.length);
    if (this.#letterBytes + bytes > mostLetterBytes)
      throw new BufferError(
        'READ_ONLY',
        `${this.#letters.length} refused records wait in memory for the disk at ${this.#options.path}, which is read-only`,
      );
    this.#letters.push(letter);
    this.#letterBytes += bytes;
    this.settle(letter.lane, letter.seq, letter.seq);
  }

  /** The store itself, under the same epoch. Throws as long as the disk cannot be written. */
  become(): Store {
    const { path } = this.#options;
    if (isReadOnly(path)) throw new BufferError('READ_ONLY', `the file system of ${path} is read-only`);
    this.#shelves.park();
    const isHarmed = ({ isDistrusted, name }: Shelf): boolean => isDistrusted || this.#undecodable.has(name);
    const harmed = new Set(this.#shelves.all.filter(isHarmed).map(({ name }) => name));
    // What was told is not told again.
    const as = { epoch: this.#epoch, nextSeq: this.#nextSeq, settled: this.#settled };
    const store = new Store({ ...this.#options, as }, this.#telling);
    // What was told of them says that they are kept; to the store they may look sound, and all of them delivered.
    store.keepFiles(harmed);
    store.opened();
    store.date([...this.#dated.values()]);
    for (const letter of this.#letters) store.reject(letter);
    for (const [lane, { ranges }] of this.#delivered.entries())
      for (const { first, last } of ranges) store.settle(lane, first, last);
    return store;
  }
}

/** Nothing can be put aside. */
function nowhere(folder: string): ConstructorParameters<typeof Shelves>[1] {
  return {
    folder: join(folder, quarantineFolder),
    take: () => {
      throw new BufferError('READ_ONLY', 'its file system is read-only');
    },
  };
}
