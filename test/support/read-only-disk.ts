import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
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
