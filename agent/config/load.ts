import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { registry as allDrivers, type Registry } from '../../drivers/registry.ts';
import { assemble } from './assemble.ts';
import { checkFile } from './check-file.ts';
import { tellDoubles } from './doubles.ts';
import { Problems, TooManyProblems, type Problem } from './problems.ts';
import { profileFolderOf, readProfiles } from './profile-folder.ts';
import { fileEntries, versionAllowed } from './schema.ts';
import { Resolver, why } from './secrets.ts';
import type { SiteConfig } from './site-config.ts';
import { child, noSource, properties, readSource, type Node } from './source.ts';
import { whereabouts } from './whereabouts.ts';

export interface LoadOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Secrets, certificate files and a writable buffer are not needed now: what is missing is a warning. */
  readonly noSecrets?: boolean;
  readonly registry?: Registry;
  /** Where profiles of one's own stand; not given: `/etc/sluice/profiles`. */
  readonly profileFolder?: string;
}

export interface LoadResult {
  /** In file order, warnings among errors. */
  readonly problems: readonly Problem[];
  /** null when any problem is an error. */
  readonly config: SiteConfig | null;
}

/** Reads and checks a configuration as a whole; `-` is standard input. Touches no line and no network. Throws only where the program itself is wrong. */
export function loadConfig(file: string, options: LoadOptions): LoadResult {
  let bytes: Uint8Array;
  try {
    // A named pipe nobody writes to would hold the process where no signal reaches it; `<(…)` of a shell is one that somebody writes to.
    if (file !== '-' && statSync(file).isFIFO() && !/^\/(?:dev|proc)\//.test(file)) {
      return unreadable(file, 'is a named pipe, which may never end');
    }
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    return unreadable(file, why(error));
  }
  return readConfig(file, bytes, options);
}

function unreadable(file: string, reason: string): LoadResult {
  const problems = new Problems(noSource(file));
  problems.atStart(`the file ${reason}; name another: sluice check FILE`);
  return { problems: problems.list(), config: null };
}

/** The same for bytes at hand; `file` names them, and its folder is where relative paths begin. */
export function readConfig(file: string, bytes: Uint8Array, options: LoadOptions): LoadResult {
  const source = readSource(file, bytes);
  const problems = new Problems(source);
  if (source.root === undefined) return { problems: problems.list(), config: null };
  try {
    const config = checkSource(source.root, problems, file, options);
    return { problems: problems.list(), config: problems.hasErrors ? null : config };
  } catch (error) {
    if (error instanceof TooManyProblems) return { problems: problems.list(), config: null };
    throw error;
  }
}

function checkSource(root: Node, problems: Problems, file: string, options: LoadOptions): SiteConfig | null {
  if (properties(root).length === 0) {
    problems.atStart(
      `nothing is configured; needed: ${needed.join(', ')}; \`sluice init\` writes a file to start from`,
    );
    return null;
  }
  tellDoubles(root, problems);
  if (isNewer(root)) {
    const node = child(root, 'version') as Node;
    problems.atValue('error', node, `version is ${String(node.value)}; ${versionAllowed(node.value)}`);
    return null;
  }
  const folder = dirname(resolve(file));
  const noSecrets = options.noSecrets === true;
  const resolver = new Resolver(problems, folder, options.env, noSecrets);
  const registry = options.registry ?? allDrivers;
  const profileFolder = options.profileFolder ?? profileFolderOf(folder);
  const { profiles, broken } = readProfiles(profileFolder);
  if (broken !== null) problems.add(broken, 'warning');
  const checked = checkFile(root, {
    problems,
    profiles,
    profileFolder,
    registry,
    elsewhere: whereabouts(registry),
    resolve: (role, node, value) => resolver.resolve(role, node, value),
  });
  return assemble(checked, { file, problems, noSecrets });
}

const needed = Object.entries(fileEntries).flatMap(([key, entry]) =>
  v.safeParse(entry, undefined).success ? [] : [key],
);

/** What a newer grammar means by its keys cannot be told. */
function isNewer(root: Node): boolean {
  const version: unknown = child(root, 'version')?.value;
  return Number.isInteger(version) && Number(version) > 1;
}
