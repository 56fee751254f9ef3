import { parentPort } from 'node:worker_threads';
import { messageOf, SluiceError } from '../agent/errors.ts';
import type { Call, Committed, Commit, FromWriter, ToWriter } from './protocol.ts';
import { Store } from './store.ts';

// The writer thread: the one owner of the buffer's files. Calls are done one after the other; settling is heard in between.

const settledEveryMs = 30_000;
const spaceEveryMs = 200;
const retryEveryMs = 1_000;

const port = parentPort;
if (!port) throw new Error('buffer/writer runs as a worker thread only');
const post = (message: FromWriter): void => port.postMessage(message);

const trouble = (message: string): void => post({ type: 'trouble', message });

let store: Store | null = null;
let settledTimer: NodeJS.Timeout | null = null;
let spaceTimer: NodeJS.Timeout | null = null;
let queue: Promise<void> = Promise.resolve();

port.on('message', (message: ToWriter) => {
  if (message.type === 'settle') {
    settle(message.lane, message.first, message.last);
    return;
  }
  queue = queue.then(() => answer(message.number, message.call));
});

async function answer(number: number, call: Call): Promise<void> {
  try {
    post({ type: 'gave', number, value: await perform(call) });
  } catch (error) {
    const code = error instanceof SluiceError ? error.code : 'BUFFER_FAILED';
    post({ type: 'failed', number, code, message: messageOf(error) });
  }
}

async function perform(call: Call): Promise<unknown> {
  switch (call.call) {
    case 'open':
      store = new Store(call.take, (event) => post({ type: 'event', event }));
      return store.opened();
    case 'commit':
      return commit(opened(), call.take);
    case 'read':
      return opened().read(call.take.lane, call.take.after, call.take.most, call.take.known);
    case 'reject':
      opened().reject(call.take);
      return null;
    case 'close':
      if (settledTimer) clearTimeout(settledTimer);
      if (spaceTimer) clearTimeout(spaceTimer);
      opened().close(call.take.sent);
      return null;
  }
}

/** Until it is on disk: each new try goes to a new segment. Meanwhile the readings wait in memory, up to the buffer's bound. */
async function commit(into: Store, what: Commit): Promise<Committed> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return into.commit(what);
    } catch (error) {
      if (isFirst)
        trouble(`a commit failed, trying again in a new segment every ${retryEveryMs} ms: ${messageOf(error)}`);
      else await new Promise((resolve) => setTimeout(resolve, retryEveryMs));
    }
  }
}

function settle(lane: number, first: number, last: number): void {
  try {
    opened().settle(lane, first, last);
  } catch (error) {
    trouble(`noting what was delivered failed, it is tried again: ${messageOf(error)}`);
  }
  settledTimer ??= setTimeout(() => {
    settledTimer = null;
    try {
      opened().writeSettled();
    } catch (error) {
      trouble(`noting what was delivered failed, it is tried again: ${messageOf(error)}`);
    }
  }, settledEveryMs);
  spaceTimer ??= setTimeout(() => {
    spaceTimer = null;
    post({ type: 'space', space: opened().space() });
  }, spaceEveryMs);
}

function opened(): Store {
  if (!store) throw new Error('the buffer is not open');
  return store;
}
