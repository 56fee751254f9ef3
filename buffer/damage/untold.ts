import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder } from '../folder.ts';

const checkBytes = 8;

/**
 * What was found and would leave no trace, until the events that tell it are committed: a kill in between would leave nobody who knows. A file of its own, since
 * the lock must not be let go of for it.
 */
export class Untold<Found> {
  readonly #folder: string;
  readonly #file: string;
  #isThere = false;

  constructor(folder: string, fileName: string) {
    this.#folder = folder;
    this.#file = join(folder, fileName);
  }

  /** What an earlier start did not come to tell. */
  found(): ReadonlyMap<string, Found> {
    try {
      const text = readFileSync(this.#file, 'utf8');
      this.#isThere = true;
      const json = text.slice(checkBytes);
      if (text.slice(0, checkBytes) !== check(json)) return new Map();
      return new Map(Object.entries(JSON.parse(json) as Record<string, Found>));
    } catch {
      // None, or nothing that can be read now.
      return new Map();
    }
  }

  /** Durable when it returns; where the disk takes nothing, a start goes on without. */
  keep(found: ReadonlyMap<string, Found>): void {
    const json = JSON.stringify(Object.fromEntries(found));
    try {
      const handle = openSync(`${this.#file}.tmp`, 'w');
      try {
        // Whole or not at all: a full disk may take a part of one write.
        writeFileSync(handle, check(json) + json);
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      renameSync(`${this.#file}.tmp`, this.#file);
      this.#isThere = true;
      syncFolder(this.#folder);
    } catch {
      this.#cleared();
    }
  }

  #cleared(): void {
    try {
      rmSync(`${this.#file}.tmp`, { force: true });
    } catch {
      // The next one writes over it.
    }
  }

  /** All of it is told. Never throws: what is not removed is told again. */
  forget(): void {
    if (!this.#isThere) return;
    try {
      rmSync(this.#file, { force: true });
      this.#isThere = false;
    } catch {
      // With the next commit of events.
    }
  }
}

function check(json: string): string {
  return crc32(json).toString(16).padStart(checkBytes, '0');
}
