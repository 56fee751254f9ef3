import { readFileSync, statSync } from 'node:fs';
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
    const unmeant = unmeantPath(value);
    if (unmeant !== undefined) {
      this.#problems.atValue('error', node, `${nameOf(node)} is ${quoted(value)}; ${unmeant}`);
      return undefined;
    }
    const path = resolve(this.#folder, value);
    return role === 'path' || this.#isUsable(node, value, path) ? path : undefined;
  }

  /** A PEM file that can be read and holds what its key says. */
  #isUsable(node: Node, value: string, path: string): boolean {
    const name = nameOf(node);
    const wrong = pemFault(path, name);
    if (wrong !== undefined) this.#problems.atValue(this.#missing, node, `${name} is ${quoted(value)}; ${wrong}`);
    else if (isKey(name)) this.#tellOpenToAll(node, path);
    return wrong === undefined || this.#missing === 'warning';
  }

  #tellOpenToAll(node: Node, path: string): void {
    if ((statSync(path).mode & 0o007) === 0) return;
    const said = `${nameOf(node)}: every user of this machine may read the file ${path}; sudo chown sluice ${path}, then sudo chmod 600 ${path} (sluice: the user that the daemon runs as)`;
    this.#problems.atValue('warning', node, said);
  }

  #secret(node: Node, value: string): Secret | undefined {
    const name = nameOf(node);
    const reference = /^\$\{(env|file):([^${}]+)\}$/.exec(value);
    if (reference === null) return this.#clear(node, value);
    const [, source, where = ''] = reference;
    const found = source === 'env' ? this.#fromEnv(where) : this.#fromFile(node, where);
    if (found.value !== undefined) return new Secret(found.value);
    this.#problems.atValue(this.#missing, node, `${name} is missing; ${found.problem}`);
    return this.#missing === 'warning' ? new Secret(null) : undefined;
  }

  /** No reference: the secret itself, or a reference that is not written as one. */
  #clear(node: Node, value: string): Secret | undefined {
    const name = nameOf(node);
    if (!value.includes('${')) {
      const isReference = /^(?:\$\w+|%\w+%|\{?(?:env|file|vault)[:/].*)$/i.test(value);
      const more = isReference ? '; it looks like a reference, but is taken as the password itself' : '';
      this.#problems.atValue(
        'warning',
        node,
        `${name} stands in clear; write "\${env:NAME}" or "\${file:PATH}"${more}`,
      );
      return new Secret(value);
    }
    const bare = /^\$\{([A-Z_][A-Z0-9_]*)\}$/.exec(value)?.[1];
    const meant =
      bare === undefined ? 'write "${env:NAME}" or "${file:PATH}", nothing beside it' : `write "\${env:${bare}}"`;
    this.#problems.atValue('error', node, `${name} is no reference to a secret; ${meant}`);
    return undefined;
  }

  #fromEnv(name: string): { value?: string; problem?: string } {
    // What is no name may be the password itself.
    if (!/^\w{1,100}$/.test(name)) return { problem: 'what stands after env: is no name of an environment variable' };
    const value = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined;
    if (value === undefined) return { problem: `the environment variable ${name} is not set` };
    return value.trim() === '' ? { problem: `the environment variable ${name} is empty` } : { value };
  }

  #fromFile(node: Node, path: string): { value?: string; problem?: string } {
    const unmeant = unmeantPath(path);
    if (unmeant !== undefined) return { problem: `the path ${path}: ${unmeant}` };
    const from = resolve(this.#folder, path);
    try {
      const value = readFileSync(from, 'utf8')
        .replace(/^\uFEFF/, '')
        .replace(/\r?\n$/, '');
      if (value.trim() === '') return { problem: `the file ${from} is empty${value === '' ? '' : ' but for blanks'}` };
      if (value.includes('\0')) return { problem: `the file ${from} is no UTF-8 text; save it as UTF-8` };
      this.#tellOpenToAll(node, from);
      if (/[\r\n]/.test(value) || value !== value.trim()) {
        const said = `${nameOf(node)}: the file ${from} holds more than one line, or blanks at an end; all of it is taken`;
        this.#problems.atValue('warning', node, said);
      }
      return { value };
    } catch (error) {
      return { problem: `the file ${from} ${why(error)}` };
    }
  }
}

/** Paths that shells and other systems understand. */
function unmeantPath(path: string): string | undefined {
  const whole = 'write the whole path, e.g. "/var/lib/sluice"';
  if (path.startsWith('~')) return `~ is not expanded here; ${whole}`;
  if (/^\$\w|^%\w+%/.test(path)) return `variables are not expanded here; ${whole}`;
  if (/^[A-Za-z]:[\\/]|^\\\\/.test(path)) return `this is a path of Windows; ${whole}`;
  if (/^[a-z]+:\/\//i.test(path)) return `this is a URL; ${whole}`;
  return undefined;
}

const isKey = (name: string): boolean => name === 'key' || name.endsWith('Key');

/** Why a file cannot serve as `ca`, `cert`, `key`, `userCertificate` or `userKey`. */
function pemFault(path: string, name: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    return `that file ${why(error)}`;
  }
  const wanted = isKey(name) ? 'PRIVATE KEY' : 'CERTIFICATE';
  if (new RegExp(`-----BEGIN [A-Z ]*${wanted}-----`).test(text)) return undefined;
  const kind = isKey(name) ? 'private key' : 'certificate';
  const isPem = text.includes('-----BEGIN ');
  return `that file holds no ${kind}${isPem ? '' : ' in PEM form ("-----BEGIN …"); have it converted by openssl'}`;
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
