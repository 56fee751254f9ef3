import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WhenFull } from '../../buffer/room/sizes.ts';
import { below, randomFrom } from './random.ts';
import { Shim } from './shim.ts';

const workload = fileURLToPath(new URL('workload.ts', import.meta.url));
/** Where files never wait for a disk, if the machine has such a place. */
export const fastFolder = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() ? '/dev/shm' : tmpdir();
/** The workload's exit code for a start that failed on the disk. */
const sickDisk = 74;
const mostTries = 20;
/** Of the watched folder: as under a state folder that does not exist yet. */
export const bufferPath = 'state/buffer';

export interface RecordOptions {
  readonly seed: number;
  /** Starts of the process, the first of them on an empty folder. */
  readonly starts: number;
  readonly commitsPerStart: number;
  /** `thin`: nobody reads for most of the time, and room must be made. */
  readonly whenFull?: WhenFull;
  /** Of the shim, while it is recorded. */
  readonly rules?: readonly string[];
  /** A module to load into the process before itself. */
  readonly preload?: string;
}

export interface Recording {
  /** The shim's log. */
  readonly log: string;
  remove(): void;
}

/** Runs the workload over several starts, some ended in order and some killed, and records all that it does to its disk. */
export async function recordWorkload({
  seed,
  starts,
  commitsPerStart,
  whenFull = 'stop',
  rules = [],
  preload,
}: RecordOptions): Promise<Recording> {
  const base = mkdtempSync(join(fastFolder, 'sluice-record-'));
  const remove = (): void => rmSync(base, { recursive: true, force: true });
  const [folder, marks, log] = ['disk', 'marks', 'log'].map((name) => join(base, name)) as [string, string, string];
  mkdirSync(folder);
  writeFileSync(marks, '');
  const shim = new Shim({ folder, log, marks, rules, seed });
  const random = randomFrom(seed);
  try {
    for (let start = 0; start < starts; start++) {
      const end = start === 0 || random() < 0.4 ? 'close' : 'kill';
      // Room must be made, however short a start is.
      const fewest = whenFull === 'thin' ? commitsPerStart : 1;
      const commits = fewest + below(2 * (commitsPerStart - fewest) + fewest, random);
      const all = [join(folder, bufferPath), marks, String(seed * 1_000 + start), String(commits), end, whenFull];
      const args = [...(preload === undefined ? [] : [`--import=${preload}`]), workload, ...all];
      // A start that a sick disk refuses is begun again, as a service manager does.
      const env = (tries: number) => ({
        ...shim.env,
        SLUICE_SHIM_SEED: String(seed * 1_000 + start * mostTries + tries),
      });
      for (let tries = 0; (await ended(args, env(tries), end === 'kill')) === sickDisk;)
        if (rules.length === 0 || ++tries === mostTries) throw new Error(`${tries} starts in a row were refused`);
    }
    return { log, remove };
  } catch (error) {
    remove();
    throw error;
  } finally {
    shim.remove();
  }
}

function ended(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  isKilled: boolean,
): Promise<number | null> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: { ...process.env, ...env },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === sickDisk || (isKilled ? signal === 'SIGKILL' : code === 0)) resolve(code);
      else reject(new Error(`the recorded process ended with ${code ?? signal}:\n${said}`));
    });
  });
}
