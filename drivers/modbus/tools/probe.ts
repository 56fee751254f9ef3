import type { Finding, ProbeOptions, ToolHost } from '../../tools.ts';
import { UsageError } from '../../../agent/errors.ts';
import { lastAddress, mostRegisters } from '../protocol.ts';
import type { Table } from '../protocol.ts';
import type { Outcome } from '../link.ts';
import { faceOf } from './face.ts';
import { isSilence, openLine } from './line.ts';
import type { Line } from './line.ts';
import { bitsFound, failed, matchesFound, wordsFound } from './probe-findings.ts';
import type { Target } from './probe-url.ts';
import { targetOf } from './probe-url.ts';
import { rank } from './rank.ts';
import type { Origin, Window } from './rank.ts';

/** How many registers around the asked ones are looked at too, for a number that is near by. */
const neighbours = 10;

/** That nobody answers is a finding too. Rejects with UsageError for a URL or a face that cannot be meant. */
export async function probe(url: string, { display }: ProbeOptions, host: ToolHost): Promise<Finding> {
  const target = targetOf(url);
  const { table, address, count } = target;
  const face = display === null ? null : faceOf(display);
  const isBits = table === 'coil' || table === 'discrete';
  if (face !== null && isBits)
    throw new UsageError(
      `--display is for numbers in registers; a ${table} is 0 or 1; allowed with it: table=holding, table=input`,
    );
  const line = await openLine(target.line, host);
  try {
    if (face !== null) {
      const { windows, outcome } = await readAround(line, target);
      if (windows.length === 0) return failed(target, line.name, outcome);
      const matches = rank(face, windows, target.origins, target.isCounted ? count : null);
      return matchesFound(target, line.name, face, windows, matches);
    }
    const beganMs = host.clock.now().bootMs;
    const outcome = await ask(line, target, { table, address }, count);
    const tookMs = Math.round(host.clock.now().bootMs - beganMs);
    if (outcome.kind !== 'data') return failed(target, line.name, outcome);
    const window = { table, address, words: outcome.data };
    return isBits ? bitsFound(target, line.name, window, tookMs) : wordsFound(target, line.name, window, tookMs);
  } finally {
    await line.close();
  }
}

/** One request, and once more when nobody answers. */
async function ask(
  line: Line,
  { unitId, line: { timeoutMs } }: Target,
  at: Pick<Origin, 'table' | 'address'>,
  count: number,
): Promise<Outcome> {
  const request = { unitId, table: at.table, address: at.address, count };
  const first = await line.request(request, timeoutMs);
  return isSilence(first) ? line.request(request, timeoutMs) : first;
}

/**
 * The registers around every origin, in both tables; where the meter refuses the whole, in pieces. `outcome`: that of the first
 * question of all, which is the question that was asked. Ends where a question stays unanswered.
 */
async function readAround(line: Line, target: Target): Promise<{ windows: Window[]; outcome: Outcome }> {
  const windows: Window[] = [];
  /** Whether there was data; null: no answer. */
  const look = async (table: Table, { from, count }: Piece): Promise<boolean | null> => {
    const outcome = await ask(line, target, { table, address: from }, count);
    if (outcome.kind === 'data') windows.push({ table, address: from, words: outcome.data });
    return isSilence(outcome) || outcome.kind === 'damaged' ? null : outcome.kind === 'data';
  };
  const outcome = await ask(line, target, target, target.count);
  if (isSilence(outcome) || outcome.kind === 'damaged') return { windows, outcome };
  if (outcome.kind === 'data') windows.push({ table: target.table, address: target.address, words: outcome.data });
  for (const { address, table: own } of target.origins) {
    for (const table of own === 'input' ? (['input', 'holding'] as const) : (['holding', 'input'] as const)) {
      const isAll = await look(table, within(address - neighbours, address + target.count + neighbours));
      if (isAll === null) return { windows, outcome };
      if (isAll) continue;
      for (const pieces of piecesAround(address, target.count)) {
        for (const piece of pieces) {
          const isThere = await look(table, piece);
          if (isThere === null) return { windows, outcome };
          if (isThere) break;
        }
      }
    }
  }
  return { windows, outcome };
}

interface Piece {
  readonly from: number;
  readonly count: number;
}

/** Of each row the first that is answered will do. Many meters refuse a block that holds a single register they do not have. */
function piecesAround(address: number, count: number): Piece[][] {
  const near = [-2, -1, 0, 1, 2].map((off) => Math.max(0, address + off));
  return [
    ...near.map((from) => [...new Set([count, 4, 2, 1])].map((most) => within(from, from + most))),
    [within(address - neighbours, address)],
    [within(address + count, address + count + neighbours)],
  ].map((pieces) => pieces.filter((piece) => piece.count > 0));
}

function within(from: number, end: number): Piece {
  const first = Math.max(0, from);
  return { from: first, count: Math.min(mostRegisters, Math.min(end, lastAddress + 1) - first) };
}
