import { readlinkSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { messageOf, SluiceError } from '../agent/errors.ts';
import type { GatewayEvent } from '../agent/reading.ts';
import type { Call, Commit, Committed, FromWriter, Opened, RoomRequest, StoreOptions, ToWriter } from './protocol.ts';
import { ReadOnlyStart } from './read-only-start.ts';
import { isReadOnly } from './folder.ts';
import { Store } from './store.ts';

// The writer thread: the one owner of the buffer's files.

const settledEveryMs = 30_000;
const spaceEveryMs = 200;
const retryEveryMs = 1_000;
/** Between the steps in which damaged segments are examined: commits and reads go before. */
const mendEveryMs = 100;
/** Between looks at the quarantine: what people move out of it is room. */
const quarantineEveryMs = 1_000;
/** After a step that failed. */
const mendAgainMs = 60_000;

const port = parentPort;
if (!port) throw new Error('buffer/writer runs as a worker thread only');
const post = (message: FromWriter): void => port.postMessage(message);

const tell = (event: GatewayEvent): void => post({ type: 'event', event });
const trouble = (message: string): void => post({ type: 'trouble', message });

let store: Store | null = null;
/** Until the disk can be written. */
let start: ReadOnlyStart | null = null;
let settledTimer: NodeJS.Timeout | null = null;
let spaceTimer: NodeJS.Timeout | null = null;
let mendTimer: NodeJS.Timeout | null = null;
let quarantineTimer: NodeJS.Timeout | null = null;
let isNotingTold = false;
let isVolatile = false;
const failedCommits = new Set<number>();

port.on('message', (message: ToWriter) => {
  if (message.type === 'settle') settle(message.lane, message.first, message.last);
  else if (message.type === 'damaged') noted(() => (start ?? opened()).tellDamaged(message.frame));
  else if (message.call.call === 'makeRoom') makeRoom(message.number, message.call.take);
  else answer(message.number, message.call);
  mendSoon();
});

function mendSoon(afterMs = mendEveryMs): void {
  if (store?.needsMending !== true) return;
  mendTimer ??= setTimeout(() => {
    mendTimer = null;
    try {
      opened().mend();
      mendSoon();
    } catch (error) {
      trouble(`a damaged segment cannot be mended now, it is tried again: ${messageOf(error)}`);
      mendSoon(mendAgainMs);
    }
  }, afterMs);
}

function answer(number: number, call: Exclude<Call, { call: 'makeRoom' }>): void {
  try {
    const value = perform(call);
    if (call.call === 'commit') tellVolatile(false);
    post({ type: 'gave', number, value });
    if (call.call === 'commit') setImmediate(() => store?.keepBallast());
    failedCommits.delete(number);
  } catch (error) {
    if (call.call === 'commit') {
      if (store?.madeRoomAfter(error) === true) {
        trouble(
          'the disk is full: the ballast is given up, so that events and what was delivered can still be written',
        );
        answer(number, call);
        return;
      }
      // Each new try goes to a new segment. Others are served meanwhile: what is read and settled is what makes room on a full disk.
      if (!failedCommits.has(number))
        trouble(`a commit failed, it is tried again every ${retryEveryMs} ms: ${messageOf(error)}`);
      failedCommits.add(number);
      tellVolatile(store?.isReadOnly() ?? true);
      setTimeout(() => answer(number, call), retryEveryMs);
      return;
    }
    post({ type: 'failed', number, code: codeOf(error), message: messageOf(error) });
  }
}

function tellVolatile(isOn: boolean): void {
  if (isOn !== isVolatile) post({ type: 'volatile', isOn });
  isVolatile = isOn;
}

function codeOf(error: unknown): string {
  return error instanceof SluiceError ? error.code : 'BUFFER_FAILED';
}

function makeRoom(number: number, request: RoomRequest): void {
  const steps = opened().makeRoom(request);
  const step = (): void => {
    try {
      const { done, value } = steps.next();
      if (done === true) post({ type: 'gave', number, value });
      else setImmediate(step);
    } catch (error) {
      post({ type: 'failed', number, code: codeOf(error), message: messageOf(error) });
    }
  };
  step();
}

function perform(call: Exclude<Call, { call: 'makeRoom' }>): unknown {
  switch (call.call) {
    case 'open':
      return open(call.take);
    case 'commit':
      return commit(call.take);
    case 'read':
      return (start ?? opened()).read(call.take);
    case 'date':
      (start ?? opened()).date(call.take);
      return null;
    case 'reject':
      (start ?? opened()).reject(call.take);
      return null;
    case 'keepSlots':
      opened().keepSlots(call.take);
      return null;
    case 'live':
      return `/proc/${readlinkSync('/proc/thread-self')}`;
    case 'close':
      if (settledTimer) clearTimeout(settledTimer);
      if (spaceTimer) clearTimeout(spaceTimer);
      if (mendTimer) clearTimeout(mendTimer);
      if (quarantineTimer) clearInterval(quarantineTimer);
      if (!start) opened().close(call.take.sent);
      return null;
  }
}

function open(options: StoreOptions): Opened {
  quarantineTimer = setInterval(() => {
    if (store?.recountQuarantine() === true) post({ type: 'space', space: store.space() });
  }, quarantineEveryMs);
  if (isReadOnly(options.path)) {
    start = new ReadOnlyStart(options, tell);
    setImmediate(() => tellVolatile(true));
    return start.opened();
  }
  store = new Store(options, tell);
  return store.opened();
}

function commit(take: Commit): Committed {
  if (start) {
    store = begunAnew(start);
    start = null;
  }
  return opened().commit(take);
}

/** What is half open cannot be opened again by the same process: the daemon ends with this thread, and is started anew. */
function begunAnew(from: ReadOnlyStart): Store {
  try {
    return from.become();
  } catch (error) {
    if (codeOf(error) !== 'READ_ONLY')
      setImmediate(() => {
        throw error;
      });
    throw error;
  }
}

function settle(lane: number, first: number, last: number): void {
  noted(() => (start ?? opened()).settle(lane, first, last));
  spaceTimer ??= setTimeout(() => {
    spaceTimer = null;
    const owner = start ?? store;
    if (owner) post({ type: 'space', space: owner.space() });
  }, spaceEveryMs);
  if (start) return;
  settledTimer ??= setTimeout(() => {
    settledTimer = null;
    noted(() => opened().writeSettled());
  }, settledEveryMs);
}

/** What was delivered is known in memory whatever the disk says; written it is with the next chance. Trouble is told once until it works again. */
function noted(note: () => void): void {
  try {
    note();
    isNotingTold = false;
  } catch (error) {
    if (store?.madeRoomAfter(error) === true) {
      noted(note);
      return;
    }
    if (!isNotingTold) trouble(`noting what was delivered failed, it is tried again: ${messageOf(error)}`);
    isNotingTold = true;
  }
}

function opened(): Store {
  if (!store) throw new Error('the buffer is not open');
  return store;
}
