import type { Batch } from '../../buffer/buffer.ts';
import type { Clock } from '../clock.ts';
import { UplinkError } from '../errors.ts';
import type { Kept, Seq } from '../reading.ts';
import type { Encode } from '../uplink/encodings.ts';
import type { OutRecord } from '../uplink/uplink.ts';
import { type Piece, cut, pieceOf } from './pieces.ts';

/** How much goes into one request. */
export interface RequestLimits {
  readonly sendRecords: number;
  /** Of keys and values, before compression: below the broker's default of 1 MB for a batch. */
  readonly sendBytes: number;
}

/** What was taken from a lane and is not settled, in order; and how it becomes records. The head is what is sent next. */
export class LaneQueue {
  readonly #toRecord: Encode;
  readonly #clock: Clock;
  readonly #limits: RequestLimits;
  #pieces: Piece[] = [];
  #taken: Seq = 0;
  /** Everything up to here may have arrived already. */
  #attempted: Seq = 0;
  /** A record of this age is dated now: the broker refused such an age before. */
  #refusedAgeMs = Infinity;

  constructor(toRecord: Encode, clock: Clock, limits: RequestLimits) {
    this.#toRecord = toRecord;
    this.#clock = clock;
    this.#limits = limits;
  }

  get length(): number {
    return this.#pieces.length;
  }

  get head(): Piece | undefined {
    return this.#pieces[0];
  }

  /** Up to here the lane was taken. */
  get taken(): Seq {
    return this.#taken;
  }

  /** Unix ms of the first entry; null: there is none. */
  get oldestMs(): number | null {
    return this.head?.entries[0]?.timeMs ?? null;
  }

  push(batch: Batch): void {
    this.#taken = batch.last;
    if (batch.entries.length > 0) this.#pieces.push(pieceOf(batch));
  }

  shift(): Piece | undefined {
    return this.#pieces.shift();
  }

  /** This piece is about to be sent. Gives how many of its entries were sent before. */
  attempt(piece: Piece): number {
    const repeats = piece.entries.filter(({ seq }) => seq <= this.#attempted).length;
    this.#attempted = Math.max(this.#attempted, piece.last);
    return repeats;
  }

  /** The records of the head, which is cut where a request is full. */
  encodeHead(): OutRecord[] {
    const { sendBytes, sendRecords } = this.#limits;
    const { head } = this;
    const records: OutRecord[] = [];
    const { wallMs } = this.#clock.now();
    let bytes = 0;
    for (const entry of head?.entries ?? []) {
      const record = this.encode(entry, head?.datedNow === true, wallMs);
      if (record instanceof Error) {
        if (records.length > 0) break;
        this.cutHead(1, true);
        throw new UplinkError('refused', 'ENCODING', `cannot be encoded: ${record.message}`, { cause: record });
      }
      bytes += record.key.length + (record.value?.length ?? 0);
      if (records.length > 0 && (bytes > sendBytes || records.length >= sendRecords)) break;
      records.push(record);
    }
    this.cutHead(records.length);
    return records;
  }

  /** `datedNow`: with the record timestamp now instead of its own. */
  encode(entry: Kept, datedNow: boolean, wallMs = this.#clock.now().wallMs): OutRecord | Error {
    try {
      const record = this.#toRecord(entry, entry.seq <= this.#attempted);
      const isRefusedAge = wallMs - record.timestampMs >= this.#refusedAgeMs;
      return datedNow || isRefusedAge ? { ...record, timestampMs: wallMs } : record;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Leaves the first `count` entries as the head. */
  cutHead(count: number, datedNow = false): void {
    const [head, ...rest] = this.#pieces;
    if (head === undefined) return;
    const [first = head, ...others] = cut(head, count);
    this.#pieces = [datedNow ? { ...first, datedNow } : first, ...others, ...rest];
  }

  /** The entry behind the head, as a piece of its own. */
  get neighbour(): Piece | undefined {
    const next = this.#pieces[1];
    return next && cut(next, 1)[0];
  }

  /** It was delivered before the head. */
  dropNeighbour(): void {
    const [head, next, ...rest] = this.#pieces;
    if (head === undefined || next === undefined) return;
    this.#pieces = [head, ...cut(next, 1).slice(1), ...rest];
  }

  /** A quarter younger than what was refused: a backlog comes in order of age, and would else be halved down to one for every age. */
  learnAge(entry: Kept): void {
    const ageMs = this.#clock.now().wallMs - entry.timeMs;
    if (ageMs > 0) this.#refusedAgeMs = Math.min(this.#refusedAgeMs, ageMs * 0.75);
  }
}
