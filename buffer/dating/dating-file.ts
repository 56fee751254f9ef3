import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../agent/errors.ts';
import { DatingRows, datingRowsIn } from './dating-rows.ts';
import type { SoundRows } from './dating-rows.ts';
import type { WrongBoot } from './dating.ts';
import { isDamage } from '../segments/segment-errors.ts';
import { sizeOf } from '../segments/segment-files.ts';

/** The second is a copy of the first, which is written before it and believed before it. */
export const datingFiles = ['dating.db', 'dating-copy.db'] as const;

/** The boots in a folder whose files nobody writes to; `at`: where the copy of such a file lies. */
export function datingIn(folder: string, at: (file: string) => string): WrongBoot[] {
  const files = datingFiles.map((name) => join(folder, name)).filter((file) => existsSync(file));
  return merged(files.map((file) => datingRowsIn(at(file), false)));
}

/** The boots in a folder that cannot be written, as a start that could write would find them. null: that cannot be told now. */
export function datingOnReadOnlyDisk(folder: string): WrongBoot[] | null {
  let isUnknown = false;
  const found = datingFiles
    .map((name) => join(folder, name))
    .map((file) => {
      try {
        return existsSync(file) ? datingRowsIn(file, true) : null;
      } catch {
        // For one, a write that was cut short: rolling it back takes writing.
        isUnknown = true;
        return null;
      }
    });
  return isUnknown && !found.some(isWhole) ? null : merged(found);
}

/**
 * How the readings of boots with a wrong clock are dated, one row a boot: on disk before any of them is sent, so that whoever sends one again dates it
 * as before. Kept in two files, since nothing else could tell it if one is lost: what one of them does not give, or falsely, the other does. There are
 * none until a clock was wrong.
 */
export class DatingFile {
  readonly #files: readonly DatingRows[];
  readonly #tell: (message: string) => void;
  readonly #boots: Map<string, WrongBoot>;

  /** `tell`: a file, or some of it, cannot be used. */
  constructor(folder: string, tell: (message: string) => void) {
    this.#tell = tell;
    this.#files = datingFiles.map((name) => new DatingRows(join(folder, name)));
    const troubles: string[] = [];
    const unread: unknown[] = [];
    const found = this.#files.map((one) => {
      const rows = readOrPutAside(one, (trouble, error) => {
        troubles.push(trouble);
        if (!isDamage(error)) unread.push(error);
      });
      if (rows !== null && rows.damaged > 0) troubles.push(`${rows.damaged} rows of ${one.file} are damaged`);
      return rows;
    });
    // What may pass passes over nothing that the other does not tell.
    if (unread.length > 0 && !found.some(isWhole)) throw unread[0];
    for (const trouble of troubles) tell(`${trouble}: ${found.some(isWhole) ? rescued : consequence}`);
    const boots = merged(found);
    this.#boots = new Map(boots.map((boot) => [boot.boot, boot]));
    for (const [at, one] of this.#files.entries()) if (!isSame(found[at] ?? null, boots)) this.#mend(one);
  }

  get boots(): readonly WrongBoot[] {
    return [...this.#boots.values()];
  }

  /** On disk, in both files, when this returns. Where it throws they may be in the first: nobody has sent anything by them then. */
  keep(boots: readonly WrongBoot[]): void {
    if (boots.length === 0) return;
    for (const one of this.#files)
      try {
        one.put(boots);
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.#tell(`${putAside(one.file)}: ${rescued}`);
        one.put([...this.#boots.values(), ...boots]);
      }
    for (const boot of boots) this.#boots.set(boot.boot, boot);
  }

  /** Never throws: on a full disk they are forgotten by a later start. */
  forget(boots: readonly string[]): void {
    for (const boot of boots) this.#boots.delete(boot);
    for (const one of this.#files)
      try {
        one.remove(boots);
      } catch {
        // A row too many does no harm.
      }
  }

  bytes(): number {
    return this.#files.reduce((sum, { file }) => sum + sizeOf(file), 0);
  }

  close(): void {
    for (const one of this.#files) one.close();
  }

  /** Never throws: on a full disk the other file is there, and the next start tries again. */
  #mend(one: DatingRows): void {
    try {
      one.rewrite(this.boots);
    } catch {
      // What is kept next is kept in both all the same.
    }
  }
}

/** null: it is not there, cannot be read now, or was damaged and is put aside. */
function readOrPutAside(one: DatingRows, tell: (trouble: string, error: unknown) => void): SoundRows | null {
  try {
    return one.read();
  } catch (error) {
    tell(isDamage(error) ? putAside(one.file) : `${one.file} cannot be read (${messageOf(error)})`, error);
    return null;
  }
}

function putAside(file: string): string {
  const aside = `${file}.damaged-${process.pid}-${Math.round(performance.now())}`;
  renameSync(file, aside);
  // It is of what was put aside, and would be played back into the next.
  rmSync(`${file}-journal`, { force: true });
  return `${file} was damaged and lies in ${aside} now`;
}

const consequence =
  'readings of boots that it named are sent as "unsynced"; some may have been sent as "corrected" before';
const rescued = 'a second file tells what it told, and it is made anew';

function isWhole(rows: SoundRows | null): boolean {
  return rows?.damaged === 0;
}

/** What the first file says goes before what the second says. */
function merged(found: readonly (SoundRows | null)[]): WrongBoot[] {
  const all = found.toReversed().flatMap((rows) => rows?.boots ?? []);
  return [...new Map(all.map((boot) => [boot.boot, boot])).values()];
}

function isSame(rows: SoundRows | null, boots: readonly WrongBoot[]): boolean {
  if (rows === null) return boots.length === 0;
  const texts = new Set(rows.boots.map((boot) => JSON.stringify(boot)));
  return isWhole(rows) && texts.size === boots.length && boots.every((boot) => texts.has(JSON.stringify(boot)));
}
