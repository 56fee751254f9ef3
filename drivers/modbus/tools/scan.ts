import type { Finding, ScanOptions, ToolHost } from '../../tools.ts';
import { UsageError, messageOf } from '../../../agent/errors.ts';
import type { Outcome } from '../link.ts';
import type { Transport } from '../plan.ts';
import type { Table } from '../protocol.ts';
import { wireTimes } from '../wire-times.ts';
import { profilesLike } from './identity.ts';
import { identify } from './identify.ts';
import { isSilence, openLasting } from './line.ts';
import { lineName, lineUrl } from './line-url.ts';
import { progressText, timeText, unitsFound } from './scan-findings.ts';
import type { FoundUnit, Scanned } from './scan-findings.ts';
import { sweepOf } from './sweep.ts';
import { allUnits, unitList } from './unit-list.ts';

const form = { end: '', hasUnit: false, keys: [], usualTimeoutMs: 500 };

/** What answers at all answers the second question at leisure. */
const leastIdentifyMs = 1000;
/** Characters of a question and its answer. */
const exchangeCharacters = 15;

/**
 * Asks every unit for one register by function code 03, then 04; only those that answered are asked who they are. Ends early, with what was
 * found, when the signal fires or the line cannot be opened any more. A sweep ends with the first settings at which somebody answers.
 */
export async function scan(url: string, { units: stated, sweep }: ScanOptions, host: ToolHost): Promise<Finding> {
  const { transport, timeoutMs, query } = lineUrl(url, form);
  const isSerial = transport.kind === 'rtu';
  if (sweep && !isSerial)
    throw new UsageError('--sweep is for serial lines, modbus+rtu://; a host has no settings to try');
  const units = stated === null ? allUnits : unitList(stated, isSerial);
  const lines = sweep && isSerial ? sweepOf(transport, query) : [transport];
  const mostMs = lines.reduce((sum, line) => sum + units.length * questionsMs(line, timeoutMs), 0);
  const what = units.length === 1 ? `unit ${units[0] ?? ''}` : `${units.length} units`;
  const settings = lines.length === 1 ? '' : `, ${lines.length} settings of the line`;
  host.tell(
    `${lines.length === 1 ? lineName(transport) : url}: ${what}${settings}, at most ${timeText(mostMs)}; Ctrl-C ends it with what was found.`,
  );
  let scanned: Scanned | undefined;
  for (const [at, line] of lines.entries()) {
    const leftMs = (mostMs * (lines.length - at - 1)) / lines.length;
    scanned = await scanLine({ line, units, timeoutMs, leftMs, isSweep: sweep }, host);
    if (scanned.found.length > 0 || scanned.endedBy !== null) break;
  }
  host.progress('');
  return unitsFound(scanned ?? emptyScan(transport, units), lines.length);
}

interface Task {
  readonly line: Transport;
  readonly units: readonly number[];
  readonly timeoutMs: number;
  /** These settings are among others to be tried. */
  readonly isSweep: boolean;
  /** What comes after it. */
  readonly leftMs: number;
}

async function scanLine(
  { line: transport, units, timeoutMs, leftMs, isSweep }: Task,
  host: ToolHost,
): Promise<Scanned> {
  const line = await openLasting({ transport, timeoutMs }, host);
  if (isSweep && line.isBorrowed) {
    await line.close();
    throw new UsageError(
      `${line.name}: other settings cannot be tried while it has the line open; leave out --sweep, or stop the daemon first`,
    );
  }
  const scanned = {
    ...emptyScan(transport, units),
    line: line.name,
    found: [] as FoundUnit[],
    damaged: [] as Scanned['damaged'][number][],
  };
  const unitMs = questionsMs(transport, timeoutMs);
  try {
    for (const unitId of units) {
      const restMs = leftMs + (units.length - scanned.asked) * unitMs;
      host.progress(progressText(scanned, unitId, restMs));
      const ask = (table: Table): Promise<Outcome> => line.request({ unitId, table, address: 0, count: 1 }, timeoutMs);
      const outcomes = { holding: await ask('holding'), input: await ask('input') };
      scanned.asked += 1;
      const damage = Object.values(outcomes).find(({ kind }) => kind === 'damaged');
      if (Object.values(outcomes).some((outcome) => !isSilence(outcome) && outcome.kind !== 'damaged'))
        scanned.found.push(foundUnit(unitId, outcomes));
      else if (damage?.kind === 'damaged') scanned.damaged.push({ unitId, reason: damage.reason });
    }
    const known = host.profiles();
    for (const [at, unit] of scanned.found.entries()) {
      host.progress(`unit ${unit.unitId}: who is it?`);
      const told = await identify(line, unit.unitId, Math.max(timeoutMs, leastIdentifyMs));
      const said = [told.identity?.manufacturer, told.identity?.model, told.serverId].join(' ');
      scanned.found[at] = { ...unit, ...told, profiles: profilesLike(said, known) };
    }
  } catch (error) {
    scanned.endedBy = host.signal.aborted ? 'ended early' : messageOf(error);
  } finally {
    await line.close();
  }
  return { ...scanned, closed: line.closed };
}

function emptyScan(transport: Transport, units: readonly number[]) {
  const endedBy: string | null = null;
  return {
    line: lineName(transport),
    units,
    asked: 0,
    closed: 0,
    endedBy: endedBy as string | null,
    found: [],
    damaged: [],
  };
}

/** Two questions that nobody answers. */
function questionsMs(line: Transport, timeoutMs: number): number {
  const wireMs = line.kind === 'rtu' ? wireTimes(line).characterMs * exchangeCharacters : 0;
  return 2 * (timeoutMs + wireMs);
}

function foundUnit(unitId: number, { holding, input }: Readonly<Record<'holding' | 'input', Outcome>>): FoundUnit {
  return {
    unitId,
    holding: answerText(holding),
    input: answerText(input),
    identity: null,
    serverId: null,
    sunSpec: null,
    profiles: [],
  };
}

function answerText(outcome: Outcome): string {
  if (isSilence(outcome)) return 'silent';
  if (outcome.kind === 'damaged') return `damaged: ${outcome.reason}`;
  return outcome.kind === 'exception'
    ? `exception ${outcome.code.toString(16).toUpperCase().padStart(2, '0')}`
    : 'data';
}
