import type { Finding, ScanOptions, ToolHost } from '../../tools.ts';
import { messageOf } from '../../../agent/errors.ts';
import type { Table } from '../protocol.ts';
import type { Outcome } from '../link.ts';
import { sunSpecBases, sunSpecIdentity, sunSpecMarker, sunSpecRegisters } from './identity.ts';
import type { Identity } from './identity.ts';
import { isSilence, openLasting } from './line.ts';
import type { Line } from './line.ts';
import { lineUrl } from './line-url.ts';
import { progressText, timeText, unitsFound } from './scan-findings.ts';
import type { FoundUnit, Scanned } from './scan-findings.ts';
import { allUnits, unitList } from './unit-list.ts';

/** What answers at all answers the second question at leisure. */
const leastIdentifyMs = 1000;

/**
 * Asks every unit for one register by function code 03, then 04; only those that answered are asked who they are. Ends early, with what was
 * found, when the signal fires or the line cannot be opened any more.
 */
export async function scan(url: string, { units: stated }: ScanOptions, host: ToolHost): Promise<Finding> {
  const target = lineUrl(url, [], scanTimeoutMs);
  const { timeoutMs } = target;
  const units = stated === null ? (target.unitId === null ? allUnits : [target.unitId]) : unitList(stated);
  const line = await openLasting(target, host.clock, host.signal);
  const mostMs = units.length * 2 * timeoutMs;
  host.tell(
    `${line.name}: ${units.length === 1 ? `unit ${units[0] ?? ''}` : `${units.length} units`}, at most ${timeText(mostMs)} (two questions of ${timeoutMs}ms each); Ctrl-C ends it with what was found.`,
  );
  const found: FoundUnit[] = [];
  let asked = 0;
  let endedBy: string | null = null;
  try {
    for (const unitId of units) {
      host.progress(progressText(unitId, asked, units.length, found, mostMs));
      const unit = await lookFor(line, unitId, timeoutMs);
      asked += 1;
      if (unit !== null) found.push(unit);
    }
    for (const [at, unit] of found.entries()) {
      host.progress(`unit ${unit.unitId}: who is it?`);
      found[at] = { ...unit, ...(await identify(line, unit.unitId, Math.max(timeoutMs, leastIdentifyMs))) };
    }
  } catch (error) {
    endedBy = host.signal.aborted ? 'ended early' : messageOf(error);
  } finally {
    host.progress('');
    line.close();
  }
  const scanned: Scanned = { line: line.name, units, asked, closed: line.closed, endedBy, found };
  return unitsFound(scanned);
}

export const scanTimeoutMs = 500;

/** null: nobody there. */
async function lookFor(line: Line, unitId: number, timeoutMs: number): Promise<FoundUnit | null> {
  const ask = (table: Table): Promise<Outcome> => line.request({ unitId, table, address: 0, count: 1 }, timeoutMs);
  const holding = await ask('holding');
  const input = await ask('input');
  if (isSilence(holding) && isSilence(input)) return null;
  return { unitId, holding: answerText(holding), input: answerText(input), identity: null, sunSpec: null };
}

function answerText(outcome: Outcome): string {
  if (isSilence(outcome)) return 'silent';
  if (outcome.kind === 'damaged') return `damaged: ${outcome.reason}`;
  return outcome.kind === 'exception'
    ? `exception ${outcome.code.toString(16).toUpperCase().padStart(2, '0')}`
    : 'data';
}

async function identify(line: Line, unitId: number, timeoutMs: number): Promise<Partial<FoundUnit>> {
  return sunSpec(line, unitId, timeoutMs);
}

async function sunSpec(
  line: Line,
  unitId: number,
  timeoutMs: number,
): Promise<{ sunSpec?: number; identity?: Identity }> {
  for (const address of sunSpecBases) {
    const marker = await line.request({ unitId, table: 'holding', address, count: 2 }, timeoutMs);
    if (marker.kind !== 'data' || marker.data.toString('latin1') !== sunSpecMarker) continue;
    const common = await line.request({ unitId, table: 'holding', address, count: sunSpecRegisters }, timeoutMs);
    const identity = common.kind === 'data' ? sunSpecIdentity(common.data) : null;
    return { sunSpec: address, ...(identity === null ? {} : { identity }) };
  }
  return {};
}
