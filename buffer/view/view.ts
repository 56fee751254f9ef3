import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BufferError, messageOf } from '../../agent/errors.ts';
import type { Kept, PointInfo, Seq } from '../../agent/reading.ts';
import { streams } from '../../agent/reading.ts';
import { isAtRest } from '../segments/at-rest.ts';
import { ballastFile } from '../room/ballast.ts';
import { datingIn } from '../dating/dating-file.ts';
import { Dating } from '../dating/dating.ts';
import { deadLettersFile, lettersIn } from '../dead-letters.ts';
import type { KeptLetter } from '../dead-letters.ts';
import { decodeFrame } from '../frames/frame.ts';
import type { Dates } from '../frames/frame.ts';
import { Points } from '../frames/points.ts';
import { streamOf } from '../protocol.ts';
import { quarantineFolder } from '../damage/quarantine.ts';
import { Settled } from '../ranges.ts';
import { parseSegmentName, sizeOf } from '../segments/segment-files.ts';
import { SegmentFile } from '../segments/segment.ts';
import { sealedIn, wasSealed } from '../segments/sealed-list.ts';
import type { ListedSegment, SealedLooker } from '../segments/sealed-list.ts';
import { isMissing, stableCopy } from '../segments/stable-copy.ts';
import { lookAtWal } from '../damage/wal-look.ts';
import type { WalFindings } from '../damage/wal.ts';

export interface ViewedSegment {
  /** `000000000001-1-k3v9q0za`, as CRCs name it. */
  readonly name: string;
  readonly file: string;
  readonly epoch: string;
  readonly firstSeq: Seq;
  readonly bytes: number;
  /** Nobody writes to it any more. */
  readonly isSealed: boolean;
  /** What the list of sealed segments says of it, which was believed; null: the file itself was opened. */
  readonly listed: ListedSegment | null;
}

/** An open segment, with what decoding its frames needs. */
export interface OpenSegment {
  readonly file: SegmentFile;
  /** Throws RangeError (or zlib's error) for a frame that cannot be decoded. */
  readonly decode: (frame: { readonly lane: number; readonly body: Uint8Array }) => Kept[];
}

/**
 * Looks into a buffer without owning it: while the daemon runs, after a crash, on a read-only card. It writes nothing into the folder and takes no
 * lock that an owner could notice. Sealed segments are opened read-only; what is still written to, or was when the power went, is copied to the
 * temporary folder, and the copy is opened. `lock.db` is never touched. One segment is open at a time, so memory stays flat.
 * What it sees is the disk: deliveries of the last half minute may still count as waiting.
 */
export class BufferView {
  readonly folder: string;
  /** Oldest first. */
  readonly segments: readonly ViewedSegment[];
  /** Per lane, as all segments together tell it. */
  readonly settled: readonly Settled[] = streams.map(() => new Settled());
  /** Segments that cannot be opened, and why. Nothing else is known of them. */
  readonly unreadable: readonly { readonly segment: string; readonly why: string }[];
  /** Segments whose WAL cannot be played back whole, those that cannot be opened among them. */
  readonly wals: readonly { readonly segment: string; readonly wal: WalFindings }[];
  /** Readings from here on wait for their date; null: none does. */
  readonly heldFrom: Seq | null;
  readonly #dates: Dates;
  readonly #points = new Points();
  readonly #copies = new Map<string, string>();
  #temporary: string | null = null;

  /**
   * null: no daemon has run with this folder yet. Throws BufferError: `NOT_A_BUFFER`, `NO_ACCESS`. `isQuick`: sealed segments are not opened where their list
   * tells what they hold; damage that their disk has done to them since is not seen then.
   */
  static open(folder: string, { isQuick = false } = {}): BufferView | null {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch (error) {
      if (isMissing(error)) return null;
      throw noAccess(folder, error);
    }
    if (names.length === 0) return null;
    if (!names.some((name) => name === 'lock.db' || parseSegmentName(name) !== null))
      throw new BufferError(
        'NOT_A_BUFFER',
        `${folder} is no buffer: it holds neither lock.db nor a segment; name the folder that "buffer.path" names, normally STATEDIR/buffer`,
      );
    return new BufferView(folder, names, isQuick ? sealedIn(folder) : () => null);
  }

  private constructor(folder: string, names: readonly string[], listed: SealedLooker) {
    this.folder = folder;
    const unreadable: { segment: string; why: string }[] = [];
    this.unreadable = unreadable;
    const wals: { segment: string; wal: WalFindings }[] = [];
    this.wals = wals;
    const empty = new Set<string>();
    try {
      const dating = this.#dating();
      this.heldFrom = dating.heldFrom;
      this.#dates = { offsetOf: (boot, seq) => dating.offsetOf(boot, seq) };
      const beside = new Set(names.filter((name) => /-(wal|journal)$/.test(name)));
      this.segments = names
        .flatMap((name) => viewed(folder, name, beside, listed))
        .toSorted((a, b) => a.firstSeq - b.firstSeq || startsOf(a) - startsOf(b));
      // Positions only grow: the newest segment that tells them tells all.
      let isSettledKnown = false;
      for (const segment of this.segments.toReversed()) {
        if (segment.listed !== null && isSettledKnown) continue;
        const wal = lookedAt(segment);
        if (wal !== null) wals.push({ segment: segment.name, wal });
        try {
          this.use(segment, ({ file }) => (isSettledKnown ||= this.#learnSettled(file)));
        } catch (error) {
          const code = error instanceof BufferError ? error.code : '';
          if (code === 'NO_COPY' || code === 'NEVER_STILL') throw error;
          // Made, and nothing committed to it yet.
          const isRuin =
            wal === null &&
            code === 'EMPTY_SEGMENT' &&
            segment === this.segments.at(-1) &&
            !wasSealed(folder, segment.name);
          if (isRuin) empty.add(segment.name);
          else unreadable.push({ segment: segment.name, why: messageOf(error) });
        }
      }
      this.segments = this.segments.filter(
        ({ file, name }) => existsSync(file) && !empty.has(name) && !unreadable.some(({ segment }) => segment === name),
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What `use` gives; undefined when the segment is gone, because it was delivered meanwhile. Throws what SQLite throws for a damaged file. */
  use<T>(segment: ViewedSegment, use: (open: OpenSegment) => T): T | undefined {
    const file = this.#open(segment);
    if (file === null) return undefined;
    try {
      return use({ file, decode: decoderOf(segment, file, this.#dates, this.#points) });
    } finally {
      file.close();
    }
  }

  /** Row by row: the segment stays open until the generator is done or left. Throws as `use`. */
  *each<T>(segment: ViewedSegment, each: (open: OpenSegment) => Iterable<T>): Generator<T> {
    const file = this.#open(segment);
    if (file === null) return;
    try {
      yield* each({ file, decode: decoderOf(segment, file, this.#dates, this.#points) });
    } finally {
      file.close();
    }
  }

  /** Records that the broker refused for good, oldest first. Throws what SQLite throws for a damaged file. */
  *deadLetters(): Generator<KeptLetter> {
    const file = join(this.folder, deadLettersFile);
    if (existsSync(file)) yield* lettersIn(this.#copy(file));
  }

  /** Files that were set aside because they could not be read. */
  quarantined(): string[] {
    const folder = join(this.folder, quarantineFolder);
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** Bytes of the file that holds room for a full disk; 0: it has been given up. */
  ballastBytes(): number {
    return sizeOf(join(this.folder, ballastFile));
  }

  /** What they take; it counts to the quota. */
  quarantinedBytes(): number {
    return this.quarantined().reduce((sum, name) => sum + sizeOf(join(this.folder, quarantineFolder, name)), 0);
  }

  /** Removes the copies. Idempotent. */
  close(): void {
    if (this.#temporary !== null) rmSync(this.#temporary, { recursive: true, force: true });
    this.#temporary = null;
    this.#copies.clear();
  }

  /** A file that cannot be read dates nothing, as for its owner. */
  #dating(): Dating {
    return new Dating(
      datingIn(this.folder, (file) => this.#copy(file)),
      null,
      0,
    );
  }

  /** False when the segment tells nothing of it. */
  #learnSettled(file: SegmentFile): boolean {
    const told = file.settled();
    for (const found of told) for (const [lane, settled] of found.entries()) this.settled[lane]?.addAll(settled);
    return told.length > 0;
  }

  #open({ file, isSealed }: ViewedSegment): SegmentFile | null {
    try {
      const copy = this.#copies.get(file);
      if (copy !== undefined) return SegmentFile.open(copy);
      // Sealed since it was looked at, too: then the header says so.
      return isSealed || isAtRest(file) ? SegmentFile.openReadOnly(file) : SegmentFile.open(this.#copy(file));
    } catch (error) {
      if (!existsSync(file)) return null;
      throw error;
    }
  }

  #copy(file: string): string {
    const known = this.#copies.get(file);
    if (known !== undefined) return known;
    let copy: string;
    try {
      this.#temporary ??= mkdtempSync(join(tmpdir(), 'sluice-look-'));
      copy = stableCopy(file, this.#temporary);
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM'].includes(code)) throw error;
      throw new BufferError(
        'NO_COPY',
        `${file} is being written to, so a copy of it is looked at, and ${tmpdir()} has no room for it; name another folder in the environment: TMPDIR=FOLDER`,
        { cause: error },
      );
    }
    this.#copies.set(file, copy);
    return copy;
  }
}

/** Nothing, for a file that is no segment or is gone. `beside`: the names of WALs and journals. */
function viewed(folder: string, fileName: string, beside: ReadonlySet<string>, look: SealedLooker): ViewedSegment[] {
  const parsed = parseSegmentName(fileName);
  if (parsed === null) return [];
  const file = join(folder, fileName);
  const name = fileName.slice(0, -'.db'.length);
  const segment = { name, file, epoch: parsed.epoch, firstSeq: parsed.first };
  try {
    const isAlone = !beside.has(`${fileName}-wal`) && !beside.has(`${fileName}-journal`);
    const listed = isAlone ? look(file, name) : null;
    if (listed !== null) return [{ ...segment, bytes: listed.bytes, isSealed: true, listed }];
    accessSync(file, constants.R_OK);
    const bytes = sizeOf(file) + sizeOf(`${file}-wal`);
    return [{ ...segment, bytes, isSealed: isAtRest(file), listed }];
  } catch (error) {
    if (isMissing(error)) return [];
    throw noAccess(file, error);
  }
}

/** null: its WAL is sound, or the segment was removed meanwhile. What cannot be read its opening tells. */
function lookedAt({ file, isSealed }: ViewedSegment): WalFindings | null {
  if (isSealed) return null;
  try {
    const wal = lookAtWal(file);
    return wal.verdict === 'sound' || !existsSync(file) || isAtRest(file) ? null : wal;
  } catch {
    return null;
  }
}

function decoderOf({ epoch }: ViewedSegment, file: SegmentFile, dates: Dates, known: Points): OpenSegment['decode'] {
  let points: Map<number, PointInfo> | null = null;
  const describe = (id: number): PointInfo => {
    points ??= known.of(file.descriptors(0).packed);
    const point = points.get(id);
    if (!point) throw new RangeError(`the segment carries no descriptor ${id}`);
    return point;
  };
  return ({ lane, body }) => decodeFrame(body, { epoch, stream: streamOf(lane), describe, dates });
}

function startsOf({ epoch }: ViewedSegment): number {
  return Number.parseInt(epoch, 10);
}

function noAccess(path: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOTDIR') return cause;
  return new BufferError(
    'NO_ACCESS',
    code === 'ENOTDIR'
      ? `${path} is no folder`
      : `${path} cannot be read: permission denied; ask as root or as the user of the daemon`,
  );
}
