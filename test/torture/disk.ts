import { dirname } from 'node:path';
import { DiskFile } from './disk-file.ts';
import type { Op } from './log.ts';
import { below } from './random.ts';

const truncates = 0o1000;

type Entry = DiskFile | 'folder';

/** A change of folders: names that are given, names that are taken away. One is done whole or not at all. */
interface Naming {
  readonly at: number;
  readonly gives?: { readonly path: string; readonly entry: Entry };
  readonly takes?: string;
}

/**
 * `journal`: changes of names survive in their order, and any sync of anything makes all before it safe (ext4, XFS). `posix`: only the sync of the
 * folder makes its names safe; of the others any may survive.
 */
export type DiskModel = 'journal' | 'posix';

export interface DiskOptions {
  /** Syncs are answered and not done: what is older than so many operations is safe, nothing else. Absent: an honest disk. */
  readonly cacheOps?: number;
}

export interface AfterCut {
  /** Folders and files by their path. */
  readonly files: ReadonlyMap<string, Uint8Array | 'folder'>;
  /** Of these, what the processes had removed, or put another file in the place of. */
  readonly returned: ReadonlySet<string>;
}

/**
 * The watched folder as the recorded operations leave it, and as a power cut would. Begins empty. Knows nothing of what the files mean. README.md states
 * the model.
 */
export class Disk {
  readonly #model: DiskModel;
  readonly #cacheOps: number | null;
  /** As the running processes see it. */
  readonly #names = new Map<string, Entry>([['.', 'folder']]);
  readonly #open = new Map<string, { readonly path: string; readonly entry: Entry }>();
  readonly #durable = new Map<string, Entry>();
  #namings: Naming[] = [];
  #files = new Set<DiskFile>();
  #at = 0;

  constructor(model: DiskModel, { cacheOps }: DiskOptions = {}) {
    this.#model = model;
    this.#cacheOps = cacheOps ?? null;
  }

  apply(op: Op): void {
    this.#at += 1;
    const handle = `${op.pid}:${op.fd}`;
    switch (op.kind) {
      case 'create':
      case 'open':
      case 'look':
        this.#opened(op, handle);
        break;
      case 'close':
        this.#open.delete(handle);
        break;
      case 'write':
        this.#fileOf(op, handle).write(this.#at, op.offset, op.data);
        break;
      case 'truncate':
        this.#fileOf(op, handle).resize(this.#at, op.offset);
        break;
      case 'index': {
        const file = this.#names.get(op.path);
        if (file instanceof DiskFile) file.write(this.#at, 0, op.data);
        break;
      }
      case 'sync':
        this.#synced(handle, op.flags !== 0);
        break;
      case 'mkdir':
        this.#name({ at: this.#at, gives: { path: op.path, entry: 'folder' } });
        break;
      case 'rename': {
        const entry = this.#names.get(op.path);
        if (!(entry instanceof DiskFile)) throw new RangeError(`${op.path}: folders that are renamed are not modelled`);
        this.#name({ at: this.#at, gives: { path: op.newPath, entry }, takes: op.path });
        break;
      }
      case 'unlink':
      case 'rmdir':
        this.#name({ at: this.#at, takes: op.path });
        break;
      case 'read':
      case 'map':
      case 'mark':
        break;
    }
    if (this.#cacheOps !== null && this.#at % 16 === 0) this.#age(this.#at - this.#cacheOps);
  }

  /** What is there when the power is back. */
  afterCut(random: () => number): AfterCut {
    const names = new Map(this.#durable);
    const kept = below(this.#namings.length + 1, random);
    for (const [number, naming] of this.#namings.entries())
      if (this.#model === 'journal' ? number < kept : random() < 0.5) rename(names, naming);
    const found = new Map<string, Uint8Array | 'folder'>();
    const returned = new Set<string>();
    for (const path of [...names.keys()].toSorted()) {
      const entry = names.get(path);
      const folder = dirname(path);
      if (folder !== '.' && found.get(folder) !== 'folder') continue;
      if (entry === undefined) continue;
      found.set(path, entry === 'folder' ? entry : entry.afterCut(random, this.#model === 'journal'));
      if (this.#names.get(path) !== entry) returned.add(path);
    }
    return { files: found, returned };
  }

  #opened(op: Op, handle: string): void {
    let entry = this.#names.get(op.path);
    if (entry === undefined) {
      entry = new DiskFile();
      this.#files.add(entry);
      this.#name({ at: this.#at, gives: { path: op.path, entry } });
    } else if (entry instanceof DiskFile && (op.flags & truncates) !== 0) {
      entry.resize(this.#at, 0);
    }
    this.#open.set(handle, { path: op.path, entry });
  }

  #fileOf(op: Op, handle: string): DiskFile {
    const entry = this.#open.get(handle)?.entry;
    if (!(entry instanceof DiskFile)) throw new RangeError(`${op.kind} of ${op.path}, which is not open as a file`);
    return entry;
  }

  #synced(handle: string, hasFailed: boolean): void {
    if (this.#cacheOps !== null) return;
    const opened = this.#open.get(handle);
    if (opened === undefined) throw new RangeError('a sync of what is not open');
    if (hasFailed) {
      if (opened.entry instanceof DiskFile) opened.entry.failSync();
      return;
    }
    if (opened.entry instanceof DiskFile) opened.entry.sync();
    if (this.#model === 'journal') this.#makeSafe(() => true);
    else if (opened.entry === 'folder')
      this.#makeSafe(({ gives, takes }) =>
        [gives?.path, takes].some((path) => path !== undefined && dirname(path) === opened.path),
      );
  }

  #name(naming: Naming): void {
    rename(this.#names, naming);
    this.#namings.push(naming);
  }

  #makeSafe(isSafe: (naming: Naming) => boolean): void {
    for (const naming of this.#namings) if (isSafe(naming)) rename(this.#durable, naming);
    this.#namings = this.#namings.filter((naming) => !isSafe(naming));
  }

  #age(until: number): void {
    this.#makeSafe(({ at }) => at <= until);
    for (const file of this.#files) file.sync(until);
  }
}

function rename(names: Map<string, Entry>, { gives, takes }: Naming): void {
  if (takes !== undefined) names.delete(takes);
  if (gives !== undefined) names.set(gives.path, gives.entry);
}
