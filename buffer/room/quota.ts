import { BufferFull } from '../../agent/errors.ts';
import type { Stream } from '../../agent/reading.ts';
import type { BufferLimits } from '../buffer.ts';
import { fillOf, fillText, keptText } from './fill.ts';
import type { Fill } from './fill.ts';
import type { Space } from '../protocol.ts';
import { takesUpToBytes, thinFromBytes } from './sizes.ts';
import type { WhenFull } from './sizes.ts';

/** What may wait in memory for a stuck disk. */
const mostWaitingBytes = 16 * 1024 * 1024;
/** The part of it that only events may use: what becomes of readings must be told. */
const waitingEventsBytes = 1024 * 1024;
/** A reading's fields in memory, besides its texts; and about what it takes on disk. */
export const entryBytes = 200;
const diskBytes = 16;

export interface QuotaParts {
  readonly path: string;
  /** On disk. */
  readonly space: () => Space;
  /** Of what waits in memory for the disk. */
  readonly waitingBytes: () => number;
  /** Nothing is written, and what will be is bounded by memory. */
  readonly isUnwritten: () => boolean;
  readonly log: (message: string) => void;
}

/** What may be taken within the limits, and how near they are. Refuses and warns; who makes room asks it. */
export class Quota {
  readonly #parts: QuotaParts;
  #limits: BufferLimits;
  #wantedBytes: number;
  /** A changed quota that the writer has not been told of. */
  #newBytes: number | null = null;
  #fill: Fill = 'low';

  constructor(limits: BufferLimits, parts: QuotaParts) {
    this.#limits = limits;
    this.#wantedBytes = limits.maxBytes;
    this.#parts = parts;
  }

  get whenFull(): WhenFull {
    return this.#limits.whenFull ?? 'stop';
  }

  get commitEveryMs(): number {
    return this.#limits.commitEveryMs;
  }

  /** What was asked for last, whatever commit carries which. */
  get wantedBytes(): number {
    return this.#wantedBytes;
  }

  /** What the next commit has to carry; null: nothing has changed. */
  get newBytes(): number | null {
    return this.#newBytes;
  }

  /** A larger quota holds at once; a smaller one would refuse the very commit that begins a smaller segment. */
  get bytes(): number {
    return Math.max(this.#limits.maxBytes, this.#newBytes ?? 0);
  }

  adjust({ maxBytes, commitEveryMs, whenFull = 'stop' }: BufferLimits): void {
    this.#wantedBytes = maxBytes;
    this.#newBytes = maxBytes === this.#limits.maxBytes ? null : maxBytes;
    this.#limits = { maxBytes: this.#limits.maxBytes, commitEveryMs, whenFull };
  }

  /** What a commit that has returned carried. */
  committed(maxBytes: number | null): void {
    if (maxBytes !== null) this.#limits = { ...this.#limits, maxBytes };
    this.#newBytes = this.#wantedBytes === this.#limits.maxBytes ? null : this.#wantedBytes;
  }

  /** Room is to be made. */
  get isShort(): boolean {
    return this.whenFull === 'thin' && this.#usedBytes(0) > thinFromBytes(this.bytes);
  }

  /** So many entries more find no room. */
  isFull(stream: Stream, count: number): boolean {
    return !this.#parts.isUnwritten() && this.#usedBytes(count) > takesUpToBytes(stream, this.bytes, this.whenFull);
  }

  /** Why so many entries more cannot be taken; null: they can. */
  refusal(stream: Stream, count: number): BufferFull | null {
    const { path, space, waitingBytes } = this.#parts;
    if (this.isFull(stream, count)) {
      const why =
        this.whenFull === 'thin'
          ? 'readings come faster than older ones can be dropped, or none is left that may be'
          : 'whenFull is "stop"';
      const holds = `the buffer holds ${space().bytes} of ${this.bytes} bytes (buffer.maxSize)`;
      return new BufferFull(`${holds} and ${why}${this.#keptText()}`);
    }
    const bytes = waitingBytes();
    const mostBytes = mostWaitingBytes - (stream === 'gateway-events' ? 0 : waitingEventsBytes);
    if (bytes + count * entryBytes <= mostBytes) return null;
    return new BufferFull(`${bytes} bytes of readings wait in memory for the disk at ${path}`);
  }

  /** Told once per crossing. */
  look(): Fill {
    const { space, log } = this.#parts;
    const { bytes } = space();
    const mostBytes =
      this.whenFull === 'thin'
        ? thinFromBytes(this.bytes)
        : takesUpToBytes('meter-readings', this.bytes, this.whenFull);
    const before = this.#fill;
    this.#fill = fillOf(before, bytes, mostBytes);
    if (this.#fill !== before)
      log(`buffer: ${fillText(this.#fill, bytes, mostBytes, this.whenFull)}${this.#keptText()}`);
    return this.#fill;
  }

  #keptText(): string {
    return keptText(this.#parts.path, this.#parts.space().quarantineBytes, this.bytes);
  }

  /** On disk, with what waits in memory and so many entries more. */
  #usedBytes(count: number): number {
    return this.#parts.space().bytes + (this.#parts.waitingBytes() / entryBytes + count) * diskBytes;
  }
}
