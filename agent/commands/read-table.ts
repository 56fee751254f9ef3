import type { Io } from './command.ts';
import { plainStatus } from './plain-status.ts';
import { counted, lineText } from './printing.ts';
import type { PointPlace, SeenDevice, SeenPoint } from './read-site.ts';

const head = ['point', 'value', 'unit', 'address', 'raw words', 'quality'];
const rightAligned = [1];

/**
 * Prints a device as soon as it has answered: on site, nobody waits for the dead one to see the living. Columns are as wide as the configuration and
 * the device's own values make them; what is told of a bad point stands last, so it moves nothing. A link that is down is told once.
 */
export function tablePrinter({ stdout, env }: Io, places: readonly PointPlace[]): (seen: SeenDevice) => void {
  const nameWidth = widest(
    places.map(({ point }) => point.point),
    5,
  );
  const unitWidth = widest(
    places.map(({ point }) => point.unit ?? ''),
    4,
  );
  const whereWidth = widest(
    places.map(({ where }) => where),
    7,
  );
  const paint = painter(stdout.isTTY === true && (env['NO_COLOR'] ?? '') === '');
  const told = new Set<string>();
  let isHeadTold = false;
  return ({ connection, device, tookMs, linkDown, points }) => {
    if (linkDown !== null) {
      const again = told.has(`${connection} ${linkDown}`);
      told.add(`${connection} ${linkDown}`);
      const why = again ? `connection ${connection} is down, as told above` : `connection ${connection}: ${linkDown}`;
      stdout.write(`${device}: ${paint('bad', `${counted(points.length, 'point')} not read: ${why}`)}\n`);
      return;
    }
    const rows = points.map(cellsOf);
    const column = (at: number): string[] => rows.map((row) => row[at] ?? '');
    const widths = [nameWidth, widest(column(1), 12), unitWidth, whereWidth, widest(column(4), 9)];
    stdout.write(`${device}, ${tookMs} ms\n`);
    if (!isHeadTold) stdout.write(`  ${lineText(head, widths, rightAligned)}\n`);
    isHeadTold = true;
    const wide = widths.reduce((sum, width) => sum + width + 2, 0);
    for (const [at, { observation, timeoutMs }] of points.entries()) {
      const line = lineText(rows[at] ?? [], widths, rightAligned).padEnd(wide);
      stdout.write(`  ${line}${paint(observation.quality, plainStatus(observation, timeoutMs))}\n`);
    }
  };
}

function widest(cells: readonly string[], least: number): number {
  return Math.max(least, ...cells.map(({ length }) => length));
}

function cellsOf({ observation: { point, value, text, quality, raw }, where }: SeenPoint): string[] {
  const shown =
    quality === 'bad' ? '-' : value === null ? (text ?? '-') : text === null ? String(value) : `${value} ${text}`;
  return [point.point, shown, point.unit ?? '', where, raw ?? ''];
}

/** Red for bad, yellow for uncertain, nothing for good: what is coloured is what to look at. */
function painter(isColoured: boolean): (quality: string, text: string) => string {
  const colours: Readonly<Record<string, number>> = { bad: 31, uncertain: 33 };
  return (quality, text) => {
    const colour = colours[quality];
    return isColoured && colour !== undefined ? `\u001B[${colour}m${text}\u001B[0m` : text;
  };
}
