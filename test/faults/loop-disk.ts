import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { tryRun } from './tried.ts';

/** Why no small file system can be made here; undefined: it can. */
export const noLoopDisk: string | undefined = reason();

/** A small ext4 of its own, so that it can be filled, made read-only and mended while somebody works in it. */
export class LoopDisk {
  readonly path: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  #image = join(this.#folder, 'image');
  #copies = 0;

  private constructor() {
    this.path = join(this.#folder, 'mounted');
    mkdirSync(this.path);
  }

  /** `inodes`: how many files it may hold, about. */
  static make(megabytes: number, inodes?: number): LoopDisk {
    const disk = new LoopDisk();
    writeFileSync(disk.#image, '');
    truncateSync(disk.#image, megabytes * 1024 * 1024);
    const few = inodes === undefined ? [] : ['-N', String(inodes)];
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-E', 'lazy_itable_init=0', ...few, disk.#image]);
    disk.#mount();
    return disk;
  }

  /** A neighbour takes all the room that is left; `leaveKb`: but for so much. */
  fill(leaveKb = 0): void {
    const free = Number(execFileSync('stat', ['-f', '-c', '%a %S', this.path]).toString().split(' ')[0]);
    const blockBytes = Number(execFileSync('stat', ['-f', '-c', '%S', this.path]).toString());
    const bytes = Math.max(0, free * blockBytes - leaveKb * 1024);
    tryRun('fallocate', ['-l', String(bytes), join(this.path, 'neighbour')]);
    // What is left of a block here and there.
    if (leaveKb === 0) tryRun('dd', ['if=/dev/zero', `of=${join(this.path, 'neighbour-2')}`, 'bs=4096']);
  }

  free(): void {
    for (const name of ['neighbour', 'neighbour-2']) rmSync(join(this.path, name), { force: true });
  }

  /** As after an error in the file system: from now on nothing can be written, whoever has it open. */
  breakDown(): void {
    writeFileSync(`/sys/fs/ext4/${this.#device()}/trigger_fs_error`, '1');
  }

  /** What a person does: examines it and mounts it anew at the same place. */
  mend(): void {
    const copy = join(this.#folder, `image-${++this.#copies}`);
    execFileSync('umount', ['-l', this.path]);
    copyFileSync(this.#image, copy);
    tryRun('e2fsck', ['-fy', copy]);
    this.#image = copy;
    this.#mount();
  }

  /** Only while nobody has a file open for writing. */
  remount(how: 'ro' | 'rw'): void {
    execFileSync('mount', ['-o', `remount,${how}`, this.path]);
  }

  remove(): void {
    if (existsSync(this.path)) tryRun('umount', ['-l', this.path]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #mount(): void {
    execFileSync('mount', ['-o', 'loop,errors=remount-ro', this.#image, this.path]);
  }

  #device(): string {
    return basename(execFileSync('findmnt', ['-n', '-o', 'SOURCE', this.path]).toString().trim());
  }
}

function reason(): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting needs root';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  for (const tool of ['mkfs.ext4', 'mount', 'findmnt', 'fallocate', 'e2fsck'])
    if (!tryRun('which', [tool])) return `${tool} is missing`;
  return undefined;
}
