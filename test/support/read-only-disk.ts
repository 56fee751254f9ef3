import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingTool } from './tools.ts';

/** Why no file system can be mounted here; undefined: it can. */
export const noReadOnlyDisk: string | undefined =
  process.getuid?.() === 0 ? missingTool('mount') : 'mounting needs root';

/** A small file system of its own, in memory, that can be made read-only while nobody writes to it. */
export class ReadOnlyDisk {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-read-only-'));
  #isMounted = true;

  constructor() {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', this.path]);
  }

  /** Options of a buffer that lies on it. */
  get place(): { readonly path: string } {
    return { path: join(this.path, 'buffer') };
  }

  /** Holds this buffer from now on, read-only. */
  takes(buffer: string): void {
    cpSync(buffer, this.place.path, { recursive: true });
    this.remount('ro');
  }

  /** Every file of its buffer, so that one can see that none was touched. */
  contents(): unknown[] {
    return readdirSync(this.place.path).map((name) => {
      const { size, mtimeMs } = statSync(join(this.place.path, name));
      return [name, size, mtimeMs];
    });
  }

  remount(how: 'ro' | 'rw'): void {
    execFileSync('mount', ['-o', `remount,${how}`, this.path]);
  }

  remove(): void {
    if (!this.#isMounted) return;
    execFileSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
    this.#isMounted = false;
  }
}
