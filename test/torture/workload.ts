/**
 * A process that uses a buffer as the daemon does, and tells every step: `workload.ts FOLDER MARKS SEED COMMITS END WHEN_FULL`. END: `close`, or `kill` (SIGKILL
 * of itself in the middle of its work). WHEN_FULL: with `thin` nobody reads for most of the time, so that room must be made. Runs under the shim, which puts
 * the marks into the log.
 */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BufferError, messageOf } from '../../agent/errors.ts';
import type { Kept, Seq, Stream } from '../../agent/reading.ts';
import { streams } from '../../agent/reading.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { openBuffer } from '../../buffer/open.ts';
import { entryOf, fingerprintOf, idOf } from './content.ts';
import { wallClock } from './wall-clock.ts';
import type { Mark } from './ledger.ts';
import { below, randomFrom } from './random.ts';
import { tortureQuota } from './quota.ts';

const [folder = '', marksFile = '', seed = '1', commits = '60', end = 'close', whenFull = 'stop'] =
  process.argv.slice(2);
const random = randomFrom(Number(seed));
const marks = openSync(marksFile, 'a');
const tell = (mark: Mark): void => void writeSync(marks, `${JSON.stringify(mark)}\n`);
const clock = wallClock();
/** Source numbers handed over and not accepted yet, per stream, in order. */
const tried = new Map<Stream, number[]>(streams.map((stream) => [stream, []]));

let nextNumber = nextNumberIn(marksFile);
let accepted = 0;
let announceDone = (): void => undefined;
const done = new Promise<void>((resolve) => (announceDone = resolve));
/** Of the commits, before anybody reads. */
const restShare = whenFull === 'thin' ? 0.7 : 0;
let announceRead = (): void => undefined;
const mayRead = new Promise<void>((resolve) => (announceRead = resolve));
if (restShare === 0) announceRead();
let isOpen = false;

/** sysexits.h, EX_IOERR: this start failed on the disk, another may not. */
const sickDisk = 74;
const buffer = await openBuffer({
  path: folder,
  maxBytes: tortureQuota,
  commitEveryMs: 1,
  whenFull: whenFull === 'thin' ? 'thin' : 'stop',
  clock,
  event: (event) => {
    tell({ mark: 'event', event });
    // As the gateway does: what is told now goes into the commit that drops.
    if (isOpen) void add('gateway-events', 1);
  },
  log: (message) => process.stderr.write(`${message}\n`),
  tap: (epoch, stream, seqs) => {
    const numbers = tried.get(stream)?.splice(0, seqs.length) ?? [];
    tell({
      mark: 'accepted',
      epoch,
      commit: buffer.stats().commits,
      stream,
      pairs: seqs.map((seq, at) => [seq, numbers[at] ?? -1]),
    });
    accepted += 1;
    if (accepted >= Number(commits) * restShare) announceRead();
    if (accepted >= Number(commits)) announceDone();
  },
}).catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(error instanceof BufferError && error.code === 'BUFFER_FAILED' ? sickDisk : 1);
});
isOpen = true;
tell({ mark: 'start', epoch: buffer.epoch, before: buffer.before });
const over = new AbortController();
const readers = streams.map((stream) => read(buffer, stream, over.signal));
void append();
await done;
if (end === 'kill') process.kill(process.pid, 'SIGKILL');
over.abort();
await Promise.allSettled(readers);
await buffer.close(AbortSignal.timeout(10_000));

async function append(): Promise<void> {
  while (!over.signal.aborted) {
    const stream = streams[[0, 0, 0, 1, 1, 1, 2, 3][below(8, random)] ?? 0] ?? 'meter-readings';
    const count = 1 + below(random() < 0.1 ? 60 : 12, random);
    const taken = add(stream, count);
    if (random() < 0.4) await taken.catch(() => sleep(20));
    else if (random() < 0.3) await sleep(below(8, random));
  }
}

function add(stream: Stream, count: number): Promise<void> {
  const at = clock.now();
  const from = nextNumber;
  nextNumber += count;
  tell({ mark: 'try', stream, from, to: nextNumber - 1, wallMs: at.wallMs });
  const numbers = Array.from({ length: count }, (_, index) => from + index);
  const waiting = tried.get(stream);
  waiting?.push(...numbers);
  const taken = buffer.append(
    stream,
    numbers.map((n) => entryOf(stream, n, at)),
  );
  // Refused as a whole: none of them will be told.
  taken.catch(() => waiting?.splice(waiting.indexOf(from), count));
  return taken;
}

/** Delivers, mostly in order: some batches settle in two halves from behind, some entries are refused for good, sometimes a lane rests. */
async function read(from: Buffer, stream: Stream, signal: AbortSignal): Promise<void> {
  await mayRead;
  let after: Seq = 0;
  while (!signal.aborted) {
    const batch = await from.next(stream, after, 1 + below(150, random), signal);
    after = batch.last;
    if (random() < 0.15) await sleep(below(stream === 'sensor-values' ? 400 : 120, random), undefined, { signal });
    const refused = random() < 0.05 ? batch.entries[below(batch.entries.length, random)] : undefined;
    const sent = batch.entries.filter((entry) => entry !== refused);
    tell({ mark: 'got', stream, entries: sent.map((entry) => [idOf(entry.epoch, entry.seq), fingerprintOf(entry)]) });
    if (refused) await reject(from, refused);
    const middle = sent[Math.floor(sent.length / 2)]?.seq ?? batch.first;
    if (random() < 0.2 && middle > batch.first) {
      settle(from, stream, middle, batch.last);
      await sleep(below(60, random));
      settle(from, stream, batch.first, middle - 1);
    } else settle(from, stream, batch.first, batch.last);
  }
}

function settle(at: Buffer, stream: Stream, first: Seq, last: Seq): void {
  tell({ mark: 'settle', stream, first, last });
  at.settle(stream, first, last);
}

async function reject(at: Buffer, entry: Kept): Promise<void> {
  for (let isKept = false; !isKept;)
    isKept = await at.reject(entry, 'refused for good', { key: 'key', value: 'value' }).then(
      () => true,
      // A sick disk: the record waits, as it does in a forwarder.
      () => sleep(50, false),
    );
  tell({ mark: 'dead', stream: entry.stream, id: idOf(entry.epoch, entry.seq) });
}

/** Source numbers go on over the starts. */
function nextNumberIn(file: string): number {
  const last = readFileSync(file, 'utf8')
    .split('\n')
    .findLast((line) => line.includes('"mark":"try"'));
  return last === undefined ? 1 : (JSON.parse(last) as { to: number }).to + 1;
}
