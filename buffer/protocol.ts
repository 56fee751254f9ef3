import type { GatewayEvent, Kind, Seq, Stream } from '../agent/reading.ts';
import { streams } from '../agent/reading.ts';
import type { WrongBoot } from './dating/dating.ts';
import type { Settled } from './ranges.ts';

/** A lane's number in files and messages: part of the format, so never renumbered. */
export function laneOf(stream: Stream): number {
  return streams.indexOf(stream);
}

/** Throws RangeError for a lane that there is none of. */
export function streamOf(lane: number): Stream {
  const stream = streams[lane];
  if (stream === undefined) throw new RangeError(`lane ${lane} is not known`);
  return stream;
}

export function perLane<T>(of: (lane: number) => T): Record<Stream, T> {
  return Object.fromEntries(streams.map((stream, lane) => [stream, of(lane)])) as Record<Stream, T>;
}

/** Readings wait for their date where the clock is known to be wrong; events and metadata are wanted at once, and are marked. */
export function waitsForDate(lane: number): boolean {
  const stream = streamOf(lane);
  return stream === 'meter-readings' || stream === 'sensor-values';
}

/** One lane's entries of one commit, encoded; `points`: the descriptors that it uses. */
export interface FrameBytes {
  readonly lane: number;
  readonly first: Seq;
  readonly last: Seq;
  readonly count: number;
  readonly body: Uint8Array;
  readonly points: readonly number[];
}

/** A descriptor as a segment carries it: its number within the epoch, and PointInfo as JSON. */
export interface Descriptor {
  readonly id: number;
  readonly json: string;
}

export interface Commit {
  readonly frames: readonly FrameBytes[];
  /** Descriptors which the writer has not been told of before. */
  readonly described: readonly Descriptor[];
  /** The newest slots of all counters up to this commit, packed; asked for by `wantsSlots`. */
  readonly slots: Uint8Array | null;
  /** How readings in it, and behind it, are dated: on disk before they are. */
  readonly dating: readonly WrongBoot[];
  /** The quota, when it has changed; comes with `slots`, so that what lies before this commit may go. */
  readonly maxBytes: number | null;
  /** Counts as settled with this commit, which holds the events that tell of it. */
  readonly drops: readonly Drop[];
  /** So many of the writer's own events are in it, or in those before. */
  readonly heard: number;
}

/** All entries of a lane from `first` to `last` that are not settled. */
export interface Drop {
  readonly lane: number;
  readonly first: Seq;
  readonly last: Seq;
}

/**
 * Entries of one device and kind; null: notes, and what cannot be read. `fromMs`, `toMs`: when they were true. Unix ms. `wrongBoot`: by the clock of this boot,
 * which was known to be wrong; null: not so.
 */
export interface Tally {
  readonly wrongBoot: string | null;
  readonly device: string | null;
  readonly kind: Kind | null;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RoomRequest {
  /** Per lane the last seq that a reader was given. */
  readonly given: readonly Seq[];
  /** The newest committed seq; nothing up to it is read from memory. */
  readonly newest: Seq;
  /** The quota, which a copy must not exceed either. */
  readonly maxBytes: number;
}

/**
 * `freed`: there is more room, and nothing was lost. `drop`: nothing else frees any; what is lost has been counted, and room is made once a commit
 * carries the drop. `again`: a reader came between. `nothing`: only what is never dropped is left, or is on its way.
 */
export type RoomMade = { readonly space: Space } & (
  | { readonly did: 'freed' | 'again' | 'nothing' }
  | { readonly did: 'drop'; readonly drop: Drop; readonly count: number; readonly tallies: readonly Tally[] }
);

export interface Space {
  readonly bytes: number;
  /** Of these: in `quarantine/`. */
  readonly quarantineBytes: number;
  readonly segments: number;
  /** Unsettled entries per lane; where a segment is settled in part, about. */
  readonly waiting: readonly number[];
  /** Of these: entries that wait for their date. */
  readonly held: readonly number[];
  /** By the writer thread since its start; null: the kernel does not count. */
  readonly writtenBytes: number | null;
}

export interface Committed extends Space {
  /** The next commit should bring the newest slots. */
  readonly wantsSlots: boolean;
}

export interface ReadRequest {
  readonly lane: number;
  readonly after: Seq;
  readonly most: number;
  /** Frames from here on are not for sending yet; null: all are. */
  readonly before: Seq | null;
  /** Per segment: the row up to which the reader knows its descriptors. */
  readonly known: ReadonlyMap<string, number>;
}

/** A frame as read from disk. `settled`: ranges of it that need not be sent again. */
export interface ReadFrame {
  readonly epoch: string;
  readonly segment: string;
  readonly lane: number;
  readonly first: Seq;
  readonly last: Seq;
  readonly body: Uint8Array;
  readonly settled: readonly { readonly first: Seq; readonly last: Seq }[];
}

export interface ReadFrames {
  readonly frames: readonly ReadFrame[];
  /** All unsettled frames of the lane up to here are in `frames`: the next look may start behind it. */
  readonly through: Seq;
  /** Descriptors of the segments named in `frames`, those the reader does not know. */
  readonly described: readonly Described[];
}

/** Descriptors of a segment up to its row `last`. `packed`: as its rows hold them; where two tell one number, the later holds. */
export interface Described {
  readonly segment: string;
  readonly packed: readonly Uint8Array[];
  readonly last: number;
}

export interface DeadLetter {
  readonly lane: number;
  readonly epoch: string;
  readonly seq: Seq;
  readonly reason: string;
  readonly key: string;
  readonly value: string | null;
  readonly wallMs: number;
}

/** A frame that is sound by its CRC, yet could not be decoded. */
export interface DamagedFrame {
  readonly lane: number;
  readonly segment: string;
  readonly first: Seq;
  readonly last: Seq;
  readonly why: string;
}

/** What a store on disk told when it was opened. */
export interface Opened extends Space {
  /** Nothing can be written: what lies on disk is left to the next start. */
  readonly isReadOnly: boolean;
  readonly before: 'none' | 'clean' | 'unclean';
  readonly epoch: string;
  readonly nextSeq: Seq;
  /** Per lane: entries of earlier starts up to this seq may have been sent before. */
  readonly doubtful: readonly Seq[];
  /** False: `dating` is not all that lies on disk, and nothing may be dated before it is. */
  readonly isDatingKnown: boolean;
  /** How readings of earlier starts are dated that were made with a wrong clock. */
  readonly dating: readonly WrongBoot[];
  /** The newest packed slots, and all later frames with slots. */
  readonly slots: Uint8Array | null;
  readonly slotFrames: ReadFrames;
}

export interface StoreOptions {
  /** Of a start that began before the disk could be written: its numbers may be in use. `settled`: what it delivered, or told as lost, of what lay there. */
  readonly as?: { readonly epoch: string; readonly nextSeq: Seq; readonly settled: readonly Settled[] };
  readonly path: string;
  readonly maxBytes: number;
}

/** What the writer thread does on request, and answers. Structured clones cross the thread. */
export interface WriterCalls {
  open: { take: StoreOptions; give: Opened };
  commit: { take: Commit; give: Committed };
  read: { take: ReadRequest; give: ReadFrames };
  /** Keeps how readings are dated. */
  date: { take: readonly WrongBoot[]; give: null };
  /** Keeps the newest slots, packed, where no commit brings them. */
  keepSlots: { take: Uint8Array; give: null };
  reject: { take: DeadLetter; give: null };
  /** Takes many short steps; commits and reads come in between. One at a time. */
  makeRoom: { take: RoomRequest; give: RoomMade };
  close: { take: { readonly sent: readonly Seq[] }; give: null };
  /** A sign of life: the thread's folder in /proc. */
  live: { take: null; give: string };
}

export type Call = {
  [Name in keyof WriterCalls]: { readonly call: Name; readonly take: WriterCalls[Name]['take'] };
}[keyof WriterCalls];

export type ToWriter =
  | { readonly type: 'call'; readonly number: number; readonly call: Call }
  | { readonly type: 'settle'; readonly lane: number; readonly first: Seq; readonly last: Seq }
  | { readonly type: 'damaged'; readonly frame: DamagedFrame };

export type FromWriter =
  | { readonly type: 'gave'; readonly number: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly number: number; readonly code: string; readonly message: string }
  | { readonly type: 'event'; readonly event: GatewayEvent }
  /** For the log: the writer goes on by itself. */
  | { readonly type: 'trouble'; readonly message: string }
  | { readonly type: 'space'; readonly space: Space }
  | { readonly type: 'volatile'; readonly isOn: boolean };
