import { readlinkSync } from 'node:fs';
import { messageOf, SluiceError } from '../agent/errors.ts';
import type { GatewayEvent } from '../agent/reading.ts';
import { isReadOnly } from './folder.ts';
import type { Call, Commit, Committed, FromWriter, Opened, RoomRequest, StoreOptions, ToWriter } from './protocol.ts';
import { ReadOnlyStart } from './read-only-start.ts';
import { Store } from './store.ts';

const settledEveryMs = 30_000;
const spaceEveryMs = 200;
const retryEveryMs = 1_000;
/** Between the steps in which damaged segments are examined: commits and reads go before. */
const mendEveryMs = 100;
/** Between looks at the quarantine: what people move out of it is room. */
const quarantineEveryMs = 1_000;
/** After a step that failed. */
const mendAgainMs = 60_000;

export interface WriterParts {
  readonly post: (message: FromWriter) => void;
  /** It can do nothing any more: the process is to end, and to be started anew. */
  readonly fail: (error: unknown) => void;
}

/** The one owner of the buffer's files: does what it is asked, one message after the other, and what can wait in between. */
export class Writer {
  readonly #parts: WriterParts;
  #store: Store | null = null;
  /** Until the disk can be written. */
  #start: ReadOnlyStart | null = null;
  #settledTimer: NodeJS.Timeout | null = null;
  #spaceTimer: NodeJS.Timeout | null = null;
  #mendTimer: NodeJS.Timeout | null = null;
  #quarantineTimer: NodeJS.Timeout | null = null;
  #isNotingTold = false;
  #isVolatile = false;
  readonly #failedCommits = new Map<number, NodeJS.Timeout>();

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  hear(message: ToWriter): void {
    if (message.type === 'settle') this.#settle(message.lane, message.first, message.last);
    else if (message.type === 'damaged') this.#noted(() => this.#owner().tellDamaged(message.frame));
    else if (message.call.call === 'makeRoom') this.#makeRoom(message.number, message.call.take);
    else this.#answer(message.number, message.call);
    this.#mendSoon();
  }

  /** Begins nothing any more by itself. */
  rest(): void {
    for (const timer of [this.#settledTimer, this.#spaceTimer, this.#mendTimer, ...this.#failedCommits.values()])
      if (timer) clearTimeout(timer);
    if (this.#quarantineTimer) clearInterval(this.#quarantineTimer);
  }

  readonly #tell = (event: GatewayEvent): void => this.#post({ type: 'event', event });

  #post(message: FromWriter): void {
    this.#parts.post(message);
  }

  #trouble(message: string): void {
    this.#post({ type: 'trouble', message });
  }

  #mendSoon(afterMs = mendEveryMs): void {
    if (this.#store?.needsMending !== true) return;
    this.#mendTimer ??= setTimeout(() => {
      this.#mendTimer = null;
      try {
        this.#opened().mend();
        this.#mendSoon();
      } catch (error) {
        this.#trouble(`a damaged segment cannot be mended now, it is tried again: ${messageOf(error)}`);
        this.#mendSoon(mendAgainMs);
      }
    }, afterMs);
  }

  #answer(number: number, call: Exclude<Call, { call: 'makeRoom' }>): void {
    try {
      const value = this.#perform(call);
      if (call.call === 'commit') this.#tellVolatile(false);
      this.#post({ type: 'gave', number, value });
      if (call.call === 'commit') setImmediate(() => this.#store?.keepBallast());
      this.#failedCommits.delete(number);
    } catch (error) {
      if (call.call === 'commit') this.#commitFailed(number, call, error);
      else this.#post({ type: 'failed', number, code: codeOf(error), message: messageOf(error) });
    }
  }

  /** Each new try goes to a new segment. Others are served meanwhile: what is read and settled is what makes room on a full disk. */
  #commitFailed(number: number, call: Extract<Call, { call: 'commit' }>, error: unknown): void {
    if (this.#store?.madeRoomAfter(error) === true) {
      this.#trouble(
        'the disk is full: the ballast is given up, so that events and what was delivered can still be written',
      );
      this.#answer(number, call);
      return;
    }
    if (!this.#failedCommits.has(number))
      this.#trouble(`a commit failed, it is tried again every ${retryEveryMs} ms: ${messageOf(error)}`);
    this.#tellVolatile(this.#store?.isReadOnly() ?? true);
    this.#failedCommits.set(
      number,
      setTimeout(() => this.#answer(number, call), retryEveryMs),
    );
  }

  #tellVolatile(isOn: boolean): void {
    if (isOn !== this.#isVolatile) this.#post({ type: 'volatile', isOn });
    this.#isVolatile = isOn;
  }

  #makeRoom(number: number, request: RoomRequest): void {
    const steps = this.#opened().makeRoom(request);
    const step = (): void => {
      try {
        const { done, value } = steps.next();
        if (done === true) this.#post({ type: 'gave', number, value });
        else setImmediate(step);
      } catch (error) {
        this.#post({ type: 'failed', number, code: codeOf(error), message: messageOf(error) });
      }
    };
    step();
  }

  #perform(call: Exclude<Call, { call: 'makeRoom' }>): unknown {
    switch (call.call) {
      case 'open':
        return this.#open(call.take);
      case 'commit':
        return this.#commit(call.take);
      case 'read':
        return this.#owner().read(call.take);
      case 'date':
        this.#owner().date(call.take);
        return null;
      case 'reject':
        this.#owner().reject(call.take);
        return null;
      case 'keepSlots':
        this.#opened().keepSlots(call.take);
        return null;
      case 'live':
        return `/proc/${readlinkSync('/proc/thread-self')}`;
      case 'close':
        this.rest();
        if (!this.#start) this.#opened().close(call.take.sent);
        return null;
    }
  }

  #open(options: StoreOptions): Opened {
    this.#quarantineTimer = setInterval(() => {
      if (this.#store?.recountQuarantine() === true) this.#post({ type: 'space', space: this.#store.space() });
    }, quarantineEveryMs);
    if (isReadOnly(options.path)) {
      this.#start = new ReadOnlyStart(options, this.#tell);
      setImmediate(() => this.#tellVolatile(true));
      return this.#start.opened();
    }
    this.#store = new Store(options, this.#tell);
    return this.#store.opened();
  }

  #commit(take: Commit): Committed {
    if (this.#start) {
      this.#store = this.#begunAnew(this.#start);
      this.#start = null;
    }
    return this.#opened().commit(take);
  }

  /** What is half open cannot be opened again by the same process: the daemon ends with this thread, and is started anew. */
  #begunAnew(from: ReadOnlyStart): Store {
    try {
      return from.become();
    } catch (error) {
      if (codeOf(error) !== 'READ_ONLY') setImmediate(() => this.#parts.fail(error));
      throw error;
    }
  }

  #settle(lane: number, first: number, last: number): void {
    this.#noted(() => this.#owner().settle(lane, first, last));
    this.#spaceTimer ??= setTimeout(() => {
      this.#spaceTimer = null;
      const owner = this.#start ?? this.#store;
      if (owner) this.#post({ type: 'space', space: owner.space() });
    }, spaceEveryMs);
    if (this.#start) return;
    this.#settledTimer ??= setTimeout(() => {
      this.#settledTimer = null;
      this.#noted(() => this.#opened().writeSettled());
    }, settledEveryMs);
  }

  /** What was delivered is known in memory whatever the disk says; written it is with the next chance. Trouble is told once until it works again. */
  #noted(note: () => void): void {
    try {
      note();
      this.#isNotingTold = false;
    } catch (error) {
      if (this.#store?.madeRoomAfter(error) === true) {
        this.#noted(note);
        return;
      }
      if (!this.#isNotingTold)
        this.#trouble(`noting what was delivered failed, it is tried again: ${messageOf(error)}`);
      this.#isNotingTold = true;
    }
  }

  #owner(): ReadOnlyStart | Store {
    return this.#start ?? this.#opened();
  }

  #opened(): Store {
    if (!this.#store) throw new Error('the buffer is not open');
    return this.#store;
  }
}

function codeOf(error: unknown): string {
  return error instanceof SluiceError ? error.code : 'BUFFER_FAILED';
}
