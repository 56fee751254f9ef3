import type { Finding } from '../../tools.ts';
import type { Identity } from './identity.ts';

export interface FoundUnit {
  readonly unitId: number;
  /** `data`, `exception 02`, `silent`, `damaged: …` to one register at 0. */
  readonly holding: string;
  readonly input: string;
  readonly identity: Identity | null;
  /** Where its SunSpec marker stands. */
  readonly sunSpec: number | null;
}

export interface Scanned {
  readonly line: string;
  readonly units: readonly number[];
  /** How many of them were asked. */
  readonly asked: number;
  /** How often the other end closed the connection instead of an answer. */
  readonly closed: number;
  /** Why it ended before its end; null: it did not. */
  readonly endedBy: string | null;
  readonly found: readonly FoundUnit[];
}

/** So many units all there, and none silent: more likely one device that answers to every number. */
const manyUnits = 10;

export function unitsFound({ line, units, asked, closed, endedBy, found }: Scanned): Finding {
  const rows = found.map(({ unitId, holding, input, identity, sunSpec }) => [
    String(unitId),
    holding,
    input,
    identityText(identity),
    sunSpec === null ? '' : `SunSpec at ${sunSpec}`,
  ]);
  const count = `${found.length === 0 ? 'nobody answered' : `${found.length} answered`}, ${asked} of ${units.length} asked`;
  const parts: Finding['parts'][number][] = [];
  if (rows.length > 0) parts.push({ head: ['unit', 'holding 0', 'input 0', 'says it is', ''], rows, right: [0] });
  if (found.length >= manyUnits && found.length === asked)
    parts.push(
      'Every unit answered: likely one device that does not look at the unit. Its manual says which one to use; mostly 1 or 255.',
    );
  if (closed > 0)
    parts.push(
      `It closed the connection ${closed} times instead of an answer: some gateways do for a silent unit, others serve one client only (does the daemon read there?).`,
    );
  parts.push(`${line}: ${count}${endedBy === null ? '' : `; ${endedBy}`}`);
  return { ok: found.length > 0, json: { line, units: units.length, asked, closed, endedBy, devices: found }, parts };
}

function identityText(identity: Identity | null): string {
  if (identity === null) return '';
  const { manufacturer, model, version, serial } = identity;
  const said = [manufacturer, model, version, serial === null ? null : `serial ${serial}`];
  return said.filter((each) => each !== null).join(' ');
}

/** `unit 57, 56 of 247 asked, 3 found, at most 3 min 11 s left` */
export function progressText(
  unitId: number,
  asked: number,
  all: number,
  found: readonly FoundUnit[],
  mostMs: number,
): string {
  const leftMs = (mostMs * (all - asked)) / all;
  return `unit ${unitId}, ${asked} of ${all} asked, ${found.length} found, at most ${timeText(leftMs)} left`;
}

/** `8 s`, `4 min 7 s`. */
export function timeText(ms: number): string {
  const s = Math.ceil(ms / 1000);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}
