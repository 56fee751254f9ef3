import type { Registry } from '../../drivers/registry.ts';
import { profileNames, readProfile, type ProfileFile } from './profile-folder.ts';

/** A profile that comes with the program, not read yet. */
export interface BuiltIn {
  readonly name: string;
  readonly folder: string;
}

/** All that the drivers bring, in the order of their names. */
export function builtInProfiles({ families }: Registry): BuiltIn[] {
  return families
    .flatMap(({ schema: { profileFolder: folder } }) =>
      folder === undefined ? [] : profileNames(folder).map((name) => ({ name, folder })),
    )
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Does not throw: what is wrong with the file stands in its source, as a problem with its place. */
export function readBuiltIn({ name, folder }: BuiltIn): ProfileFile {
  return readProfile(folder, name);
}
