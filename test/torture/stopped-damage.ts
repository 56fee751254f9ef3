import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { harm, harms } from '../support/damaged-site.ts';
import { below } from './random.ts';

const kinds = Object.keys(harms);

/** Harm to one to three files of a buffer that nobody has open. Returns what was done. */
export function damageBuffer(folder: string, random: () => number): string {
  if (!existsSync(folder)) return 'nothing there to damage';
  let files = readdirSync(folder).filter((name) => name !== 'ballast' && statSync(join(folder, name)).isFile());
  const told: string[] = [];
  for (let left = 1 + below(3, random); left > 0; left--) {
    // Mostly what holds readings.
    const segments = files.filter((name) => /^\d{12}-.*\.db(?:-wal)?$/.test(name));
    const among = segments.length > 0 && random() < 0.8 ? segments : files;
    const name = among[below(among.length, random)];
    if (name === undefined) break;
    told.push(`${name}: ${damage(join(folder, name), random)}`);
    files = files.filter((one) => existsSync(join(folder, one)));
    // Each of the two is there for the day on which the other is lost.
    if (name.startsWith('dating')) files = files.filter((one) => !one.startsWith('dating'));
  }
  return told.join(', ');
}

function damage(file: string, random: () => number): string {
  const isSegment = /\/\d{12}-[^/]*\.db$/.test(file);
  // Without a segment's file, or the end of a WAL, nothing tells what it held (README.md).
  if (!isSegment && !file.endsWith('-wal') && random() < 0.5) {
    rmSync(file);
    return 'removed';
  }
  const possible = file.endsWith('-wal') ? kinds.filter((kind) => kind !== 'a file cut short') : kinds;
  const kind = possible[below(possible.length, random)] ?? '';
  harm(file, kind, (end) => below(end, random));
  return kind;
}
