import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { why } from './secrets.ts';
import { noSource, readSource, type Source } from './source.ts';

/** Where profiles of one's own stand, one a file. */
export const defaultProfileFolder = '/etc/sluice/profiles';

/** For a configuration elsewhere (on a desk, in a checkout): `profiles` beside it, if there is such a folder. */
export function profileFolderOf(folder: string): string {
  const beside = join(folder, 'profiles');
  return existsSync(beside) ? beside : defaultProfileFolder;
}

/** A profile in a file of its own; its name is that of the file without `.json`. */
export interface ProfileFile {
  readonly name: string;
  readonly source: Source;
}

/** Names of the profiles in a folder, in order; throws where it cannot be looked into. */
export function profileNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => basename(name, '.json'))
    .toSorted();
}

/** In the order of their names. A folder that does not exist holds none; a file that cannot be read is one that is broken. */
export function readProfiles(folder: string): { readonly profiles: ProfileFile[]; readonly broken: Source | null } {
  let names: string[];
  try {
    names = profileNames(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { profiles: [], broken: null };
    const message = `the folder of profiles ${code === 'ENOTDIR' ? 'is no folder' : why(error)}`;
    return { profiles: [], broken: brokenSource(folder, message) };
  }
  return { profiles: names.map((name) => readProfile(folder, name)), broken: null };
}

/** Does not throw: what is wrong with the name, the file or its JSON stands in the source, as a problem with its place. */
export function readProfile(folder: string, name: string): ProfileFile {
  const file = join(folder, `${name}.json`);
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) {
    const message =
      'the name of this file is no name of a profile; allowed: 1 to 64 of the characters A-Z a-z 0-9 . _ -';
    return { name, source: brokenSource(file, message) };
  }
  try {
    return { name, source: readSource(file, readFileSync(file)) };
  } catch (error) {
    return { name, source: brokenSource(file, `the file ${why(error)}`) };
  }
}

function brokenSource(file: string, message: string): Source {
  return { ...noSource(file), faults: [{ at: { line: 1, column: 1 }, message }] };
}
