import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { sizeOf, syncFolder } from './segment.ts';

export const ballastFile = 'ballast';

const chunkBytes = 256 * 1024;
/** Between attempts to make it again. */
const againMs = 30_000;

/**
 * A file of zeros that holds room for the moment in which somebody else has filled the disk: given up then, so that events and what was delivered can
 * still be written. Made again when there is room. No call throws.
 */
export class Ballast {
  readonly #folder: string;
  readonly #nowMs: () => number;
  #triedAtMs = -Infinity;
  #bytes: number;

  /** `nowMs`: of any steady clock. */
  constructor(folder: string, nowMs: () => number = () => performance.now()) {
    this.#folder = folder;
    this.#nowMs = nowMs;
    this.#bytes = sizeOf(this.#file);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The disk is full. True: there is room now that was not there before. */
  release(): boolean {
    this.#triedAtMs = this.#nowMs();
    if (this.#bytes === 0) return false;
    try {
      rmSync(this.#file, { force: true });
      this.#bytes = 0;
      return true;
    } catch {
      return false;
    }
  }

  /** Of another size, or not there: it is made anew, soon after a release only if `isNow`. */
  keep(wantedBytes: number, isNow = false): void {
    if (this.#bytes === wantedBytes || (!isNow && this.#nowMs() - this.#triedAtMs < againMs)) return;
    this.#triedAtMs = this.#nowMs();
    try {
      rmSync(this.#file, { force: true });
      this.#bytes = 0;
      writeZeros(this.#file, wantedBytes);
      syncFolder(this.#folder);
      this.#bytes = wantedBytes;
    } catch {
      // No room for it: what was written of it goes, else it would take the room that is left.
      this.release();
      rmQuietly(this.#file);
    }
  }

  get #file(): string {
    return join(this.#folder, ballastFile);
  }
}

/** Written, not reserved: that holds on every file system. */
function writeZeros(file: string, bytes: number): void {
  const handle = openSync(file, 'w');
  try {
    const zeros = Buffer.alloc(Math.min(chunkBytes, bytes));
    for (let at = 0; at < bytes;) at += writeSync(handle, zeros, 0, Math.min(zeros.length, bytes - at), at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function rmQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // A disk that takes nothing may not give either.
  }
}
