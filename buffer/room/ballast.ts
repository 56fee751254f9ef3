import { closeSync, fsyncSync, openSync, rmSync, statfsSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../folder.ts';
import { isFullDisk } from '../segments/segment-errors.ts';
import { sizeOf } from '../segments/segment-files.ts';

export const ballastFile = 'ballast';

const chunkBytes = 256 * 1024;
/** As much as a commit takes. */
const probeBytes = 64 * 1024;
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

  /** A write failed. True: the disk was full, and there is room now that was not there before. */
  releaseAfter(error: unknown): boolean {
    if (this.#bytes === 0) return false;
    return (isFullDisk(error) || this.#isWithoutRoom()) && this.release();
  }

  /** What a user may have is used up (EDQUOT): SQLite calls that an I/O error. */
  #isWithoutRoom(): boolean {
    const probe = join(this.#folder, 'probe');
    try {
      writeFileSync(probe, Buffer.alloc(probeBytes));
      return false;
    } catch (error) {
      return isFullDisk(error);
    } finally {
      this.#removeProbe(probe);
    }
  }

  #removeProbe(probe: string): void {
    try {
      rmSync(probe, { force: true });
    } catch {
      // The disk that failed a write may fail this as well; the next probe takes its place.
    }
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

  /** Makes it where it is not there, or too small: not soon after it was given up, and only where so much room is left besides. */
  keep(wantedBytes: number): void {
    if (this.#bytes >= wantedBytes || this.#nowMs() - this.#triedAtMs < againMs) return;
    this.#triedAtMs = this.#nowMs();
    try {
      const { bavail, bsize } = statfsSync(this.#folder);
      if (bavail * bsize < 2 * wantedBytes) return;
      writeZeros(this.#file, wantedBytes);
      syncFolder(this.#folder);
      this.#bytes = wantedBytes;
    } catch {
      // What was written of it goes, else it would take the room that is left.
      this.#bytes = Math.max(1, this.#bytes);
      this.release();
    }
  }

  /** Under a smaller quota. */
  shrink(wantedBytes: number): void {
    if (this.#bytes <= wantedBytes) return;
    try {
      truncateSync(this.#file, wantedBytes);
      this.#bytes = wantedBytes;
    } catch {
      // It stays as it is, and counts.
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
