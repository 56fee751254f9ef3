import type { Buffer as Lanes } from '../../buffer/buffer.ts';
import { outageBackoff } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { UplinkError } from '../errors.ts';
import { Pulse } from '../pulse.ts';
import type { GatewayEvent, Kept, Stream } from '../reading.ts';
import type { Encode } from '../uplink/encodings.ts';
import type { OutRecord, Uplink, UplinkFactory } from '../uplink/uplink.ts';
import { rejected, rejectedText, stalled, stalledText } from './dead-letters.ts';
import { LaneQueue, type RequestLimits } from './lane-queue.ts';
import { LaneStatus } from './lane-status.ts';
import type { LaneState, Log } from './lane-status.ts';
import type { Piece } from './pieces.ts';

export interface ForwarderState extends LaneState {
  /** Unix ms of the oldest entry that is taken and not settled, the first of the lane; null: none is taken. */
  readonly oldestMs: number | null;
  /** Boot time by which its loop goes on; null: it waits for entries or for the disk, or has ended. */
  readonly dueMs: number | null;
}

export interface ForwarderOptions {
  readonly lane: Stream;
  readonly buffer: Pick<Lanes, 'next' | 'settle' | 'reject'>;
  readonly uplinks: UplinkFactory;
  readonly encode: Encode;
  readonly clock: Clock;
  /** Dead letters. Never called by the lane of events: its own trouble must not make more of it. */
  readonly event: (event: GatewayEvent) => void;
  readonly log?: Log;
  readonly random?: () => number;
  readonly limits?: Partial<ForwarderLimits>;
  /** Of the forwarder whose place this one takes: its counts go on. */
  readonly before?: ForwarderState | undefined;
}

export interface ForwarderLimits extends RequestLimits {
  /** Longest wait before the second attempt. */
  readonly backoffBaseMs: number;
  /** Between attempts when a person must act. */
  readonly slowMs: number;
  /** More refused records in a row than this are no poison: the topic is broken. */
  readonly rejectionsInRow: number;
}

export interface Forwarder {
  state(): ForwarderState;
  /** Takes nothing new; waits for the answer to what is being sent, until `signal` fires or the uplink's own deadline. Idempotent. */
  stop(signal?: AbortSignal): Promise<void>;
}

const defaults: ForwarderLimits = {
  sendRecords: 2000,
  sendBytes: 900_000,
  backoffBaseMs: 250,
  slowMs: 30_000,
  rejectionsInRow: 100,
};

/** Connecting, sending and closing have deadlines in the uplink, all of them shorter: beyond this the loop hangs. */
const longestStepMs = 120_000;

/** A broker that is just starting may deny a topic for a moment: so many operator errors in a row are tried again soon, untold. */
const operatorGrace = 2;

/**
 * One loop for one lane: next, encode, send, settle. It alone retries and rejects. What was in doubt is sent again first, in order,
 * marked as a repeat; an entry leaves the lane only by an ack of all in-sync replicas or into the dead letters.
 */
export function startForwarder(options: ForwarderOptions): Forwarder {
  const loop = new LaneLoop(options);
  const ended = loop.run();
  return {
    state: () => ({ ...loop.status.state, oldestMs: loop.queue.oldestMs, dueMs: loop.pulse.dueMs }),
    stop: (signal) => {
      loop.stop(signal);
      return ended;
    },
  };
}

class LaneLoop {
  readonly status: LaneStatus;
  readonly pulse: Pulse;
  readonly #options: ForwarderOptions;
  readonly #limits: ForwarderLimits;
  readonly #stopping = new AbortController();
  readonly #hurry = new AbortController();
  readonly queue: LaneQueue;
  #uplink: Uplink | undefined;
  #failures = 0;
  /** Boot time of the first failure since the last delivery. */
  #downSinceMs = 0;
  #operatorInRow = 0;
  #rejectedInRow = 0;
  #isStalled = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
    this.queue = new LaneQueue(options.encode, options.clock, this.#limits);
    this.pulse = new Pulse(options.clock);
    this.status = new LaneStatus(options.lane, options.clock, options.log, options.before);
  }

  stop(signal: AbortSignal | undefined): void {
    this.#stopping.abort(new Error('stopping'));
    const abort = (): void => this.#hurry.abort(new Error('stopping at once'));
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  }

  async run(): Promise<void> {
    let trouble: unknown;
    while (!this.#stopping.signal.aborted) {
      try {
        const error = trouble;
        trouble = undefined;
        if (error === undefined) await this.#forward();
        else await this.#mend(error);
      } catch (error) {
        trouble = error;
        await this.#drop();
      }
    }
    await this.#drop();
    this.pulse.rest();
    this.status.enter('stopped');
  }

  async #forward(): Promise<void> {
    await this.#connected();
    if (this.queue.length === 0) await this.#take(this.#stopping.signal);
    const records = this.queue.encodeHead();
    const { head } = this.queue;
    if (head === undefined) return;
    await this.#send(head, records);
    this.queue.shift();
  }

  async #mend(error: unknown): Promise<void> {
    if (error instanceof UplinkError && error.fate === 'refused') await this.#refused(error);
    else await this.#wait(error);
  }

  async #connected(): Promise<Uplink> {
    if (this.#uplink === undefined) {
      this.status.enter('connecting');
      this.pulse.within(longestStepMs);
      this.#uplink = this.#options.uplinks(this.#options.lane);
      await this.#uplink.connect(this.#stopping.signal);
      this.status.enter('connected');
    }
    return this.#uplink;
  }

  /** An uplink that failed once is never used again. */
  async #drop(): Promise<void> {
    const uplink = this.#uplink;
    this.#uplink = undefined;
    this.pulse.within(longestStepMs);
    await uplink?.close();
  }

  async #take(signal: AbortSignal): Promise<void> {
    const { buffer, lane } = this.#options;
    this.pulse.rest();
    this.queue.push(await buffer.next(lane, this.queue.taken, this.#limits.sendRecords, signal));
  }

  async #send(piece: Piece, records: readonly OutRecord[]): Promise<void> {
    const { buffer, lane } = this.#options;
    const uplink = await this.#connected();
    const repeats = this.queue.attempt(piece);
    this.pulse.within(longestStepMs);
    await uplink.send(lane, records, this.#hurry.signal);
    buffer.settle(lane, piece.first, piece.last);
    this.#failures = 0;
    this.#operatorInRow = 0;
    this.#rejectedInRow = 0;
    this.#isStalled = false;
    this.status.delivered(records.length, repeats);
  }

  /** At random and soon when it may pass by itself, slowly when a person must act. */
  async #wait(error: unknown): Promise<void> {
    const { clock, random } = this.#options;
    const { backoffBaseMs, slowMs } = this.#limits;
    const { status } = this;
    const { fate, code, message } = status.trouble(error);
    const { bootMs } = clock.now();
    if (this.#failures === 0) this.#downSinceMs = bootMs;
    this.#failures++;
    this.#operatorInRow = fate === 'operator' ? this.#operatorInRow + 1 : 0;
    const isSlow = this.#operatorInRow > operatorGrace;
    if (isSlow) status.tellOnce('error', code, `${message} (${code}); nothing is lost, entries wait in the buffer`);
    else if (fate === 'retry') status.tellOnce('warning', code, `${message} (${code}); trying again`);
    status.enter('waiting');
    const soonMs = outageBackoff(this.#failures, bootMs - this.#downSinceMs, backoffBaseMs, random);
    await this.#nap(isSlow ? slowMs : soonMs, 1);
  }

  /** Halve what was refused; one alone is tried with the timestamp now; refused again, it is poison, unless everything is. */
  async #refused(error: UplinkError): Promise<void> {
    this.status.trouble(error);
    const { head } = this.queue;
    const [entry, second] = head?.entries ?? [];
    if (head === undefined || entry === undefined) return this.#wait(error);
    if (second !== undefined) return this.queue.cutHead(Math.ceil(head.entries.length / 2));
    if (!head.datedNow) {
      if (error.code === 'INVALID_TIMESTAMP') this.queue.learnAge(entry);
      return this.queue.cutHead(1, true);
    }
    if (error.code === 'INVALID_TIMESTAMP') {
      const text = `${error.message}; even the time now is refused: compare the broker's clock with the gateway's`;
      return this.#wait(new UplinkError('operator', error.code, text, { cause: error }));
    }
    if (this.#rejectedInRow >= this.#limits.rejectionsInRow && !(await this.#neighbourPasses()))
      return this.#stall(error.code);
    return this.#reject(entry, error);
  }

  /** The head goes to the dead letters, durably, before anything after it is sent. */
  async #reject(entry: Kept, error: UplinkError): Promise<void> {
    const { buffer, lane, event } = this.#options;
    const record = this.queue.encode(entry, true);
    const { key, value } = record instanceof Error ? { key: '', value: null } : record;
    this.pulse.rest();
    await buffer.reject(entry, `${error.code}: ${error.message}`, { key, value });
    const head = this.queue.shift();
    if (head !== undefined) buffer.settle(lane, head.first, head.last);
    this.#rejectedInRow++;
    this.status.rejected();
    this.status.tell('warning', rejectedText(error));
    if (lane !== 'gateway-events') event(rejected(lane, entry, error));
  }

  /** Is it the head or the topic? Offers the head's neighbour: if the broker takes that, the head is poison after all. */
  async #neighbourPasses(): Promise<boolean> {
    const one = this.queue.neighbour;
    const entry = one?.entries[0];
    if (one === undefined || entry === undefined) return false;
    const record = this.queue.encode(entry, true);
    if (record instanceof Error) return false;
    try {
      await this.#send(one, [record]);
    } catch (error) {
      await this.#drop();
      if (error instanceof UplinkError && error.fate === 'refused') return false;
      throw error;
    }
    this.queue.dropNeighbour();
    return true;
  }

  /** Too many in a row: the alarm, once; then one attempt at a time, slowly. Meanwhile the head gets a neighbour, if there is any. */
  async #stall(code: string): Promise<void> {
    const { event, lane } = this.#options;
    const { slowMs, rejectionsInRow } = this.#limits;
    if (!this.#isStalled) {
      this.#isStalled = true;
      const text = stalledText(code, rejectionsInRow, slowMs);
      this.status.tell('error', text);
      if (lane !== 'gateway-events') event(stalled(lane, code, text));
    }
    this.status.enter('stalled');
    await this.#nap(slowMs, 2);
  }

  /** Meanwhile takes what comes, until there are `pieces`: a head, so that its age can be told, and a neighbour for it. */
  async #nap(ms: number, pieces: number): Promise<void> {
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, this.#stopping.signal]);
    const taken = this.queue.length >= pieces ? [] : [this.#take(signal)];
    // What is taken comes from the disk, which may hold it for ever.
    if (taken.length === 0) this.pulse.within(ms);
    const slept = this.#options.clock.sleep(ms, signal).finally(() => enough.abort(new Error('waited long enough')));
    await Promise.allSettled([slept, ...taken]);
  }
}
