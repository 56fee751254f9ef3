import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BufferError, messageOf } from '../agent/errors.ts';
import { streams } from '../agent/reading.ts';
import type { GatewayEvent, Seq } from '../agent/reading.ts';
import { isAtRest } from './at-rest.ts';
import { streamOf } from './protocol.ts';
import type { Settled } from './ranges.ts';
import { fileTails, isDamage, parseSegmentName, syncFolder } from './segment.ts';
import { Shelf } from './shelf.ts';
import { examineBefore, walEvents } from './wal-damage.ts';
import type { WalDamage } from './wal-damage.ts';

/** Segments whose handle and index stay open for readers: one a lane, about. */
const mostOpen = streams.length;

/**
 * All segments of a buffer, in order of age. A segment that fails never fails another: what cannot be read goes aside, undamaged, for people
 * and later tools, and what it should have given is told as loss.
 */
export class Shelves {
  readonly #folder: string;
  readonly #tell: (event: GatewayEvent) => void;
  readonly #settled: readonly Settled[];
  #all: Shelf[] = [];
  /** With an open handle, the one used last at the end. */
  #inUse: Shelf[] = [];

  /** `settled`: of every lane; read here, and filled with what the segments of earlier starts know. */
  constructor(folder: string, settled: readonly Settled[], tell: (event: GatewayEvent) => void) {
    this.#folder = folder;
    this.#settled = settled;
    this.#tell = tell;
  }

  get all(): readonly Shelf[] {
    return this.#all;
  }

  /** The most starts that any segment's name tells of. */
  starts(): number {
    return Math.max(0, ...readdirSync(this.#folder).map((name) => parseSegmentName(name)?.starts ?? 0));
  }

  /** Takes over what earlier starts left: each segment is recovered, sealed, and asked what it knows to be settled. */
  takeStock(): void {
    const names = readdirSync(this.#folder)
      .map((name) => ({ name, parsed: parseSegmentName(name) }))
      .filter(({ parsed }) => parsed !== null)
      .toSorted(
        (a, b) => (a.parsed?.first ?? 0) - (b.parsed?.first ?? 0) || (a.parsed?.starts ?? 0) - (b.parsed?.starts ?? 0),
      );
    for (const [at, { name, parsed }] of names.entries()) {
      const next = names[at + 1]?.parsed;
      const shelf = new Shelf(this.#folder, name);
      const damage = isAtRest(shelf.file) ? null : examineBefore(shelf.file, this.#quarantineFolder());
      shelf.isDamaged = damage?.wal.verdict === 'damaged';
      this.#takeStockOf(shelf, next === undefined);
      if (damage !== null) this.#tellWal(shelf, damage, next?.epoch === parsed?.epoch ? (next?.first ?? 0) - 1 : null);
    }
    for (const shelf of this.#all.toReversed()) if (this.#learnSettled(shelf)) break;
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
    try {
      const given = use();
      this.#tellDamage(shelf);
      return given;
    } catch (error) {
      shelf.park();
      // A file that was removed does not come back by waiting.
      if (!isDamage(error) && existsSync(shelf.file)) throw error;
      this.#quarantine(shelf, error);
      return undefined;
    }
  }

  /** Its file was removed or replaced while it was written. */
  gone(shelf: Shelf): void {
    shelf.retire();
    this.#quarantine(
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
        if (shelf.isDamaged || shelf.isCondemned) this.#moveAside(shelf);
        else for (const tail of fileTails) rmSync(shelf.file + tail, { force: true });
        this.forget(shelf);
      } catch {
        // It stays on the list.
      }
    }
  }

  tellLost(lane: number, first: Seq, last: Seq, count: number, why: string): void {
    const stream = streamOf(lane);
    this.#tell({
      event: 'loss',
      severity: 'error',
      message: `Up to ${count} entries of ${stream} are lost: ${why}.`,
      facts: { stream, firstSeq: first, lastSeq: last, count, reason: why },
    });
  }

  park(): void {
    for (const shelf of this.#all) shelf.park();
  }

  /** `lastSeq`: where the segment ended, if the next one goes on in its epoch. */
  #tellWal(shelf: Shelf, damage: WalDamage, lastSeq: Seq | null): void {
    const firstSeq = shelf.lastSeq + 1;
    // All is there that ever was.
    if (lastSeq !== null && lastSeq < firstSeq) return;
    const readMs = this.#all.includes(shelf) ? shelf.lastCommitMs() : null;
    for (const event of walEvents(damage, shelf, { firstSeq, lastSeq, readMs })) this.#tell(event);
  }

  #takeStockOf(shelf: Shelf, isNewest: boolean): void {
    try {
      shelf.stock();
      this.#all.push(shelf);
      this.use(shelf, () => undefined);
    } catch (error) {
      // A kill between the making of a file and its first commit leaves an empty one. What a WAL beside it held has been copied, and is told.
      const isRuin = isNewest && error instanceof BufferError && error.code === 'EMPTY_SEGMENT';
      if (isRuin) for (const tail of fileTails) rmSync(shelf.file + tail, { force: true });
      else this.#setAside(shelf, error);
    }
  }

  /** Positions only grow, so the newest segment that tells them tells all. False: this one tells nothing. */
  #learnSettled(shelf: Shelf): boolean {
    try {
      const told = this.use(shelf, () => shelf.settled()) ?? [];
      for (const found of told)
        for (const [lane, settled] of found.entries()) {
          this.#settled[lane]?.add(1, settled.position);
          for (const range of settled.ranges) this.#settled[lane]?.add(range.first, range.last);
        }
      return told.length > 0;
    } catch (error) {
      throw mayPass(error) ? unreachable(shelf, error) : error;
    }
  }

  /** At a start: its content is unknown, so it must leave the folder, or it would be passed over and count as settled. */
  #setAside(shelf: Shelf, error: unknown): void {
    if (mayPass(error)) throw unreachable(shelf, error);
    this.#quarantine(shelf, error);
    if (shelf.isCondemned) throw unreachable(shelf, error);
  }

  #quarantine(shelf: Shelf, error: unknown): void {
    shelf.park();
    let place: string;
    try {
      place = `was moved to ${this.#moveAside(shelf)}`;
      this.forget(shelf);
    } catch (moveError) {
      // Kept on the list until it can be moved: a file that only counts as settled would be unlinked.
      shelf.isCondemned = true;
      place = `stays at ${shelf.file} (${messageOf(moveError)})`;
    }
    this.#tell({
      event: 'quarantine',
      severity: 'error',
      message: `Buffer segment ${shelf.name} cannot be read and ${place}: ${messageOf(error)}. Keep the file: its readings may be recoverable.`,
      facts: { segment: shelf.name, firstSeq: shelf.firstSeq, lastSeq: shelf.lastSeq },
    });
    for (const [lane, extent] of shelf.lanes.entries())
      if (extent && this.#settled[lane]?.covers(extent.first, extent.last) === false)
        this.tellLost(lane, extent.first, extent.last, extent.count, `segment ${shelf.name} cannot be read`);
  }

  #moveAside(shelf: Shelf): string {
    const folder = this.#quarantineFolder();
    mkdirSync(folder, { recursive: true });
    const there = readdirSync(this.#folder);
    // A copy holds more: it was made before SQLite dropped what it could not play back.
    const hasCopy = existsSync(join(folder, `${shelf.name}.db`));
    for (const tail of fileTails)
      if (there.includes(`${shelf.name}.db${tail}`)) {
        if (hasCopy) rmSync(shelf.file + tail, { force: true });
        else renameSync(shelf.file + tail, join(folder, `${shelf.name}.db${tail}`));
      }
    syncFolder(this.#folder);
    return folder;
  }

  #quarantineFolder(): string {
    return join(this.#folder, 'quarantine');
  }

  #tellDamage(shelf: Shelf): void {
    for (const { lane, frames, entries, firstSeq, lastSeq } of shelf.takeDamage()) {
      const stream = lane === null ? null : streamOf(lane);
      const what = stream === null ? `${frames} frames` : `${entries} entries of ${stream}`;
      this.#tell({
        event: 'loss',
        severity: 'error',
        message: `${what} in buffer segment ${shelf.name} are damaged and lost. The file will be kept in the folder quarantine.`,
        facts: { stream, frames, count: entries, segment: shelf.name, firstSeq, lastSeq },
      });
    }
  }
}

/** No room, no memory, somebody else's lock: the next start may find it gone. */
function mayPass(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^SQLITE_(FULL|BUSY|NOMEM|LOCKED)/.test(String(error.code));
}

function unreachable(shelf: Shelf, cause: unknown): BufferError {
  const text = `${shelf.file} cannot be opened now (${messageOf(cause)}); it may hold readings that are not delivered yet. Mend the disk, or the limit of open files, and start again.`;
  return new BufferError('SEGMENT_UNREACHABLE', text, { cause });
}
