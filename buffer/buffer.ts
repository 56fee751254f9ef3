import type { Clock } from '../agent/clock.ts';
import type { GatewayEvent, HeldDue, Kept, Note, Reading, Seq, Stream } from '../agent/reading.ts';
import type { Fill } from './room/fill.ts';
import type { WhenFull } from './room/sizes.ts';
import type { WriterHost, WriterPulse } from './thread.ts';
import type { Wear } from './wear.ts';

/** Whole frames of one lane, in order. `entries` are those not settled yet; `first`…`last` spans the frames in full. */
export interface Batch {
  readonly stream: Stream;
  readonly first: Seq;
  readonly last: Seq;
  readonly entries: readonly Kept[];
}

/**
 * Keeps every entry durably until it is settled. Properties:
 * - an entry is on disk (committed, synced) before `append` resolves and before `next` shows it;
 * - reading does not remove: only `settle` and `reject` do;
 * - a reading made while the clock was known to be wrong is shown when its date is decided, and that is on disk: it never changes again;
 * - per lane, `next` gives the order of `append`;
 * - (epoch, seq) never gets other content, whatever crashes;
 * - after a crash an unsettled entry comes again, the same but for `repeat`.
 */
export interface Buffer {
  /** Text of this start, e.g. `41-k3v9q0za`: with `seq` it names an entry for ever. */
  readonly epoch: string;
  /** How the start before this one ended: `unclean` after a crash, a power cut, or a stop that was cut short. */
  readonly before: 'none' | 'clean' | 'unclean';
  /**
   * Numbers the entries at once, in call order; resolves when all are on disk. Pollers do not wait, pushers do.
   * Rejects with BufferFull: then none of the entries was taken.
   */
  append(stream: Stream, entries: readonly (Reading | Note)[]): Promise<void>;
  /**
   * The first frames of the lane that lie after `after` and are not settled, together about `mostEntries` (at least one frame, frames undivided),
   * waiting for one. Damaged frames are skipped and told. Rejects only with the signal's reason or after `close`.
   */
  next(stream: Stream, after: Seq, mostEntries: number, signal: AbortSignal): Promise<Batch>;
  /** Delivered: these seqs of the lane. Any order, idempotent. */
  settle(stream: Stream, first: Seq, last: Seq): void;
  /** Durable in dead letters, then settled. `record`: what was refused, as it would have been sent. */
  reject(entry: Kept, reason: string, record: { key: string; value: string | null }): Promise<void>;
  /** The newest slot of a counter that lies on disk, so that a restart does not answer it twice. Unix ms; undefined: none known. */
  newestSlotMs(device: string, point: string): number | undefined;
  /** When a counter's readings were due that earlier runs made in this boot with a wrong clock, and that wait for their date. */
  heldDues(device: string, point: string): readonly HeldDue[];
  /** The last good total of a polled counter, accepted in this start or found on disk; undefined: none known. */
  lastTotal(device: string, point: string): LastTotal | undefined;
  /** The serial number that a device said of itself last, also in earlier starts. */
  serialSeen(device: string): string | undefined;
  /** On disk with the next commit, if it is another one. */
  sawSerial(device: string, serial: string): void;
  /** The newest time on disk at which the clock was known to be right. Unix ms; 0: none known. */
  readonly newestTrustedMs: number;
  /** Forgets totals and serial numbers of devices that are not among these, so that one which comes back later is held against nothing. */
  forgetOthers(devices: ReadonlySet<string>): void;
  /** Other limits from now on; a smaller quota holds once the next commit has returned. */
  adjust(limits: BufferLimits): void;
  stats(): BufferStats;
  /** Asks the writer thread for a sign of life, unless the last question still waits, and tells how it is. */
  pulse(): WriterPulse;
  /** Resolves if the writer thread died: nothing can be accepted any more, the process must end and be started anew. Never rejects. */
  readonly failed: Promise<Error>;
  /** Commits what waits, seals, releases the lock. Within the signal's time; idempotent. */
  close(signal: AbortSignal): Promise<void>;
}

/** A reading of a counter that was good: what the next one, perhaps after a restart, is held against. */
export interface LastTotal {
  readonly value: number;
  /** When it was true. Unix ms. */
  readonly timeMs: number;
  /** The clock was known to be right then. */
  readonly isTimeTrusted: boolean;
  /** Register map and serial number by the configuration of then. */
  readonly map: string;
  readonly serial: string | null;
}

export interface BufferStats {
  /** Unsettled entries per lane, a fraction of a second old. */
  readonly waiting: Readonly<Record<Stream, number>>;
  /** Of these: readings that wait until the clock is right. About. */
  readonly held: Readonly<Record<Stream, number>>;
  readonly bytes: number;
  /** Of these: files that are kept for people. */
  readonly quarantineBytes: number;
  readonly maxBytes: number;
  /** Readings are refused for want of room: all, or sensor values, which are the first. */
  readonly full: boolean;
  /** How near it is to the size at which readings are dropped or refused, told once per crossing in the log. */
  readonly fill: Fill;
  readonly whenFull: WhenFull;
  /** The file system is read-only: what comes is kept and sent from memory. */
  readonly isVolatile: boolean;
  readonly segments: number;
  /** To the disk since this start, as the kernel counts; null: it does not. */
  readonly writtenBytes: number | null;
  /** The same over all starts. */
  readonly wear: Wear | null;
  readonly commits: number;
  /** From handing a commit to the writer until it is on disk, all of them together. */
  readonly commitsTookMs: number;
  /** Entries accepted (committed) since the start. */
  readonly accepted: Readonly<Record<Stream, number>>;
  readonly refused: number;
  /** Entries dropped to make room since the start, each of them told. */
  readonly dropped: Readonly<Record<Stream, number>>;
  /** How long the commit under way has taken so far; 0: none is. */
  readonly committingForMs: number;
}

export interface BufferLimits {
  readonly maxBytes: number;
  /** `stop` unless stated. */
  readonly whenFull?: WhenFull;
  /** Shortest distance between two commits. */
  readonly commitEveryMs: number;
  /** How long readings made with a wrong clock wait for a right one; 24 h unless stated. */
  readonly holdMs?: number;
}

export interface BufferOptions extends BufferLimits {
  /** Folder of the segment files; made if missing. */
  readonly path: string;
  readonly clock: Clock;
  /** What `beginWriter` gave, for this buffer alone; else a thread is begun here. */
  readonly writer?: WriterHost;
  /** Loss, quarantine, dead letters: told here, never thrown. */
  readonly event: (event: GatewayEvent) => void;
  /** Trouble that the buffer goes on with by itself, for the log. */
  readonly log?: (message: string) => void;
  /** Called at once when a commit returned, with what is now on disk. For audits and tests. */
  readonly tap?: (epoch: string, stream: Stream, seqs: readonly Seq[]) => void;
}
