/**
 * A TCP gateway as a process of its own: units behind one line, one request at a time, all others queued in their order. Parameters: how many units, how many
 * of them are dead, ms that a living one takes, ms that the gateway waits for a dead one before it goes on without a word. Tells its parent `{ port }`; answers every message with
 * what was seen since the one before. The dead stand spread among the living; every register of a unit holds how often it was read.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { answer, startRawServer } from './modbus-raw-server.ts';

/** What the gateway saw since it was last asked. */
export interface SeenByGateway {
  /** Between two requests for the same living unit, as they arrived; ms, all units together. */
  readonly intervalsMs: readonly number[];
  /** Requests for dead units. */
  readonly inVain: number;
}

const [units = 0, dead = 0, takesMs = 0, holdsMs = 0] = process.argv.slice(2).map(Number);
const deadUnits = new Set(Array.from({ length: dead }, (_, at) => Math.round(((at + 0.5) * units) / dead)));
const polls = new Map<number, { count: number; atMs: number }>();
let intervalsMs: number[] = [];
let inVain = 0;
let line: Promise<unknown> = Promise.resolve();

const server = await startRawServer((request, peer) => {
  const { unitId } = request;
  if (deadUnits.has(unitId)) {
    inVain += 1;
    line = line.then(() => sleep(holdsMs));
    return;
  }
  const nowMs = performance.now();
  const before = polls.get(unitId);
  if (before !== undefined) intervalsMs.push(nowMs - before.atMs);
  const count = (before?.count ?? 0) + 1;
  polls.set(unitId, { count, atMs: nowMs });
  const words = Array.from({ length: request.count }, () => count & 0xffff);
  line = line.then(() => exactly(takesMs)).then(() => peer.send(answer(request, words)));
});

/** A timer alone would be a ms late, a hundred times a round. */
async function exactly(ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  if (ms > 1.5) await sleep(ms - 1);
  while (performance.now() < endMs) await setImmediate();
}

process.on('message', () => {
  const seen: SeenByGateway = { intervalsMs, inVain };
  intervalsMs = [];
  inVain = 0;
  process.send?.(seen);
});
// Never outlives who started it.
process.on('disconnect', () => process.exit(0));
process.send?.({ port: server.port, dead: [...deadUnits] });
