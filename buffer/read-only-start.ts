import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BufferError } from '../agent/errors.ts';
import { streams } from '../agent/reading.ts';
import type { GatewayEvent, Seq } from '../agent/reading.ts';
import { datingOnReadOnlyDisk } from './dating-file.ts';
import type { WrongBoot } from './dating.ts';
import type { Opened, ReadFrames, ReadRequest, StoreOptions } from './protocol.ts';
import { Settled } from './ranges.ts';
import { isReadOnly } from './folder.ts';
import { parseSegmentName } from './segment-files.ts';
import { SegmentFile } from './segment.ts';
import { newEpoch, Store } from './store.ts';

/** More than any segment whose end cannot be read now may hold. */
const seqsAhead = 10_000_000;

/**
 * A start on a read-only file system. It cannot take the lock, and what lies there is left to the start that follows as soon as the disk can be
 * written; what comes meanwhile is sent from memory, under an epoch of its own and behind all numbers that may be in use.
 */
export class ReadOnlyStart {
  readonly #options: StoreOptions;
  readonly #tell: (event: GatewayEvent) => void;
  readonly #epoch: string;
  readonly #nextSeq: Seq;
  readonly #settled = streams.map(() => new Settled());
  /** Rows of `dating.db`; null: what they say cannot be told now. */
  readonly #onDisk: readonly WrongBoot[] | null;
  readonly #dated = new Map<string, WrongBoot>();

  constructor(options: StoreOptions, tell: (event: GatewayEvent) => void) {
    this.#options = options;
    this.#tell = tell;
    this.#onDisk = datingOnReadOnlyDisk(options.path);
    const names = namesIn(options.path);
    const parsed = names.flatMap((name) => parseSegmentName(name) ?? []);
    this.#epoch = newEpoch(Math.max(0, ...parsed.map(({ starts }) => starts)) + 1);
    const ends = names.map((name) => lastSeqOf(join(options.path, name)));
    this.#nextSeq = Math.max(0, ...parsed.map(({ first }) => first), ...ends) + seqsAhead;
  }

  opened(): Opened {
    return {
      before: 'unclean',
      isReadOnly: true,
      isDatingKnown: this.#onDisk !== null,
      epoch: this.#epoch,
      nextSeq: this.#nextSeq,
      doubtful: streams.map(() => this.#nextSeq - 1),
      dating: this.#onDisk ?? [],
      slots: null,
      slotFrames: { frames: [], through: 0, described: [] },
      bytes: 0,
      quarantineBytes: 0,
      segments: 0,
      waiting: streams.map(() => 0),
      held: streams.map(() => 0),
      writtenBytes: null,
    };
  }

  read({ after, before }: ReadRequest): ReadFrames {
    const through = Math.max(after, Math.min(this.#nextSeq - 1, (before ?? Infinity) - 1));
    return { frames: [], through, described: [] };
  }

  /** Delivered from memory: none of it lies on disk. */
  settle(lane: number, first: Seq, last: Seq): void {
    this.#settled[lane]?.add(first, last);
  }

  /** On disk before what is dated by it. */
  date(boots: readonly WrongBoot[]): void {
    for (const boot of boots) this.#dated.set(boot.boot, boot);
  }

  /** The store itself, under the same epoch. Throws as long as the disk cannot be written. */
  become(): Store {
    const { path } = this.#options;
    if (isReadOnly(path)) throw new BufferError('READ_ONLY', `the file system of ${path} is read-only`);
    const store = new Store({ ...this.#options, as: { epoch: this.#epoch, nextSeq: this.#nextSeq } }, this.#tell);
    store.opened();
    store.date([...this.#dated.values()]);
    for (const [lane, { ranges }] of this.#settled.entries())
      for (const { first, last } of ranges) store.settle(lane, first, last);
    return store;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => parseSegmentName(name) !== null);
  } catch {
    return [];
  }
}

/** 0: it cannot be told now. */
function lastSeqOf(file: string): Seq {
  try {
    const segment = SegmentFile.openReadOnly(file);
    try {
      return Math.max(0, ...(segment.summary() ?? []).map((lane) => lane?.last ?? 0));
    } finally {
      segment.close();
    }
  } catch {
    return 0;
  }
}
