import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { BufferFull } from '../../agent/errors.ts';
import type { GatewayEvent, Kept, Seq, Stream } from '../../agent/reading.ts';
import type { Batch, Buffer, BufferLimits } from '../../buffer/buffer.ts';
import type { WhenFull } from '../../buffer/room/sizes.ts';
import { openBuffer } from '../../buffer/open.ts';
import { parseSegmentName } from '../../buffer/segments/segment-files.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';
import { SameThreadWriter } from '../support/same-thread-writer.ts';
import { sealedLines } from '../support/sealed-lines.ts';
import { isInLastCommit } from './last-commit.ts';

export const lanes = ['meter-readings', 'sensor-values'] as const;
export type Lane = (typeof lanes)[number];

export interface Damage {
  readonly how: 'flip' | 'zero' | 'truncate' | 'remove';
  /** Which file, and where in it: shares of all, 0…1. */
  readonly file: number;
  readonly at: number;
}

export type Step =
  | {
      readonly do: 'append';
      readonly lane: Lane;
      readonly count: number;
      readonly textBytes: number;
      readonly isAwaited: boolean;
    }
  /** What a forwarder does with the next batch; `part` settles its second half alone. */
  | {
      readonly do: 'send';
      readonly lane: Lane;
      readonly most: number;
      readonly outcome: 'settle' | 'part' | 'nothing' | 'reject';
    }
  /** The forwarder begins anew at what is not settled. */
  | { readonly do: 'rewind' }
  | { readonly do: 'adjust'; readonly maxBytes: number; readonly whenFull: WhenFull }
  /** Somebody else holds a lock on the segment being written: the commit fails. */
  | { readonly do: 'failCommit'; readonly lane: Lane }
  | { readonly do: 'stop'; readonly how: 'clean' | 'crash'; readonly damages: readonly Damage[] };

interface Accepted {
  readonly lane: Lane;
  readonly seq: Seq;
  readonly value: number;
  readonly text: string;
  readonly timeMs: number;
  /** Given to a reader without `repeat`. */
  isGivenFirst: boolean;
  /** `noted`: surely on disk; `unsure`: it was, or may have been, before a crash or a damage. */
  settled: 'no' | 'told' | 'noted' | 'unsure';
  /** Which commit of its start. */
  commit: number;
  /** An event told that it may be lost. */
  isExcused: boolean;
  isSeenLost: boolean;
}

/** Numbers that may be missing; `stream`: only there, null: in all. */
interface Span {
  readonly stream: string | null;
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
}

/** From a batch to the event that tells what is missing in it. */
const mostTellingMs = 5_000;
const soon = (): AbortSignal => AbortSignal.timeout(15_000);
const points = {
  'meter-readings': pointInfo({}),
  'sensor-values': pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' }),
} as const;

/**
 * A real buffer beside a plain list of what it accepted. After every step: what is given was accepted and is the same, in order, each at most once
 * without `repeat`; no id is given out twice; and nothing is missing that no event tells.
 */
export class BufferModel {
  readonly #home = mkdtempSync(join(tmpdir(), 'sluice-model-'));
  readonly #clock = new FakeClock();
  readonly #accepted = new Map<string, Accepted>();
  /** Appended and not committed yet, per lane in order. */
  #pending: Record<Lane, Omit<Accepted, 'seq' | 'commit'>[]> = { 'meter-readings': [], 'sensor-values': [] };
  #after: Record<Lane, Seq> = { 'meter-readings': 0, 'sensor-values': 0 };
  #folder = join(this.#home, '0');
  #limits: BufferLimits = { maxBytes: 1_000_000, whenFull: 'thin', commitEveryMs: 1 };
  #values = 0;
  #copies = 0;
  #buffer: Buffer | null = null;
  #work: Promise<unknown>[] = [];
  #fault: string | null = null;
  #isDamaged = false;
  /** The newest commit of all. */
  #newest = { epoch: '', commit: 0 };

  /** What was broken first; null: nothing. */
  async run(steps: readonly Step[]): Promise<string | null> {
    try {
      mkdirSync(this.#folder);
      await this.#open();
      for (const step of steps) {
        this.#clock.wallMs += 1000;
        this.#clock.bootMs += 1000;
        await this.#step(step);
        if (this.#fault !== null) return this.#fault;
      }
      await this.#stop('clean', []);
      for (const lane of lanes) await this.#drain(lane);
      return this.#fault;
    } finally {
      await this.#buffer?.close(AbortSignal.abort());
      rmSync(this.#home, { recursive: true, force: true });
    }
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case 'append':
        return this.#append(step.lane, step.count, step.textBytes, step.isAwaited);
      case 'send':
        return this.#send(step.lane, step.most, step.outcome);
      case 'rewind':
        this.#after = { 'meter-readings': 0, 'sensor-values': 0 };
        return;
      case 'adjust':
        this.#limits = { maxBytes: step.maxBytes, whenFull: step.whenFull, commitEveryMs: 1 };
        this.#opened().adjust(this.#limits);
        return;
      case 'failCommit':
        return this.#failCommit(step.lane);
      case 'stop':
        return this.#stop(step.how, step.damages);
    }
  }

  async #open(): Promise<void> {
    const names = segmentsIn(this.#folder);
    this.#buffer = await openBuffer({
      path: this.#folder,
      ...this.#limits,
      clock: this.#clock,
      writer: new SameThreadWriter(),
      event: (event) => this.#hear(event, names),
      tap: (epoch, stream, seqs) => this.#committed(epoch, stream, seqs),
    });
    this.#after = { 'meter-readings': 0, 'sensor-values': 0 };
  }

  #opened(): Buffer {
    if (this.#buffer === null) throw new Error('no buffer is open');
    return this.#buffer;
  }

  async #append(lane: Lane, count: number, textBytes: number, isAwaited: boolean): Promise<void> {
    const at = this.#clock.now();
    const entries = Array.from({ length: count }, () => {
      const value = (this.#values += 1);
      return { lane, value, text: textOf(value, textBytes), timeMs: at.wallMs };
    });
    const work = this.#opened().append(
      lane,
      entries.map(({ value, text }) => reading({ point: points[lane], value, text, at })),
    );
    let isRefused = false;
    work.catch((error: unknown) => (isRefused ||= error instanceof BufferFull));
    // A refusal comes at once, everything else with the commit.
    await new Promise(setImmediate);
    if (isRefused) return;
    const open = { isGivenFirst: false, settled: 'no', isExcused: false, isSeenLost: false } as const;
    this.#pending[lane].push(...entries.map((entry) => ({ ...entry, ...open })));
    this.#work.push(work);
    if (isAwaited) await this.#quiet();
  }

  /** Everything appended is on disk, and the writer has heard of all that was settled before. */
  async #quiet(): Promise<void> {
    const outcomes = await Promise.allSettled(this.#work.splice(0));
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') this.#break(`a commit was given up: ${String(outcome.reason)}`);
  }

  #committed(epoch: string, stream: Stream, seqs: readonly Seq[]): void {
    const lane = lanes.find((one) => one === stream);
    if (lane === undefined) return;
    for (const entry of this.#accepted.values()) if (entry.settled === 'told') entry.settled = 'noted';
    const { commits: commit } = this.#opened().stats();
    this.#newest = { epoch, commit };
    for (const seq of seqs) {
      const entry = this.#pending[lane].shift();
      const id = `${epoch}/${seq}`;
      if (entry === undefined) this.#break(`${id} was committed, but nobody appended it`);
      else if (this.#accepted.has(id)) this.#break(`${id} was given out twice`);
      else this.#accepted.set(id, { ...entry, seq, commit });
    }
  }

  async #send(lane: Lane, most: number, outcome: 'settle' | 'part' | 'nothing' | 'reject'): Promise<void> {
    await this.#quiet();
    const due = [...this.#accepted.values()].filter(
      (one) => one.lane === lane && one.settled === 'no' && !one.isSeenLost && one.seq > this.#after[lane],
    );
    if (due.length === 0) return;
    const buffer = this.#opened();
    // Behind all that waits, so that a lane whose rest is lost does not wait for ever.
    const sentinel = await this.#sentinel(lane);
    if (sentinel === null && due.some(({ isExcused }) => isExcused)) return;
    const batch = await this.#next(lane, most);
    await this.#check(lane, batch.first, batch.last, batch.entries);
    this.#after[lane] = batch.last;
    if (outcome === 'nothing') return;
    const entry = batch.entries[0];
    if (outcome === 'reject' && entry && entry.seq !== sentinel) {
      await buffer.reject(entry, 'refused by the model', { key: 'k', value: 'v' });
      this.#settled(lane, entry.seq, entry.seq);
    }
    const first = outcome === 'part' ? Math.ceil((batch.first + batch.last) / 2) : batch.first;
    buffer.settle(lane, first, batch.last);
    this.#settled(lane, first, batch.last);
  }

  /** Time goes on meanwhile: what cannot be read is asked for again every second. */
  async #next(lane: Lane, most: number): Promise<Batch> {
    const ticking = setInterval(() => void this.#clock.advance(1_000), 50);
    try {
      return await this.#opened().next(lane, this.#after[lane], most, soon());
    } finally {
      clearInterval(ticking);
    }
  }

  async #sentinel(lane: Lane): Promise<Seq | null> {
    const before = new Set(this.#accepted.keys());
    await this.#append(lane, 1, 0, true);
    for (const [id, { seq }] of this.#accepted) if (!before.has(id)) return seq;
    return null;
  }

  #settled(lane: Lane, first: Seq, last: Seq): void {
    for (const entry of this.#accepted.values())
      if (entry.lane === lane && entry.seq >= first && entry.seq <= last && entry.settled !== 'noted')
        entry.settled = 'told';
  }

  async #check(lane: Lane, first: Seq, last: Seq, entries: readonly Kept[]): Promise<void> {
    const untilMs = performance.now() + mostTellingMs;
    let previous = first - 1;
    for (const entry of entries) {
      const id = `${entry.epoch}/${entry.seq}`;
      const known = this.#accepted.get(id);
      if (entry.seq <= previous || entry.seq > last)
        this.#break(`${lane} gave ${id} behind ${previous}, in a batch up to ${last}`);
      previous = entry.seq;
      if (known === undefined || entry.form !== 'reading') {
        this.#break(`${lane} gave ${id}, which was never accepted`);
        continue;
      }
      const { value, text, timeMs } = entry;
      if (known.lane !== lane || known.value !== value || known.text !== text || known.timeMs !== timeMs)
        this.#break(`${id} was altered: ${JSON.stringify({ value, timeMs })} instead of ${JSON.stringify(known)}`);
      if (!entry.repeat && known.isGivenFirst) this.#break(`${id} was given twice without repeat`);
      if (!entry.repeat) known.isGivenFirst = true;
      if (known.settled === 'noted') this.#break(`${id} was given again, though its settling was on disk`);
    }
    for (const [id, one] of this.#accepted) {
      if (one.lane !== lane || one.settled !== 'no' || one.isSeenLost || one.seq < first || one.seq > last) continue;
      if (entries.some(({ epoch, seq }) => id === `${epoch}/${seq}`)) continue;
      if (this.#fault !== null) return;
      if (await this.#isTold(one, untilMs)) one.isSeenLost = true;
      else this.#break(`${id} is missing in ${lane} from ${first} to ${last}, and no event tells it`);
    }
  }

  /** All else is told before the batch; frames that cannot be decoded, which only damage makes, in one event for many when the writer has nothing to do (`undecodable.ts`). */
  async #isTold(entry: Accepted, untilMs: number): Promise<boolean> {
    while (this.#isDamaged && !entry.isExcused && performance.now() < untilMs) await setTimeout(10);
    return entry.isExcused;
  }

  /** All of a lane up to a sentinel. */
  async #drain(lane: Lane): Promise<void> {
    const last = (await this.#sentinel(lane)) ?? 0;
    for (; this.#after[lane] < last && this.#fault === null;) {
      const batch = await this.#next(lane, 50);
      await this.#check(lane, batch.first, batch.last, batch.entries);
      this.#after[lane] = batch.last;
    }
  }

  async #failCommit(lane: Lane): Promise<void> {
    await this.#quiet();
    const name = segmentsIn(this.#folder).at(-1);
    if (name === undefined) return;
    const other = new Database(join(this.#folder, name));
    try {
      try {
        other.exec('BEGIN IMMEDIATE');
      } catch {
        // A damaged segment takes no lock, and nobody writes to it.
        return;
      }
      await this.#append(lane, 3, 20, true);
    } finally {
      other.close();
    }
  }

  async #stop(how: 'clean' | 'crash', damages: readonly Damage[]): Promise<void> {
    const buffer = this.#opened();
    if (how === 'crash') {
      // What is not committed yet was never accepted; the writer stands still while the image is taken.
      await this.#barrier();
      const image = join(this.#home, String((this.#copies += 1)));
      cpSync(this.#folder, image, { recursive: true, filter: (file) => !file.endsWith('-shm') });
      await buffer.close(AbortSignal.abort());
      this.#folder = image;
      this.#work = [];
      for (const entry of this.#accepted.values()) if (entry.settled === 'told') entry.settled = 'unsure';
    } else {
      await buffer.close(soon());
      await this.#quiet();
      for (const entry of this.#accepted.values()) if (entry.settled === 'told') entry.settled = 'noted';
    }
    this.#pending = { 'meter-readings': [], 'sensor-values': [] };
    this.#buffer = null;
    for (const damage of damages) this.#damage(damage);
    if (damages.length > 0) this.#isDamaged = true;
    this.#excuseEmptied();
    await this.#open();
  }

  /** The writer has done all that it was asked to. */
  async #barrier(): Promise<void> {
    await this.#quiet();
    await this.#append('sensor-values', 1, 0, true);
  }

  #damage({ how, file, at }: Damage): void {
    const names = readdirSync(this.#folder).filter((name) => statSync(join(this.#folder, name)).isFile());
    const name = names[Math.floor(file * names.length)];
    if (name === undefined) return;
    const path = join(this.#folder, name);
    const place = Math.floor(at * statSync(path).size);
    // What was known to be settled may be so no longer.
    for (const entry of this.#accepted.values()) if (entry.settled !== 'no') entry.settled = 'unsure';
    if (how === 'truncate') this.#truncate(path, name, place);
    else if (how === 'remove') this.#remove(path, name);
    else this.#overwrite(path, name, how, place);
  }

  /** Where only the last commit of a WAL without its index is harmed, it may look like one that a power cut tore (DESIGN.md, decisions), which was never accepted. */
  #overwrite(path: string, name: string, how: 'flip' | 'zero', place: number): void {
    const bytes = readFileSync(path);
    const sector = place - (place % 512);
    const [from, to] = how === 'flip' ? [place, place + 1] : [sector, Math.min(bytes.length, sector + 512)];
    const hasIndex = existsSync(path.replace(/-wal$/, '-shm'));
    if (name.endsWith('-wal') && !hasIndex && isInLastCommit(bytes, from, to)) this.#excuseLastCommit();
    if (how === 'flip') bytes[place] = (bytes[place] ?? 0) ^ (1 << (place % 8));
    else bytes.fill(0, from, to);
    writeFileSync(path, bytes);
  }

  #excuseLastCommit(): void {
    const { epoch, commit } = this.#newest;
    for (const [id, one] of this.#accepted)
      if (one.commit === commit && id.startsWith(`${epoch}/`)) one.isExcused = true;
  }

  /** A WAL without its index that ends sooner looks like one that a power cut ended there (DESIGN.md, decisions): what lay behind may be missing without a word. */
  #truncate(path: string, name: string, place: number): void {
    const span = name.endsWith('-wal') ? spanOf(name, segmentsIn(this.#folder)) : null;
    if (span !== null) this.#excuse(span);
    truncateSync(path, place);
  }

  /** An empty newest segment looks like one that a power cut left before its first commit, unless the list of sealed ones names it: then nothing tells what it held. */
  #excuseEmptied(): void {
    const names = segmentsIn(this.#folder);
    const newest = names.at(-1) ?? '';
    const list = join(this.#folder, 'sealed.list');
    if (newest === '' || statSync(join(this.#folder, newest)).size > 0) return;
    if (existsSync(join(this.#folder, `${newest}-wal`))) return;
    const isNamed = existsSync(list) && sealedLines(this.#folder).some(([name]) => `${name}.db` === newest);
    const span = isNamed ? null : spanOf(newest, names);
    if (span !== null) this.#excuse(span);
  }

  /** A file that is not there tells nothing: what it alone held may be missing without a word. */
  #remove(path: string, name: string): void {
    const span = spanOf(name, segmentsIn(this.#folder));
    if (span !== null) this.#excuse(span);
    rmSync(path);
  }

  #hear({ event, facts }: GatewayEvent, names: readonly string[]): void {
    if (event !== 'loss' && event !== 'possible-loss' && event !== 'quarantine') return;
    const { stream = null, firstSeq, lastSeq, segment } = facts ?? {};
    // A segment of which nothing can be read: all up to the next.
    const span = event === 'quarantine' ? spanOf(`${String(segment)}.db`, names) : null;
    if (span !== null) this.#excuse(span);
    else if (typeof firstSeq === 'number')
      this.#excuse({
        stream: stream === null ? null : String(stream),
        firstSeq,
        lastSeq: typeof lastSeq === 'number' ? lastSeq : Infinity,
      });
  }

  /** What an event tells, it tells of what was accepted before. */
  #excuse({ stream, firstSeq, lastSeq }: Span): void {
    for (const one of this.#accepted.values())
      if ((stream === null || stream === one.lane) && one.seq >= firstSeq && one.seq <= lastSeq) one.isExcused = true;
  }

  #break(text: string): void {
    this.#fault ??= text;
  }
}

function segmentsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => parseSegmentName(name) !== null)
    .toSorted();
}

/** What a segment may hold by its name and the next one's; null: it is none. */
function spanOf(name: string, names: readonly string[]): Span | null {
  const first = parseSegmentName(name.replace(/\.db-\w+$/, '.db'))?.first;
  if (first === undefined) return null;
  const later = names.map((one) => parseSegmentName(one)?.first ?? 0).filter((one) => one > first);
  return { stream: null, firstSeq: first, lastSeq: later.length === 0 ? Infinity : Math.min(...later) - 1 };
}

/** Hexadecimal digits that do not pack, the same for the same number. */
function textOf(value: number, bytes: number): string {
  let state = Math.imul(value, 2_654_435_761) >>> 0;
  let text = '';
  while (text.length < bytes) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(16).padStart(8, '0');
  }
  return text.slice(0, bytes);
}
