import { streams } from '../../agent/reading.ts';
import type { Kept, PointInfo, Seq } from '../../agent/reading.ts';
import { anchorOf, decodeFrame } from '../frames/frame.ts';
import type { Dates } from '../frames/frame.ts';
import { Points } from '../frames/points.ts';
import { streamOf } from '../protocol.ts';
import type { Drop, RoomMade, RoomRequest, Space } from '../protocol.ts';
import { Settled } from '../ranges.ts';
import { SegmentCopy, copyBytes, copyTail } from '../segments/segment-copy.ts';
import type { Extent, FrameRow, RemovedRun } from '../segments/segment-format.ts';
import { damagedRowsIn } from '../segments/segment-errors.ts';
import { sizeOf } from '../segments/segment-files.ts';
import type { Shelf } from '../segments/shelf.ts';
import type { Shelves } from '../segments/shelves.ts';
import { Tallying, maySaveRoom, nextDrop, savesRoom } from './thin.ts';

/** What one step may copy and sync, or how long it may count: a commit that waits goes next. */
const stepBytes = 256 * 1024;
const stepMs = 10;

/** What the rest of the writer tells of itself. */
export interface ThinningParts {
  readonly shelves: Shelves;
  readonly settled: readonly Settled[];
  /** Only segments before this one may change. */
  readonly guard: () => Shelf | null;
  readonly space: () => Space;
  /** When readings were true that were made with a wrong clock: what is told of them says the time they would have been sent with. */
  readonly dates: Dates;
}

type Step<T> = Generator<undefined, T>;

/**
 * Makes room in a buffer that nears its quota: first by writing segments anew without what is delivered, then by dropping what is worth least. A drop
 * is a settlement: it counts, and is told, with the commit that carries both, and only then the files change.
 */
export class Thinning {
  readonly #parts: ThinningParts;
  /** Per lane the last seq that a reader was given from disk. */
  readonly #given: Seq[] = streams.map(() => 0);
  /** Counted, and not on disk as settled yet: no reader is given any of it. */
  #pending: Drop | null = null;
  #copy: { readonly copy: SegmentCopy; readonly file: string } | null = null;
  /** Segments that were looked at and that a copy would hardly shrink, with how much of them was settled then. */
  readonly #unworthy = new WeakMap<Shelf, number>();
  #isEnded = false;

  constructor(parts: ThinningParts) {
    this.#parts = parts;
  }

  /** Of a copy being written. */
  get bytes(): number {
    return this.#copy === null ? 0 : sizeOf(this.#copy.file + copyTail);
  }

  /** A reader is about to be given everything of the lane up to here. */
  gave(lane: number, through: Seq): void {
    this.#given[lane] = Math.max(this.#given[lane] ?? 0, through);
  }

  /** What readers of the lane need not be given: what is settled, and what is about to be dropped. */
  hidden(lane: number): Settled {
    const settled = this.#parts.settled[lane] ?? new Settled();
    if (this.#pending?.lane !== lane) return settled;
    const hidden = settled.copy();
    hidden.add(this.#pending.first, this.#pending.last);
    return hidden;
  }

  /** A commit carried them. */
  dropped(drops: readonly Drop[]): void {
    for (const { lane, first, last } of drops) this.#parts.settled[lane]?.add(first, last);
    if (drops.length > 0) this.#pending = null;
  }

  *makeRoom(request: RoomRequest): Step<RoomMade> {
    this.#pending = null;
    for (const shelf of this.#thinnable()) {
      if (yield* this.#copied(shelf, request.maxBytes)) return this.#made('freed');
      if (this.#isEnded) return this.#made('nothing');
    }
    return yield* this.#counted(request);
  }

  /** The buffer closes: what was begun is as if it had not been. */
  end(): void {
    this.#isEnded = true;
    this.#abandon();
  }

  #made(did: 'freed' | 'again' | 'nothing'): RoomMade {
    return { did, space: this.#parts.space() };
  }

  #changeable(): readonly Shelf[] {
    const { shelves, guard } = this.#parts;
    const last = guard();
    const before = last === null ? 0 : shelves.all.indexOf(last);
    return shelves.all.slice(0, Math.max(0, before)).filter(({ isSealed, isCondemned }) => isSealed && !isCondemned);
  }

  /** What cannot be read of a segment is kept for people as it is, also where that was found only now. */
  #copyable(): readonly Shelf[] {
    return this.#changeable().filter(({ isDistrusted, isDamaged }) => !isDistrusted && !isDamaged);
  }

  #thinnable(): readonly Shelf[] {
    return this.#copyable().filter((shelf) => {
      const settled = this.#settledIn(shelf);
      const count = shelf.lanes.reduce((sum, lane) => sum + (lane?.count ?? 0), 0);
      return maySaveRoom(settled, count) && this.#unworthy.get(shelf) !== settled;
    });
  }

  #settledIn(shelf: Shelf): number {
    return shelf.lanes.reduce((sum, extent, lane) => {
      const settled = this.#parts.settled[lane];
      return sum + (extent && settled ? extent.count - shelf.waiting(lane, settled) : 0);
    }, 0);
  }

  /** Writes the segment anew without its settled frames. False: it is as it was. */
  *#copied(shelf: Shelf, maxBytes: number): Step<boolean> {
    const { shelves, settled, space } = this.#parts;
    const plan = shelves.use(shelf, () => (shelf.isDistrusted ? null : planOf(shelf, settled)));
    if (plan === undefined) return true;
    if (plan === null) return false;
    const needed = copyBytes(plan.bytes);
    if (!savesRoom(shelf.bytes, needed)) {
      this.#unworthy.set(shelf, this.#settledIn(shelf));
      return false;
    }
    if (space().bytes + needed > maxBytes) return false;
    try {
      const copy = new SegmentCopy(shelf.file, shelf.name, plan.bytes);
      this.#copy = { copy, file: shelf.file };
      const copied = yield* this.#copiedRows(shelf, copy, plan);
      // Delivered, set aside or found damaged meanwhile, or the buffer closes.
      if (!copied || this.#isEnded || !this.#copyable().includes(shelf)) return copied && !this.#isEnded;
      const slots = shelf.slots();
      // From here on nobody holds the old file.
      shelf.park();
      copy.finish({ summary: plan.summary, removed: plan.removed, settled, slots });
      shelf.rewritten(plan.summary, plan.removed);
      shelves.listSealed(shelf);
      this.#copy = null;
      return true;
    } finally {
      this.#abandon();
    }
  }

  *#copiedRows(shelf: Shelf, copy: SegmentCopy, plan: CopyPlan): Step<boolean> {
    const { shelves } = this.#parts;
    const described = shelves.use(shelf, () => shelf.descriptorRows());
    if (described === undefined) return false;
    copy.descriptors(described);
    for (let at = 0; at < plan.kept.length;) {
      yield undefined;
      if (this.#isEnded || !this.#copyable().includes(shelf)) return true;
      const rows: FrameRow[] = [];
      const isRead = shelves.use(shelf, () => {
        // Found by this very look.
        if (shelf.isDistrusted) return false;
        for (let bytes = 0; bytes < stepBytes && at < plan.kept.length; at++) {
          const row = shelf.row(plan.kept[at] ?? 0);
          // Sound when it was indexed, damaged now.
          if (row === null) throw damagedRowsIn(shelf.file, 1);
          rows.push(row);
          bytes += row.body.length;
        }
        return true;
      });
      if (isRead !== true) return false;
      copy.frames(rows);
    }
    yield undefined;
    return true;
  }

  /** Looks for what is to be dropped, and counts it. */
  *#counted(request: RoomRequest): Step<RoomMade> {
    const { shelves, settled } = this.#parts;
    const given = request.given.map((seq, lane) => Math.max(seq, this.#given[lane] ?? 0));
    const changeable = this.#changeable();
    const found = nextDrop(changeable, settled, { given, newest: request.newest });
    const shelf = found === null ? undefined : changeable[found.at];
    if (found === null || shelf === undefined) return this.#made('nothing');
    const { lane, first, last } = found;
    const tallying = new Tallying();
    const points = shelves.use(shelf, () => new Points().of(shelves.descriptors(shelf, 0).packed));
    if (points === undefined) return this.#made('again');
    for (let through = Math.max(first - 1, given[lane] ?? 0); through < last;) {
      const next: Seq | undefined = shelves.use(shelf, () =>
        this.#countStep({ shelf, lane, points, tallying }, through, last),
      );
      if (next === undefined) return this.#made('again');
      through = next;
      yield undefined;
      if (this.#isEnded) return this.#made('nothing');
      if ((this.#given[lane] ?? 0) > (given[lane] ?? 0) || !this.#changeable().includes(shelf))
        return this.#made('again');
    }
    this.#pending = { lane, first, last };
    return {
      did: 'drop',
      drop: this.#pending,
      count: tallying.count,
      tallies: tallying.tallies(),
      space: this.#parts.space(),
    };
  }

  /** Returns the last seq that is counted. */
  #countStep({ shelf, lane, points, tallying }: Counting, after: Seq, last: Seq): Seq {
    const settled = this.#parts.settled[lane] ?? new Settled();
    const describe = (id: number): PointInfo => {
      const point = points.get(id);
      if (!point) throw new RangeError(`the segment carries no descriptor ${id}`);
      return point;
    };
    const began = performance.now();
    const counted: { entry: Kept; boot: string }[] = [];
    let through = last;
    for (const frame of shelf.framesAfter(lane, after)) {
      if (frame.first > last) break;
      if (!settled.covers(frame.first, frame.last)) {
        const body = shelf.read(frame.first);
        if (body === null && !shelf.isDistrusted) throw damagedRowsIn(shelf.file, 1);
        const context = { epoch: shelf.epoch, stream: streamOf(lane), describe, dates: this.#parts.dates };
        const entries = body === null ? null : decodedOrNull(body, context);
        if (entries === null) {
          // Damaged since it was indexed: told, and counted, as such.
          this.#parts.shelves.tellFrameLost(shelf, lane, frame);
          shelf.isDamaged = true;
        } else {
          const boot = entries.some(({ clock }) => clock === 'unsynced') ? anchorOf(body ?? new Uint8Array()).boot : '';
          for (const entry of entries) if (!settled.has(entry.seq)) counted.push({ entry, boot });
        }
      }
      if (performance.now() - began > stepMs) {
        through = frame.last;
        break;
      }
    }
    // Only now: a step that throws is made again.
    for (const { entry, boot } of counted) tallying.add(entry, boot);
    return through;
  }

  #abandon(): void {
    this.#copy?.copy.abandon();
    this.#copy = null;
  }
}

interface Counting {
  readonly shelf: Shelf;
  readonly lane: number;
  readonly points: ReadonlyMap<number, PointInfo>;
  readonly tallying: Tallying;
}

interface CopyPlan {
  /** Frames by their first seq, in order. */
  readonly kept: readonly Seq[];
  /** Of all rows that are copied. */
  readonly bytes: number;
  readonly summary: readonly (Extent | null)[];
  readonly removed: readonly RemovedRun[];
}

function planOf(shelf: Shelf, settled: readonly Settled[]): CopyPlan {
  const sizes = shelf.frameBytes();
  const kept: Seq[] = [];
  const summary: (Extent | null)[] = streams.map(() => null);
  const removed: RemovedRun[] = [...shelf.removed()];
  let bytes = shelf.descriptorRows().reduce((sum, { body }) => sum + body.length, shelf.slots()?.body.length ?? 0);
  for (const lane of streams.keys()) {
    let run: RemovedRun | undefined;
    for (const { first, last, count } of shelf.framesAfter(lane, 0)) {
      if (settled[lane]?.covers(first, last) === true) {
        run = joined(run, { lane, first, last, count });
        continue;
      }
      if (run) removed.push(run);
      run = undefined;
      kept.push(first);
      bytes += sizes.get(first) ?? 0;
      summary[lane] = joined(summary[lane] ?? undefined, { first, last, count });
    }
    if (run) removed.push(run);
  }
  return { kept: kept.toSorted((a, b) => a - b), bytes, summary, removed };
}

function joined<One extends Extent>(one: One | undefined, next: One): One {
  return one ? { ...next, first: one.first, count: one.count + next.count } : next;
}

function decodedOrNull(...frame: Parameters<typeof decodeFrame>): ReturnType<typeof decodeFrame> | null {
  try {
    return decodeFrame(...frame);
  } catch {
    return null;
  }
}
