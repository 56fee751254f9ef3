import type { Finding } from '../../tools.ts';
import type { Told } from './identify.ts';

export interface FoundUnit extends Told {
  readonly unitId: number;
  /** `data`, `exception 02`, `silent`, `damaged: …` to one register at 0. */
  readonly holding: string;
  readonly input: string;
  /** Those that fit what it says of itself. */
  readonly profiles: readonly string[];
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
  /** Something was heard that is no answer. */
  readonly damaged: readonly { readonly unitId: number; readonly reason: string }[];
}

/** So many units all there, and none silent: more likely one device that answers to every number. */
const manyUnits = 10;

/** `settings`: how many were to be tried. */
export function unitsFound(scanned: Scanned, settings: number): Finding {
  const { line, units, asked, closed, endedBy, found, damaged } = scanned;
  const rows = found.map((unit) => [
    String(unit.unitId),
    unit.holding,
    unit.input,
    saidText(unit),
    unit.profiles.join(' '),
  ]);
  const count = `${found.length === 0 ? 'nobody answered' : `${found.length} answered`}, ${asked} of ${units.length} asked`;
  const parts: Finding['parts'][number][] = [];
  if (rows.length > 0)
    parts.push({ head: ['unit', 'holding 0', 'input 0', 'says it is', 'profile'], rows, right: [0] });
  if (found.length >= manyUnits && found.length === asked)
    parts.push(
      'Every unit answered: likely one device that does not look at the unit. Its manual says which one to use; mostly 1 or 255.',
    );
  if (damaged.length > 0)
    parts.push(
      [
        'Something was heard that is no answer: wrong settings of a line, two devices with one number, or another protocol.',
        ...damaged.slice(0, 5).map(({ unitId, reason }) => `  unit ${unitId}: ${reason}`),
        ...(damaged.length > 5 ? [`  and ${damaged.length - 5} more`] : []),
      ].join('\n'),
    );
  if (closed > 0)
    parts.push(
      `It closed the connection ${closed} times instead of an answer: some gateways do for a silent unit, others serve one client only (does the daemon read there?).`,
    );
  const tried = settings > 1 && found.length === 0 ? ` at the last of ${settings} settings` : '';
  parts.push(`${line}: ${count}${tried}${endedBy === null ? '' : `; ${endedBy}`}`);
  const json = { line, units: units.length, asked, closed, endedBy, devices: found, damaged };
  return { ok: found.length > 0, json, parts };
}

function saidText({ identity, serverId, sunSpec }: FoundUnit): string {
  const { manufacturer = null, model = null, version = null, serial = null } = identity ?? {};
  const said = [manufacturer, model, version, serial === null ? null : `serial ${serial}`];
  const all = [
    ...(identity === null && serverId !== null ? [serverId] : said),
    sunSpec === null ? null : `(SunSpec at ${sunSpec})`,
  ];
  return all.filter((each) => each !== null).join(' ');
}

/** `unit 57, 56 of 247 asked, 3 found, at most 3 min 11 s left` */
export function progressText({ line, units, asked, found }: Scanned, unitId: number, restMs: number): string {
  return `${line}: unit ${unitId}, ${asked} of ${units.length} asked, ${found.length} found, at most ${timeText(restMs)} left`;
}

/** `8 s`, `4 min 7 s`. */
export function timeText(ms: number): string {
  const s = Math.ceil(ms / 1000);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}
