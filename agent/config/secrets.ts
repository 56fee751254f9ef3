import { accessSync, constants, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Secret, type Role } from './grammar.ts';
import { nameOf, quoted, type Problems } from './problems.ts';
import type { Node } from './source.ts';

/** What texts with a role stand for: secrets are fetched and hidden, paths made absolute, needed files looked at. */
export class Resolver {
  readonly #problems: Problems;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string | undefined>>;
  /** How bad it is when a secret or a file is not there. */
  readonly #missing: 'error' | 'warning';

  constructor(
    problems: Problems,
    folder: string,
    env: Readonly<Record<string, string | undefined>>,
    noSecrets: boolean,
  ) {
    this.#problems = problems;
    this.#folder = folder;
    this.#env = env;
    this.#missing = noSecrets ? 'warning' : 'error';
  }

  resolve(role: Role['role'], node: Node, value: string): Secret | string | undefined {
    if (role === 'secret') return this.#secret(node, value);
    const path = resolve(this.#folder, value);
    return role === 'path' || this.#isReadable(node, value, path) ? path : undefined;
  }

  #isReadable(node: Node, value: string, path: string): boolean {
    try {
      accessSync(path, constants.R_OK);
      return true;
    } catch (error) {
      this.#problems.atValue(this.#missing, node, `${nameOf(node)} is ${quoted(value)}; that file ${why(error)}`);
      return this.#missing === 'warning';
    }
  }

  #secret(node: Node, value: string): Secret | undefined {
    const name = nameOf(node);
    const reference = /^\$\{(env|file):([^${}]+)\}$/.exec(value);
    if (reference === null) {
      if (!value.includes('${')) {
        this.#problems.atValue('warning', node, `${name} stands in clear; write "\${env:NAME}" or "\${file:PATH}"`);
        return new Secret(value);
      }
      const bare = /^\$\{(\w+)\}$/.exec(value)?.[1];
      const meant =
        bare === undefined ? 'write "${env:NAME}" or "${file:PATH}", nothing beside it' : `write "\${env:${bare}}"`;
      this.#problems.atValue('error', node, `${name} is no reference to a secret; ${meant}`);
      return undefined;
    }
    const [, source, where = ''] = reference;
    const found = source === 'env' ? this.#fromEnv(where) : this.#fromFile(where);
    if (found.value !== undefined) return new Secret(found.value);
    this.#problems.atValue(this.#missing, node, `${name} is missing; ${found.problem}`);
    return this.#missing === 'warning' ? new Secret(null) : undefined;
  }

  #fromEnv(name: string): { value?: string; problem?: string } {
    const value = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined;
    if (value === undefined) return { problem: `the environment variable ${name} is not set` };
    return value === '' ? { problem: `the environment variable ${name} is empty` } : { value };
  }

  #fromFile(path: string): { value?: string; problem?: string } {
    const from = resolve(this.#folder, path);
    try {
      const value = readFileSync(from, 'utf8').replace(/\r?\n$/, '');
      return value === '' ? { problem: `the file ${from} is empty` } : { value };
    } catch (error) {
      return { problem: `the file ${from} ${why(error)}` };
    }
  }
}

/** Why a file could not be opened, as the end of a sentence about it. */
export function why(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'does not exist',
    ENOTDIR: 'does not exist',
    EACCES: 'may not be read by this user',
    EPERM: 'may not be read by this user',
    EISDIR: 'is a folder',
  };
  return reasons[code] ?? `cannot be read${code === '' ? '' : ` (${code})`}`;
}
