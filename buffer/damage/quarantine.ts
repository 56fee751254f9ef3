import { existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { GatewayEvent } from '../../agent/reading.ts';
import { isFullDisk } from '../segments/segment-errors.ts';
import { fileTails } from '../segments/segment-files.ts';
import { isOfNewerVersion } from '../segments/segment-format.ts';
import { syncFolder } from '../folder.ts';
import { quarantineShare } from '../room/sizes.ts';
import { copyDurably, firstBytes } from '../segments/stable-copy.ts';

export const quarantineFolder = 'quarantine';

/** A file and what lies beside it. */
interface Kept {
  readonly name: string;
  readonly bytes: number;
}

/**
 * `quarantine/` in the buffer's folder: files that could not be read, or not whole, as they were. It counts to the quota and takes at most a quarter of it; beyond
 * that the oldest go, which is told. Files of a newer version are not damaged, and only a person removes them.
 */
export class Quarantine {
  readonly folder: string;
  readonly #tell: (event: GatewayEvent) => void;
  #maxBytes: number;
  #bytes = 0;

  constructor(bufferFolder: string, maxBytes: number, tell: (event: GatewayEvent) => void) {
    this.folder = join(bufferFolder, quarantineFolder);
    this.#maxBytes = maxBytes;
    this.#tell = tell;
    this.trim();
  }

  /** What it takes on disk; a file that also lies in the buffer counts there. From memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Looks anew where it takes any room: people move files out of it. True: it takes less or more than was known. */
  recount(): boolean {
    const before = this.#bytes;
    if (before > 0) this.trim();
    return this.#bytes !== before;
  }

  adjust(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.trim();
  }

  has(segment: string): boolean {
    return existsSync(join(this.folder, `${segment}.db`));
  }

  /**
   * Moves a segment in, and what lies beside it; returns where to. What lies there already stays: it was copied before SQLite dropped what it could not
   * play back. Where the folder cannot be used the file is renamed in its place. Throws what the file system throws.
   */
  take(file: string): string {
    if (fileTails.every((tail) => !existsSync(file + tail))) return this.folder;
    try {
      this.#make();
      // The file last: as long as it is in its place, the next start sees that this was cut short.
      for (const tail of fileTails.toReversed())
        if (existsSync(file + tail)) moveUnlessThere(file + tail, join(this.folder, basename(file) + tail));
    } catch {
      renameSync(file, `${file}.damaged`);
      syncFolder(dirname(file));
      return `${file}.damaged`;
    }
    syncFolder(this.folder);
    syncFolder(dirname(file));
    this.trim();
    return this.folder;
  }

  /**
   * Keeps a segment, and the WAL beside it, that stays in its place: by a second name for the same file, or a copy where the file system has no such thing.
   * What lies there already stays. Throws what the file system throws.
   */
  keep(file: string): void {
    this.#make();
    for (const tail of ['-wal', '']) {
      const name = join(this.folder, basename(file) + tail);
      if (existsSync(file + tail) && !existsSync(name)) linkOrCopy(file + tail, name);
    }
    syncFolder(this.folder);
  }

  /** Removes the oldest until the rest fits. Never throws: what cannot be removed now is tried with the next. */
  trim(): void {
    const kept = this.#kept();
    this.#bytes = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    const most = Math.floor(this.#maxBytes * quarantineShare);
    // The newest stays whatever its size.
    for (const { name, bytes } of kept.slice(0, -1)) {
      if (this.#bytes <= most) return;
      if (bytes === 0 || isNewer(join(this.folder, name))) continue;
      try {
        for (const tail of fileTails) rmSync(join(this.folder, name + tail), { force: true, recursive: true });
      } catch {
        continue;
      }
      this.#bytes -= bytes;
      this.#tell({
        event: 'quarantine',
        severity: 'warning',
        message: `${name} was removed from the folder quarantine, which may take ${most} bytes, a quarter of buffer.maxSize. What could not be read of it was told before.`,
        facts: { file: name, bytes },
      });
    }
  }

  #make(): void {
    if (existsSync(this.folder)) return;
    mkdirSync(this.folder, { recursive: true });
    syncFolder(dirname(this.folder));
  }

  /** Oldest first: names of segments begin with their first seq. */
  #kept(): Kept[] {
    const found = new Map<string, number>();
    for (const entry of namesIn(this.folder)) {
      const name = entry.replace(/-(wal|shm|journal)$/, '');
      const stat = statSync(join(this.folder, entry), { throwIfNoEntry: false });
      const bytes = stat === undefined || (stat.isFile() && stat.nlink > 1) ? 0 : stat.size;
      found.set(name, (found.get(name) ?? 0) + bytes);
    }
    return [...found].map(([name, bytes]) => ({ name, bytes })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (isFullDisk(error)) throw error;
    copyDurably(from, to);
  }
}

function moveUnlessThere(from: string, to: string): void {
  if (existsSync(to)) rmSync(from, { force: true, recursive: true });
  else renameSync(from, to);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isNewer(file: string): boolean {
  try {
    return isOfNewerVersion(firstBytes(file, 100));
  } catch {
    return false;
  }
}
