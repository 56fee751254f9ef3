import type { GatewayEvent, Kept, Stream } from '../../agent/reading.ts';
import { differenceFrom, fingerprintOf, idOf, numberOf, sourceOf } from './content.ts';

/** What a recorded process told of itself, a JSON line each, in the order in which it happened. */
export type Mark =
  | { readonly mark: 'start'; readonly epoch: string; readonly before: string }
  /** About to hand sources `from`…`to` to the buffer. */
  | {
      readonly mark: 'try';
      readonly stream: Stream;
      readonly from: number;
      readonly to: number;
      readonly wallMs: number;
    }
  /** The commit returned: `pairs` of seq and source number. `commit`: counts them within the epoch; one may tell of several lanes. */
  | {
      readonly mark: 'accepted';
      readonly epoch: string;
      readonly commit: number;
      readonly stream: Stream;
      readonly pairs: readonly [number, number][];
    }
  /** Sent and acknowledged: id, fingerprint. */
  | { readonly mark: 'got'; readonly stream: Stream; readonly entries: readonly [string, string][] }
  /** About to settle what was got of this lane. */
  | { readonly mark: 'settle'; readonly stream: Stream; readonly first: number; readonly last: number }
  /** Is in the dead letters. */
  | { readonly mark: 'dead'; readonly stream: Stream; readonly id: string }
  | { readonly mark: 'event'; readonly event: GatewayEvent };

/** What a restart gave. */
export interface Drained {
  readonly epoch: string;
  readonly entries: readonly Kept[];
  readonly events: readonly GatewayEvent[];
  /** Ids in the dead letters. */
  readonly dead: readonly string[];
}

export interface CutVerdict {
  /** Accepted, not delivered, not given again. */
  readonly lost: readonly string[];
  /** Of these, what no event speaks of. */
  readonly untold: readonly string[];
  /** Everything that must never be: altered, unexpected, unmarked, too many repeats, disorder, reused names. */
  readonly wrong: readonly string[];
  readonly repeats: number;
}

interface Tried {
  readonly stream: Stream;
  readonly wallMs: number;
  readonly at: number;
}

/**
 * The three sets of a whole recording, every fact with its place in it, and the judgement of a restart after a cut at any place. Built on nothing of
 * the buffer but its contract.
 */
export class Ledger {
  readonly #tried = new Map<number, Tried>();
  readonly #accepted = new Map<string, { readonly n: number; readonly at: number }>();
  readonly #idOf = new Map<number, string>();
  readonly #delivered = new Map<string, { readonly fingerprint: string; readonly at: number }>();
  readonly #epochs = new Map<string, number>();
  /** Settled, and carried by a commit that was told here. */
  readonly #gone = new Map<string, number>();
  /** Settled since the commit before last was told; since the last one. */
  #settledBefore: Range[] = [];
  #settledSince: Range[] = [];
  #commit = 0;
  /** Delivered, not yet known to be settled durably. */
  readonly #pending = new Map<Stream, Map<number, string>>();
  /** Losses that the recorded process told. */
  readonly #told: { readonly stream: string; readonly first: number; readonly last: number; readonly at: number }[] =
    [];
  /** What was wrong before any cut. */
  readonly wrong: string[] = [];

  /** How many were accepted before this place. */
  acceptedBefore(at: number): number {
    return [...this.#accepted.values()].filter((one) => one.at < at).length;
  }

  /** `at`: place in the recording; they come in order. */
  note(mark: Mark, at: number): void {
    switch (mark.mark) {
      case 'start':
        if (this.#epochs.has(mark.epoch)) this.wrong.push(`epoch ${mark.epoch} was given twice`);
        this.#epochs.set(mark.epoch, at);
        // What no commit has carried may come again.
        this.#settledBefore = [];
        this.#settledSince = [];
        this.#commit = 0;
        break;
      case 'try':
        for (let n = mark.from; n <= mark.to; n++) this.#tried.set(n, { stream: mark.stream, wallMs: mark.wallMs, at });
        break;
      case 'accepted':
        for (const [seq, n] of mark.pairs) this.#accept(idOf(mark.epoch, seq), n, at);
        if (mark.commit !== this.#commit) this.#carried(at);
        this.#commit = mark.commit;
        break;
      case 'got':
        for (const [id, fingerprint] of mark.entries) this.#got(mark.stream, id, fingerprint, at);
        break;
      case 'settle':
        this.#settledSince.push(mark);
        break;
      case 'dead': {
        const seq = seqOf(mark.id);
        this.#pendingOf(mark.stream).set(seq, mark.id);
        this.#settledSince.push({ stream: mark.stream, first: seq, last: seq });
        break;
      }
      case 'event': {
        const { stream, firstSeq, lastSeq } = mark.event.facts ?? {};
        if (mark.event.event === 'loss' && typeof stream === 'string')
          this.#told.push({ stream, first: Number(firstSeq), last: Number(lastSeq), at });
        break;
      }
    }
  }

  /**
   * `isHonest`: the disk kept what it said to be synced. Else what a commit carried may be gone and come again, and with it every trace of the start that
   * sent it, so that nobody can mark it as a repeat.
   */
  judge({ epoch, entries, events, dead }: Drained, at: number, isHonest: boolean): CutVerdict {
    const wrong: string[] = [];
    const found = new Set<string>();
    const newest = new Map<string, readonly [number, number]>();
    let repeats = 0;
    if ((this.#epochs.get(epoch) ?? at) < at) wrong.push(`epoch ${epoch} was given before`);
    for (const entry of entries) {
      const id = idOf(entry.epoch, entry.seq);
      if (found.has(id)) wrong.push(`${id} came twice in one start`);
      found.add(id);
      const fault = this.#faultOf(entry, id, at);
      if (fault !== null) wrong.push(`${id}: ${fault}`);
      if (isBefore(this.#delivered.get(id), at)) {
        repeats += 1;
        if (isHonest && !entry.repeat) wrong.push(`${id} was delivered before and is not marked as a repeat`);
      }
      if (isHonest && (this.#gone.get(id) ?? at) < at)
        wrong.push(`${id} was settled before the last commit began and comes again`);
      const place: readonly [number, number] = [Number.parseInt(entry.epoch, 10), entry.seq];
      const last = newest.get(sourceOf(entry));
      if (last && (place[0] < last[0] || (place[0] === last[0] && place[1] <= last[1])))
        wrong.push(`${id} comes after ${last.join('/')} of the same source`);
      newest.set(sourceOf(entry), place);
    }
    const kept = new Set([...found, ...dead]);
    const lost: string[] = [];
    for (const [id, accepted] of this.#accepted) {
      if (accepted.at >= at) break;
      if (!isBefore(this.#delivered.get(id), at) && !kept.has(id) && !this.#isToldBefore(id, accepted.n, at))
        lost.push(id);
    }
    return { lost, untold: lost.filter((id) => !isTold(id, events)), wrong, repeats };
  }

  /** Dropped to make room, and told so by the recorded process. */
  #isToldBefore(id: string, n: number, at: number): boolean {
    const stream = this.#tried.get(n)?.stream;
    const seq = seqOf(id);
    return this.#told.some((told) => told.at < at && told.stream === stream && told.first <= seq && seq <= told.last);
  }

  #faultOf(entry: Kept, id: string, at: number): string | null {
    const n = numberOf(entry);
    const tried = n === null ? undefined : this.#tried.get(n);
    if (n === null || !isBefore(tried, at)) return 'no source said it';
    if (tried.stream !== entry.stream) return `it was said for ${tried.stream} and comes in ${entry.stream}`;
    const before = this.#delivered.get(id);
    if (isBefore(before, at) && before.fingerprint !== fingerprintOf(entry)) return 'it differs from its first sending';
    const accepted = this.#accepted.get(id);
    if (isBefore(accepted, at) && accepted.n !== n) return `it was accepted with source number ${accepted.n}, not ${n}`;
    const other = this.#idOf.get(n);
    if (other !== undefined && other !== id && isBefore(this.#accepted.get(other), at))
      return `source number ${n} was accepted as ${other}`;
    return differenceFrom(entry, n, tried.wallMs);
  }

  #accept(id: string, n: number, at: number): void {
    if (this.#accepted.has(id)) this.wrong.push(`${id} was accepted twice`);
    this.#accepted.set(id, { n, at });
    this.#idOf.set(n, id);
  }

  #got(stream: Stream, id: string, fingerprint: string, at: number): void {
    const before = this.#delivered.get(id);
    if (before !== undefined && before.fingerprint !== fingerprint) this.wrong.push(`${id} was sent with two contents`);
    if (before === undefined) this.#delivered.set(id, { fingerprint, at });
    this.#pendingOf(stream).set(seqOf(id), id);
  }

  /** The commit now told began after the one before was told, and carried what was settled until then. */
  #carried(at: number): void {
    for (const { stream, first, last } of this.#settledBefore) {
      const pending = this.#pendingOf(stream);
      for (const [seq, id] of pending)
        if (seq >= first && seq <= last) {
          this.#gone.set(id, this.#gone.get(id) ?? at + 1);
          pending.delete(seq);
        }
    }
    this.#settledBefore = this.#settledSince;
    this.#settledSince = [];
  }

  #pendingOf(stream: Stream): Map<number, string> {
    const pending = this.#pending.get(stream) ?? new Map<number, string>();
    this.#pending.set(stream, pending);
    return pending;
  }
}

function seqOf(id: string): number {
  return Number(id.split('/')[1]);
}

function isBefore<Fact extends { readonly at: number }>(fact: Fact | undefined, at: number): fact is Fact {
  return fact !== undefined && fact.at < at;
}

interface Range {
  readonly stream: Stream;
  readonly first: number;
  readonly last: number;
}

/** Whether a loss or a possible loss with these bounds was told. */
function isTold(id: string, events: readonly GatewayEvent[]): boolean {
  const [epoch = '', text = ''] = id.split('/');
  const seq = Number(text);
  return events.some(({ event, facts }) => {
    if (event !== 'loss' && event !== 'possible-loss' && event !== 'quarantine') return false;
    const isOfEpoch = facts?.['epoch'] === undefined || facts['epoch'] === epoch;
    const last = facts?.['lastSeq'] ?? Infinity;
    return isOfEpoch && Number(facts?.['firstSeq'] ?? 0) <= seq && seq <= Number(last);
  });
}
