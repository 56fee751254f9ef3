import { BufferError } from '../agent/errors.ts';
import type { Kept, Seq, Stream } from '../agent/reading.ts';
import type { Batch } from './buffer.ts';
import { FrameDecoder } from './frames/decoder.ts';
import type { HeldReadings } from './dating/held.ts';
import type { Points } from './frames/points.ts';
import { laneOf, waitsForDate } from './protocol.ts';
import type { DamagedFrame, ReadFrames, ReadRequest } from './protocol.ts';
import { without } from './ranges.ts';
import type { Range } from './ranges.ts';
import { Recent } from './recent.ts';

/** Committed entries kept in memory per lane for a forwarder that keeps up. */
const mostRecent = 20_000;

export interface LaneReaderParts {
  readonly epoch: string;
  /** The last seq before those of this start. */
  readonly base: Seq;
  /** Entries of earlier starts up to here may have been sent before. */
  readonly doubtful: Seq;
  /** Of what lies on disk readers are not given this, and none of it counts as delivered; null: all is theirs. */
  readonly left: Range | null;
  readonly held: HeldReadings;
  readonly points: Points;
  /** null: the disk did not give it now. */
  readonly read: (request: ReadRequest, signal: AbortSignal) => Promise<ReadFrames | null>;
  readonly damaged: (frame: DamagedFrame) => void;
  /** What comes is sent from memory, and may never be on disk. */
  readonly isVolatile: () => boolean;
  /** Resolves when there may be more to give, or with the signal. */
  readonly more: (signal: AbortSignal) => Promise<void>;
  readonly closed: AbortSignal;
}

/** What readers of one lane are given: from memory, from disk, or when it has its date; and what of it they may have been given before. */
export class LaneReader {
  /** In memory, the newest. */
  readonly recent: Recent;
  readonly #stream: Stream;
  readonly #lane: number;
  readonly #parts: LaneReaderParts;
  /** Each lane has its own: what one reader knows of a segment's descriptors is not what another has been given. */
  readonly #decoder: FrameDecoder;
  #given: Seq = 0;

  constructor(stream: Stream, parts: LaneReaderParts) {
    this.#stream = stream;
    this.#lane = laneOf(stream);
    this.#parts = parts;
    this.recent = new Recent(parts.base, mostRecent);
    this.#decoder = new FrameDecoder(parts.held, parts.points);
  }

  /** The last seq that a reader was given. */
  get given(): Seq {
    return this.#given;
  }

  /** As `Buffer.next`. */
  async next(after: Seq, mostEntries: number, signal: AbortSignal): Promise<Batch> {
    const { held, left, read, isVolatile, more, closed } = this.#parts;
    let from = after;
    for (;;) {
      signal.throwIfAborted();
      if (closed.aborted) throw new BufferError('CLOSED', 'the buffer is closed');
      const before = waitsForDate(this.#lane) ? held.until : null;
      if (before !== null && from >= before - 1) {
        await more(signal);
        continue;
      }
      if (this.recent.reaches(from)) {
        const taken = this.recent.take(from, mostEntries);
        if (taken) return this.#batch(after + 1, taken.through, taken.entries);
        await more(signal);
        continue;
      }
      const ahead = left !== null && from < left.last ? left : null;
      const end = Math.min(before ?? Infinity, ahead?.first ?? Infinity);
      const found = await read(
        {
          lane: this.#lane,
          after: from,
          most: mostEntries,
          before: end === Infinity ? null : end,
          known: this.#decoder.known(),
        },
        signal,
      );
      if (found === null) continue;
      const entries = this.#decoded(found);
      from = found.through;
      if (found.frames.length === 0) {
        // What is left alone is passed over; what memory has let go without its being on disk was delivered.
        const passed = ahead?.first === end ? ahead.last : isVolatile() ? this.recent.base : 0;
        from = Math.max(from, Math.min(passed, (before ?? Infinity) - 1));
      }
      if (entries.length > 0) return this.#batch(after + 1, from, entries);
    }
  }

  /** Delivered. Returns what of it counts as such on disk. */
  settle(first: Seq, last: Seq): readonly Range[] {
    const { left } = this.#parts;
    this.recent.forget(last);
    return left === null ? [{ first, last }] : without({ first, last }, left);
  }

  #decoded(found: ReadFrames): Kept[] {
    const entries: Kept[] = [];
    for (const { segment, first, last, entries: sound, damage } of this.#decoder.decode(this.#stream, found)) {
      entries.push(...sound);
      if (damage !== null) this.#parts.damaged({ lane: this.#lane, segment, first, last, why: damage });
    }
    return entries;
  }

  #batch(first: Seq, last: Seq, entries: readonly Kept[]): Batch {
    const { epoch, doubtful } = this.#parts;
    const given = this.#given;
    this.#given = Math.max(given, last);
    const mayRepeat = (entry: Kept): boolean => entry.seq <= given || (entry.epoch !== epoch && entry.seq <= doubtful);
    const marked = entries.map((entry) => (!entry.repeat && mayRepeat(entry) ? { ...entry, repeat: true } : entry));
    return { stream: this.#stream, first, last, entries: marked };
  }
}
