/**
 * Meters on a serial line as a process of their own, with the wire time of a baud rate. Parameters: the ms of a character, the ms that a meter thinks.
 * Tells its parent `{ path }`; answers every message with how often it was asked, and how late it was itself, since the one before.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { honestRtu, startRtuLine } from '../simulators/rtu-line.ts';
import { answerCharacters, gapCharacters, requestCharacters } from './wire-times.ts';

/** What the meters saw since they were last asked. */
export interface SeenOnWire {
  readonly answers: number;
  /** From the first of them to the last. */
  readonly tookMs: number;
  /** All that they were later than they should have been, together. */
  readonly lateMs: number;
}

const [characterMs = 0, thinkMs = 0] = process.argv.slice(2).map(Number);
let answers = 0;
let firstMs = 0;
let lastMs = 0;
let lateMs = 0;

const line = await startRtuLine(async (request, send) => {
  // A pty hands the request over at once; a meter has it when its last character has passed, and knows its end by the silence behind it.
  const characters = requestCharacters + gapCharacters + answerCharacters(request.count);
  const atMs = performance.now() + characters * characterMs + thinkMs;
  await sleep(Math.max(0, atMs - performance.now() - 2));
  while (performance.now() < atMs) await setImmediate();
  honestRtu(request, send);
  lastMs = performance.now();
  if (answers++ === 0) firstMs = lastMs;
  lateMs += lastMs - atMs;
});

process.on('message', () => {
  const seen: SeenOnWire = { answers, tookMs: lastMs - firstMs, lateMs };
  answers = 0;
  lateMs = 0;
  process.send?.(seen);
});
// Never outlives who started it.
process.on('disconnect', () => void line.close().then(() => process.exit(0)));
process.send?.({ path: line.path });
