/**
 * Simulated meters as a process of their own, one Modbus TCP server each, which see from outside when they are polled. Parameters: how
 * many. Tells its parent `{ ports }`; answers every message with what was seen since the one before.
 */
import { answer, startRawServer } from '../simulators/modbus-raw-server.ts';
import type { Behaviour } from '../simulators/modbus-raw-server.ts';

/** What the meters saw since they were last asked. */
export interface Seen {
  readonly polls: number;
  /** Of the meter that was polled least. */
  readonly fewestPolls: number;
  /** Between two polls of the same meter, all meters together; ms. */
  readonly intervalsMs: readonly number[];
  /** The first poll of any, Unix ms with fractions. */
  readonly firstPollMs: number | null;
}

const count = Number(process.argv[2]);
const lastMs = new Float64Array(count).fill(Number.NaN);
const polls = new Uint32Array(count);
let intervalsMs: number[] = [];
let firstPollMs: number | null = null;

/** Floats that change at every poll, two words each, so that nothing can be saved by values that stand still. */
function meter(at: number): Behaviour {
  let poll = 0;
  return (request, peer) => {
    const nowMs = performance.now();
    firstPollMs ??= performance.timeOrigin + nowMs;
    const words: number[] = [];
    const value = new DataView(new ArrayBuffer(4));
    poll += 1;
    for (let word = 0; word < request.count; word += 2) {
      value.setFloat32(0, Math.round(2300 + 100 * Math.sin(poll / 50 + at + word)) / 10 + word);
      words.push(value.getUint16(0), value.getUint16(2));
    }
    peer.send(answer(request, words));
    const before = lastMs[at] ?? Number.NaN;
    if (!Number.isNaN(before)) intervalsMs.push(nowMs - before);
    lastMs[at] = nowMs;
    polls[at] = (polls[at] ?? 0) + 1;
  };
}

const servers = await Promise.all(Array.from({ length: count }, (_, at) => startRawServer(meter(at))));

process.on('message', () => {
  const seen: Seen = {
    polls: polls.reduce((sum, one) => sum + one, 0),
    fewestPolls: polls.reduce((least, one) => Math.min(least, one), Infinity),
    intervalsMs,
    firstPollMs,
  };
  intervalsMs = [];
  firstPollMs = null;
  polls.fill(0);
  process.send?.(seen);
});
// Never outlives who started it.
process.on('disconnect', () => process.exit(0));
process.send?.({ ports: servers.map((server) => server.port) });
