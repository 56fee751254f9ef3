import { existsSync, readdirSync, rmSync } from 'node:fs';
import { BufferError, messageOf } from '../../agent/errors.ts';
import { streams } from '../../agent/reading.ts';
import type { GatewayEvent, Seq } from '../../agent/reading.ts';
import { lostEvent, missingEvent, openEndEvent, removedEvent, unreadableEvent } from '../damage/damage-events.ts';
import { heldFromIn } from '../dating/dating.ts';
import type { WrongBoot } from '../dating/dating.ts';
import { removedByOthers } from '../damage/gaps.ts';
import { waitsForDate } from '../protocol.ts';
import type { DamagedFrame, Described, Space } from '../protocol.ts';
import type { Quarantine } from '../damage/quarantine.ts';
import type { Settled } from '../ranges.ts';
import { SealedList } from './sealed-list.ts';
import type { SealedFacts } from './sealed-list.ts';
import type { Extent } from './segment-format.ts';
import { endOf } from './extents.ts';
import { endBefore, fileTails, parseSegmentName } from './segment-files.ts';
import { isDamage, isSalvageable, isUnreadable, mayPass } from './segment-errors.ts';
import { Shelf } from './shelf.ts';
import { Untold } from '../damage/untold.ts';
import { examineBefore, walEvents } from '../damage/wal-damage.ts';
import type { WalDamage } from '../damage/wal-damage.ts';

/** Segments whose handle and index stay open for readers: one a lane, about. */
const mostOpen = streams.length;

/**
 * All segments of a buffer, in order of age. A segment that fails never fails another: what cannot be read goes aside, undamaged, for people
 * and later tools, and what it should have given is told as loss.
 */
export class Shelves {
  readonly #folder: string;
  readonly #quarantine: Pick<Quarantine, 'folder' | 'take'>;
  readonly #isReadOnly: boolean;
  readonly #sealed: SealedList;
  readonly #tell: (event: GatewayEvent) => void;
  readonly #settled: readonly Settled[];
  /** Damage of WALs by segment, from before SQLite opens the file: that takes every trace of it away. */
  readonly #untold: Untold<WalDamage>;
  #all: Shelf[] = [];
  /** Something counts as settled that no segment says yet. */
  hasToldMore = false;
  /** With an open handle, the one used last at the end. */
  #inUse: Shelf[] = [];

  /**
   * `settled`: of every lane; read here, and filled with what the segments of earlier starts know. `isReadOnly`: nothing can be written in the folder, so all
   * stays as it lies there.
   */
  constructor(
    folder: string,
    quarantine: Pick<Quarantine, 'folder' | 'take'>,
    settled: readonly Settled[],
    tell: (event: GatewayEvent) => void,
    isReadOnly = false,
  ) {
    this.#folder = folder;
    this.#sealed = new SealedList(folder);
    this.#quarantine = quarantine;
    this.#settled = settled;
    this.#untold = new Untold(folder, 'untold.json');
    this.#tell = tell;
    this.#isReadOnly = isReadOnly;
  }

  get all(): readonly Shelf[] {
    return this.#all;
  }

  /** The most starts that any segment's name tells of. */
  starts(): number {
    return Math.max(0, ...readdirSync(this.#folder).map((name) => parseSegmentName(name)?.starts ?? 0));
  }

  /**
   * Takes over what earlier starts left: each segment is recovered, sealed, and asked what it knows to be settled. Damaged ones are examined later, by
   * `Mending` or when a reader comes to them, but for the newest, which tells where the sequence goes on. `end`: the last seq of all, if the end before told it.
   */
  takeStock(end: Seq | null): void {
    const listed = this.#sealed.read();
    const files = readdirSync(this.#folder);
    const beside = new Set(files.filter((name) => /-(wal|journal)$/.test(name)));
    const names = files
      .map((name) => ({ name, parsed: parseSegmentName(name) }))
      .filter(({ parsed }) => parsed !== null)
      .toSorted(
        (a, b) => (a.parsed?.first ?? 0) - (b.parsed?.first ?? 0) || (a.parsed?.starts ?? 0) - (b.parsed?.starts ?? 0),
      );
    const shelves = names.map(({ name }) => new Shelf(this.#folder, name, this.#isReadOnly));
    const untold = this.#untold.found();
    // The newest is asked what is settled in any case, and what has something beside it is looked at.
    const known = names.map(({ name }, at) => {
      const isAlone = !beside.has(`${name}-wal`) && !beside.has(`${name}-journal`);
      const shelf = shelves[at];
      const isKnown = at < names.length - 1 && isAlone && shelf !== undefined && !untold.has(shelf.name);
      return isKnown ? listed.of(shelf.file, shelf.name) : null;
    });
    const unlisted = shelves.filter((_, at) => known[at] === null);
    const damaged = this.#damagedWals(unlisted, untold);
    // Of a segment of which nothing was left not even the file is there.
    const gone = [...untold].filter(([name]) => shelves.every((shelf) => shelf.name !== name));
    const wals = gone.map(([name, damage]) => () => {
      this.#tellWal(new Shelf(this.#folder, `${name}.db`, this.#isReadOnly), damage, null);
    });
    for (const [at, shelf] of shelves.entries()) {
      const [parsed, next] = [names[at]?.parsed, names[at + 1]?.parsed];
      shelf.knownEnd = parsed && next ? endBefore(next, parsed) : end;
      const facts = known[at] ?? null;
      if (facts !== null) {
        shelf.take(facts);
        this.#all.push(shelf);
        continue;
      }
      const damage = damaged.get(shelf.name);
      shelf.isDamaged = damage?.wal.verdict === 'damaged';
      const isNewest = next === undefined;
      this.#takeStockOf(shelf, isNewest, isNewest ? listed.once(shelf.name) : null);
      if (damage !== undefined)
        wals.push(() => {
          // Where the next one is of another start, its numbers may be those that the WAL lost; and what a start knew of the end that did not come to tell.
          const isOfLast = next === undefined && !untold.has(shelf.name);
          const isEndKnown = isOfLast || next?.epoch === parsed?.epoch || shelf.isWholeBySummary;
          this.#tellWal(shelf, damage, isEndKnown ? shelf.knownEnd : null);
        });
    }
    for (const shelf of this.#all.toReversed()) if (shelf.isExamined && this.#asksSettled(shelf)) break;
    const newest = this.#all.at(-1);
    if (newest?.isExamined === false) this.#askNow(newest, () => undefined);
    for (const tell of wals) tell();
    if (!this.#isReadOnly) this.#untold.forget();
    this.listSealed(...unlisted);
    if (end !== null) this.#tellRemoved(end);
  }

  /** Of all segments, before SQLite opens any; on disk until it is told. */
  #damagedWals(shelves: readonly Shelf[], untold: ReadonlyMap<string, WalDamage>): ReadonlyMap<string, WalDamage> {
    const damaged = new Map(untold);
    for (const shelf of shelves) {
      const damage = shelf.needsNoWal() ? null : examineBefore(shelf.file, this.#quarantine.folder);
      if (damage !== null) damaged.set(shelf.name, damage);
    }
    if (damaged.size > 0 && !this.#isReadOnly) this.#untold.keep(damaged);
    return damaged;
  }

  /** The next start need not open them. */
  listSealed(...shelves: readonly Shelf[]): void {
    if (this.#isReadOnly) return;
    const sealed = shelves.flatMap((shelf) => (this.#all.includes(shelf) ? (shelf.sealedFacts() ?? []) : []));
    if (sealed.length > 0)
      this.#sealed.note(
        sealed,
        this.#all.map(({ name }) => name),
      );
  }

  /** Of the list that saves a start the opening of all. */
  get listBytes(): number {
    return this.#sealed.bytes;
  }

  #tellRemoved(end: Seq): void {
    const segments = this.#all.map(({ firstSeq: first, lastSeq: last }) => ({ first, last }));
    for (const range of removedByOthers(segments, end, this.#settled)) {
      this.#tell(removedEvent(range, this.#folder));
      this.#countAsTold(range.first, range.last);
    }
  }

  /** Numbers that no segment carries any more are not told again: they count as settled in every lane, on disk with the next commit. */
  #countAsTold(first: Seq, last: Seq): void {
    for (const lane of this.#settled) lane.add(first, last);
    this.hasToldMore = true;
  }

  add(shelf: Shelf): void {
    this.#all.push(shelf);
  }

  forget(shelf: Shelf): void {
    this.#all = this.#all.filter((one) => one !== shelf);
  }

  /**
   * What `use` gives, or undefined when the segment turns out to be damaged, which has then been told, as has damage to parts of it. Throws what
   * may pass: then nothing has changed, and it can be asked again.
   */
  use<T>(shelf: Shelf, use: () => T): T | undefined {
    this.#inUse = [...this.#inUse.filter((one) => one !== shelf), shelf];
    // The least recently used are parked: a reader of a backlog must not open its segment anew for every batch.
    for (const one of this.#inUse.slice(0, -mostOpen)) if (one.isSealed) one.park();
    this.#inUse = this.#inUse.slice(-mostOpen);
    const wasUnexamined = !shelf.isExamined;
    try {
      if (wasUnexamined) this.#examine(shelf);
      const given = use();
      shelf.hasWorked();
      return given;
    } catch (error) {
      shelf.park();
      // A file that was removed does not come back by waiting.
      const isWorn = shelf.hasFailedOften(error);
      if (!isDamage(error) && !isWorn && existsSync(shelf.file)) throw error;
      if (!shelf.isDistrusted && (isWorn || isSalvageable(error))) shelf.distrust();
      // Also where more of it is lost than when it was examined.
      if (shelf.isDistrusted && !shelf.isExamined && !wasUnexamined) return this.use(shelf, use);
      this.#giveUp(shelf, error);
      return undefined;
    }
  }

  /** Its file was removed or replaced while it was written. */
  gone(shelf: Shelf): void {
    shelf.retire();
    this.#giveUp(
      shelf,
      new BufferError('SEGMENT_GONE', 'its file was removed or replaced while the daemon was writing to it'),
    );
  }

  /**
   * Space comes back only by unlinking whole segments: those before `guard` with nothing unsettled. Never throws: what cannot be
   * unlinked now is tried again with the next.
   */
  unlinkSettled(guard: Shelf | null): void {
    const before = guard === null ? 0 : this.#all.indexOf(guard);
    for (const shelf of this.#all.slice(0, Math.max(0, before))) {
      if (!shelf.isCondemned && !shelf.isSettled(this.#settled)) continue;
      shelf.park();
      try {
        // Nothing goes on the word of a list.
        if (!shelf.isCondemned) shelf.confirm();
        if (shelf.isDamaged || shelf.isDistrusted || shelf.isCondemned) this.#quarantine.take(shelf.file);
        else for (const tail of fileTails) rmSync(shelf.file + tail, { force: true });
        this.forget(shelf);
      } catch {
        // It stays on the list.
      }
    }
  }

  /**
   * Descriptors of a segment behind row `after`. Their numbers are of the epoch: those which a damaged segment has lost its neighbours may carry.
   */
  descriptors(shelf: Shelf, after: number): Described {
    const own = shelf.descriptors(after);
    if (!shelf.isDistrusted || (own.packed.length === 0 && own.last === after)) return own;
    const at = this.#all.indexOf(shelf);
    const borrowed = [this.#all[at - 1], this.#all[at + 1]].flatMap((neighbour) =>
      neighbour?.epoch === shelf.epoch && neighbour.isExamined ? this.#borrowed(neighbour) : [],
    );
    return { ...own, packed: [...borrowed, ...own.packed] };
  }

  #borrowed(neighbour: Shelf): readonly Uint8Array[] {
    try {
      return neighbour.descriptors(0).packed;
    } catch {
      // Whoever reads its entries meets the same and deals with it.
      return [];
    } finally {
      if (neighbour.isSealed && !this.#inUse.includes(neighbour)) neighbour.park();
    }
  }

  /** It was sound when the segment was examined. Told once, whoever comes to it again. */
  tellFrameLost(shelf: Shelf, lane: number, frame: Extent): void {
    const { first, last, count } = frame;
    if (shelf.noteLost(lane, frame)) this.tellLost(lane, first, last, count, `a frame in ${shelf.file} is damaged`);
  }

  tellLost(lane: number, first: Seq, last: Seq, count: number, why: string): void {
    this.#tell(lostEvent(lane, first, last, count, why));
  }

  /** Per lane what is not delivered yet, and what of it waits for its date. */
  waiting(boots: Iterable<WrongBoot>): Pick<Space, 'waiting' | 'held'> {
    const heldFrom = heldFromIn(boots);
    const count = (lane: number, settled: Settled, from?: Seq): number =>
      this.#all.reduce((sum, shelf) => sum + shelf.waiting(lane, settled, from), 0);
    return {
      waiting: this.#settled.map((settled, lane) => count(lane, settled)),
      held: this.#settled.map((settled, lane) =>
        heldFrom === Infinity || !waitsForDate(lane) ? 0 : count(lane, settled, heldFrom),
      ),
    };
  }

  /** Entries of the frame that begins with `first`; where nobody can say it now, the most that they can be. */
  countOf({ segment, lane, first, last }: DamagedFrame): number {
    const shelf = this.#all.find(({ name }) => name === segment);
    try {
      return (shelf && this.use(shelf, () => shelf.countAt(lane, first))) ?? last - first + 1;
    } catch {
      // Whoever tells of the frame is not asked again.
      return last - first + 1;
    }
  }

  /** Lets go of all handles. */
  park(): void {
    for (const shelf of this.#all) shelf.park();
  }

  /** `lastSeq`: where the segment ended, if the next one goes on in its epoch. */
  #tellWal(shelf: Shelf, damage: WalDamage, lastSeq: Seq | null): void {
    // Where nothing is known of it, `lastSeq` is the most that it can be.
    const firstSeq = shelf.writtenEnd === null ? shelf.firstSeq : shelf.lastSeq + 1;
    // All is there that ever was.
    if (lastSeq !== null && lastSeq < firstSeq) return;
    const readMs = this.#all.includes(shelf) ? shelf.lastCommitMs() : null;
    for (const event of walEvents(damage, shelf, { firstSeq, lastSeq, readMs })) this.#tell(event);
  }

  /** `once`: of the newest what the list said when it was sealed. */
  #takeStockOf(shelf: Shelf, isNewest: boolean, once: SealedFacts | null): void {
    try {
      shelf.stock();
      this.#all.push(shelf);
      this.use(shelf, () => undefined);
    } catch (error) {
      shelf.park();
      // A kill between the making of a file and its first commit leaves an empty one. What a WAL beside it held has been copied, and is told.
      const isEmpty = error instanceof BufferError && error.code === 'EMPTY_SEGMENT';
      const isRuin = isEmpty && isNewest && once === null;
      if (once !== null) shelf.knownEnd ??= endOf(once.lanes);
      if (isRuin && (shelf.knownEnd ?? 0) < shelf.firstSeq) {
        if (!this.#isReadOnly) for (const tail of fileTails) rmSync(shelf.file + tail, { force: true });
      } else if (isSalvageable(error) || isUnreadable(error)) {
        shelf.distrust();
        this.#all.push(shelf);
      } else {
        this.#setAside(shelf, error);
      }
    }
  }

  /** What the disk does not give now is asked again later; undefined then. For a newest segment that cannot be examined the sequence goes on far behind it. */
  #askNow<T>(shelf: Shelf, ask: () => T): T | undefined {
    try {
      return this.use(shelf, ask);
    } catch (error) {
      if (mayPass(error, shelf.file)) throw unreachable(shelf, error);
      return undefined;
    }
  }

  /** Positions only grow, so the newest segment that tells them tells all. False: this one tells nothing. */
  #asksSettled(shelf: Shelf): boolean {
    return this.#askNow(shelf, () => this.#learnSettled(shelf)) === true;
  }

  #learnSettled(shelf: Shelf): boolean {
    const told = shelf.settled();
    for (const found of told) for (const [lane, settled] of found.entries()) this.#settled[lane]?.addAll(settled);
    return told.length > 0;
  }

  #examine(shelf: Shelf): void {
    this.#learnSettled(shelf);
    const { missing, openFrom, lostFrom } = shelf.examine(this.#settled);
    for (const one of missing) this.#tell(missingEvent(shelf, one, 'is damaged; the rest of it is sent'));
    if (lostFrom !== null) this.#countAsTold(lostFrom, shelf.lastSeq);
    if (openFrom === null) return;
    this.#tell(openEndEvent(shelf, openFrom));
    // It could not be read when the start looked for where the sequence goes on: far behind it.
    const next = this.#all[this.#all.indexOf(shelf) + 1];
    if (next) this.#countAsTold(openFrom, next.firstSeq - 1);
  }

  /** At a start: its content is unknown, so it must leave the folder, or it would be passed over and count as settled. */
  #setAside(shelf: Shelf, error: unknown): void {
    if (mayPass(error, shelf.file)) throw unreachable(shelf, error);
    this.#giveUp(shelf, error);
    if (shelf.isCondemned && !this.#isReadOnly) throw unreachable(shelf, error);
  }

  #giveUp(shelf: Shelf, error: unknown): void {
    shelf.park();
    for (const one of shelf.allMissing(this.#settled)) this.#tell(missingEvent(shelf, one, 'cannot be read'));
    if (shelf.writtenEnd === null) this.#tell(openEndEvent(shelf, shelf.firstSeq));
    let place: string;
    try {
      place = `was moved to ${this.#quarantine.take(shelf.file)}`;
      this.forget(shelf);
    } catch (moveError) {
      // Kept on the list until it can be moved: a file that only counts as settled would be unlinked.
      shelf.isCondemned = true;
      place = `stays at ${shelf.file} (${messageOf(moveError)})`;
    }
    this.#tell(unreadableEvent(shelf, place, messageOf(error)));
    const last = shelf.writtenEnd ?? 0;
    if (!shelf.isCondemned && last >= shelf.firstSeq) this.#countAsTold(shelf.firstSeq, last);
  }
}

function unreachable(shelf: Shelf, cause: unknown): BufferError {
  const text = `${shelf.file} cannot be opened now (${messageOf(cause)}); it may hold readings that are not delivered yet. Mend the disk, or the limit of open files, and start again.`;
  return new BufferError('SEGMENT_UNREACHABLE', text, { cause });
}
