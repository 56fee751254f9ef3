import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { streams } from '../../agent/reading.ts';
import type { Extent } from './segment-format.ts';
import { sizeOf } from './segment-files.ts';

export const sealedListFile = 'sealed.list';
/** As many lines that no segment needs any more may stand in the list, beside one for each; then it is written anew. */
const mostStale = 20;

/** What a sealed segment holds, as its summary says. */
export interface SealedFacts {
  /** Per lane. */
  readonly lanes: readonly (Extent | null)[];
  /** Entries that were taken out of it. */
  readonly removed: number;
}

/** The same of a file that nobody has touched since it was noted. */
export interface ListedSegment extends SealedFacts {
  readonly bytes: number;
}

/** `segment`: its name. `stamp`: which file it was, and when it was changed last. */
interface Line extends SealedFacts {
  readonly segment: string;
  readonly stamp: string;
}

/**
 * What sealed segments hold, so that a start or a look need not open thousands of files: a line each, with a CRC. No more than a hint. It is never synced, and
 * believed only of the very file that was noted (inode, size, times of its last change); where it says nothing the segment is opened, so that whatever
 * becomes of the list costs time alone. No call throws.
 */
export class SealedList {
  readonly #file: string;
  #lines = 0;
  #bytes = 0;

  constructor(folder: string) {
    this.#file = join(folder, sealedListFile);
    this.#bytes = sizeOf(this.#file);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Gives what it says of a segment, as long as that is the file that was noted; and what it said of one of that name. */
  read(): { readonly of: SealedLooker; readonly once: (name: string) => SealedFacts | null } {
    const lines = linesIn(this.#file);
    this.#lines = lines.length;
    const newest = newestOf(lines);
    return { of: lookerIn(newest), once: (name) => newest.get(name) ?? null };
  }

  /** `live`: the names of all segments. */
  note(segments: readonly ({ readonly file: string; readonly name: string } & SealedFacts)[], live: readonly string[]) {
    try {
      if (this.#lines + segments.length > 2 * live.length + mostStale) this.#tidy(new Set(live));
      const text = segments.map((one) =>
        textOf({ ...factsOf(one), segment: one.name, stamp: stampOf(one.file).stamp }),
      );
      appendFileSync(this.#file, text.join(''));
      this.#lines += text.length;
      this.#bytes = sizeOf(this.#file);
    } catch {
      // No room, or a read-only disk: the next start opens what is not listed.
    }
  }

  #tidy(live: ReadonlySet<string>): void {
    const kept = [...newestOf(linesIn(this.#file)).values()].filter(({ segment }) => live.has(segment));
    writeFileSync(this.#file, kept.map(textOf).join(''));
    this.#lines = kept.length;
  }
}

/** What is known of the segment of this name; null: its file must be opened. */
export type SealedLooker = (file: string, name: string) => ListedSegment | null;

/** What the list of a folder says, read once, for who does not keep it. Never throws. */
export function sealedIn(folder: string): SealedLooker {
  return lookerIn(newestOf(linesIn(join(folder, sealedListFile))));
}

/** A segment of this name was sealed once, whatever became of the file. */
export function wasSealed(folder: string, name: string): boolean {
  return linesIn(join(folder, sealedListFile)).some(({ segment }) => segment === name);
}

/** Of each segment the last line. */
function newestOf(lines: readonly Line[]): ReadonlyMap<string, Line> {
  return new Map(lines.map((line) => [line.segment, line]));
}

function lookerIn(newest: ReadonlyMap<string, Line>): SealedLooker {
  return (file, name) => {
    const line = newest.get(name);
    if (line === undefined) return null;
    try {
      const { stamp, bytes } = stampOf(file);
      return stamp === line.stamp ? { ...factsOf(line), bytes } : null;
    } catch {
      return null;
    }
  };
}

function factsOf({ lanes, removed }: SealedFacts): SealedFacts {
  return { lanes, removed };
}

/** The time of the last change (ctime) is the kernel's own: nobody can set it back, and a copy has another. */
function stampOf(file: string): { stamp: string; bytes: number } {
  const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  return { stamp: [ino, size, mtimeNs, ctimeNs].join(' '), bytes: Number(size) };
}

/** It begins with a line break, so that one which a full disk cut short spoils no other. */
function textOf({ segment, stamp, lanes, removed }: Line): string {
  const json = JSON.stringify([
    segment,
    stamp,
    removed,
    lanes.map((lane) => lane && [lane.first, lane.last, lane.count]),
  ]);
  return `\n${crcOf(json)} ${json}`;
}

function crcOf(json: string): string {
  return crc32(`sealed ${json}`).toString(16).padStart(8, '0');
}

type Packed = [
  segment: string,
  stamp: string,
  removed: number,
  lanes: ([first: number, last: number, count: number] | null)[],
];

/** Sound lines, oldest first. */
function linesIn(file: string): Line[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const json = line.slice(9);
    if (line.slice(0, 8) !== crcOf(json)) return [];
    const [segment, stamp, removed, packed] = JSON.parse(json) as Packed;
    const lanes = streams.map((_, at) => {
      const lane = packed[at] ?? null;
      return lane && { first: lane[0], last: lane[1], count: lane[2] };
    });
    return [{ segment, stamp, removed, lanes }];
  });
}
