/** The list of sealed segments, read and written by nothing of the buffer's own. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Store } from '../../buffer/store.ts';

export type SealedLane = [first: number, last: number, count: number] | null;
export type SealedLine = [segment: string, stamp: string, removed: number, lanes: SealedLane[]];

export function sealedLines(folder: string): SealedLine[] {
  const lines = readFileSync(join(folder, 'sealed.list'), 'utf8').split('\n');
  return lines.flatMap((line) =>
    line.startsWith(crcOf(line.slice(9))) ? [JSON.parse(line.slice(9)) as SealedLine] : [],
  );
}

/** Writes the list as if all of `lines` had been noted of the files as they are now: what a disk does to them leaves their times as they were. */
export function relist(folder: string, lines: readonly SealedLine[]): void {
  const text = lines.map(([segment, , removed, lanes]) => {
    const { ino, size, mtimeNs, ctimeNs } = statSync(join(folder, `${segment}.db`), { bigint: true });
    const json = JSON.stringify([segment, `${ino} ${size} ${mtimeNs} ${ctimeNs}`, removed, lanes]);
    return `\n${crcOf(json)} ${json}`;
  });
  writeFileSync(join(folder, 'sealed.list'), text.join(''));
}

/** Has a start list the segments of a folder as they are. */
export function listSegments(folder: string): void {
  const store = new Store({ path: folder, maxBytes: 64_000_000 }, () => undefined);
  store.opened();
  store.close([]);
}

function crcOf(json: string): string {
  return crc32(`sealed ${json}`).toString(16).padStart(8, '0');
}
