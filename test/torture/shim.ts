import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missingTool } from '../support/tools.ts';

const parts = ['files.c', 'rules.c', 'record.c', 'calls.c'];

/** Why suites that stand between a process and its disk cannot run here; undefined: they can. */
export const noShim: string | undefined =
  process.platform === 'linux' ? missingTool('cc') : 'LD_PRELOAD is there on Linux only';

export interface ShimOptions {
  /** Only what lies in this folder is touched. It must exist. */
  readonly folder: string;
  /** `CALLS FILES WHEN WHAT`, see README.md. They may be changed while the process runs. */
  readonly rules?: readonly string[];
  /** For rules with a probability. */
  readonly seed?: number;
  /** File to record in, on another file system or at least in another folder; it is appended to. */
  readonly log?: string;
  /** What the process writes to this file goes into the log, too, in its place among the calls. */
  readonly marks?: string;
}

/** Faults of one folder for the processes that are started with `env`: an LD_PRELOAD library, compiled into a folder of its own. */
export class Shim {
  readonly env: Readonly<Record<string, string>>;
  readonly #built: string;
  readonly #rules: string;

  constructor(options: ShimOptions) {
    this.#built = mkdtempSync(join(tmpdir(), 'sluice-shim-'));
    this.#rules = join(this.#built, 'rules');
    this.setRules(options.rules ?? []);
    this.env = {
      LD_PRELOAD: compiled(this.#built),
      SLUICE_SHIM_FOLDER: realpathSync(options.folder),
      SLUICE_SHIM_RULES: this.#rules,
      SLUICE_SHIM_SEED: String(options.seed ?? 1),
      ...(options.log === undefined ? {} : { SLUICE_SHIM_LOG: options.log }),
      ...(options.marks === undefined ? {} : { SLUICE_SHIM_MARKS: options.marks }),
    };
  }

  /** From the next call on; every count begins anew. No rules: the folder is well again. */
  setRules(rules: readonly string[]): void {
    writeFileSync(`${this.#rules}.new`, rules.map((rule) => `${rule}\n`).join(''));
    renameSync(`${this.#rules}.new`, this.#rules);
  }

  remove(): void {
    rmSync(this.#built, { recursive: true, force: true });
  }
}

function compiled(folder: string): string {
  const library = join(folder, 'shim.so');
  const sources = parts.map((part) => fileURLToPath(new URL(`shim/${part}`, import.meta.url)));
  const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror'];
  const { status, stderr } = spawnSync('cc', [...flags, '-o', library, ...sources, '-ldl', '-lpthread']);
  if (status !== 0) throw new Error(`the shim does not compile:\n${String(stderr)}`);
  return library;
}
