import { chown, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { certificatesIn } from './certificate.ts';
import type { Certificate } from './certificate.ts';

/** A certificate and the file it stands in. */
export interface Kept {
  readonly file: string;
  readonly certificate: Certificate;
}

export const places = {
  own: 'own/certs',
  trusted: 'trusted/certs',
  issuers: 'issuers/certs',
  rejected: 'rejected',
} as const;
export type Place = keyof typeof places;

const others = ['own/private', 'own/replaced', 'trusted/crl', 'issuers/crl'];
/** Nobody but the gateway reads a key. */
const privateFolders: ReadonlySet<string> = new Set(['own/private', 'own/replaced']);
/** Refused certificates that are kept: a stranger may show a new one at every attempt. */
const mostRejected = 32;
const mostBytes = 1_000_000;

/** `pki/` in the state directory, as OPC UA's tools lay it out. Whatever makes a file here as root makes it for whom the state directory belongs to. */
export class PkiFolder {
  readonly path: string;
  readonly #stateDir: string;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.path = join(stateDir, 'pki');
  }

  /** Makes all folders that are not there. */
  async make(): Promise<void> {
    for (const folder of ['.', 'own', 'trusted', 'issuers', ...Object.values(places), ...others]) {
      const mode = privateFolders.has(folder) ? 0o700 : 0o755;
      const made = await mkdir(join(this.path, folder), { recursive: true, mode });
      if (made !== undefined) await this.#give(join(this.path, folder));
    }
  }

  /** All certificates of a place; what is no certificate is passed over. */
  async kept(place: Place): Promise<Kept[]> {
    const files = await this.#filesOf(places[place]);
    return files.flatMap(({ file, content }) => certificatesIn(content).map((certificate) => ({ file, certificate })));
  }

  /** The revocation lists, as they stand in their files. */
  async revocationFiles(): Promise<{ file: string; content: Buffer }[]> {
    return [...(await this.#filesOf('trusted/crl')), ...(await this.#filesOf('issuers/crl'))];
  }

  /** Keeps a certificate for somebody to look at, and drops the oldest of too many. */
  async reject(certificate: Certificate): Promise<void> {
    const file = this.fileOf('rejected', certificate);
    if (await exists(file)) return;
    await this.make();
    await this.write(file, certificate.der);
    const kept = await readdir(join(this.path, places.rejected));
    const dated = await Promise.all(
      kept.map(async (name) => {
        const path = join(this.path, places.rejected, name);
        return { path, atMs: (await stat(path).catch(() => null))?.mtimeMs ?? 0 };
      }),
    );
    const tooMany = dated.toSorted((a, b) => b.atMs - a.atMs).slice(mostRejected);
    await Promise.all(tooMany.map(({ path }) => rm(path, { force: true })));
  }

  /** From now on it is believed. */
  async trust(certificate: Certificate): Promise<void> {
    await this.make();
    await this.write(this.fileOf('trusted', certificate), certificate.der);
    for (const { file, certificate: one } of await this.kept('rejected'))
      if (one.der.equals(certificate.der)) await rm(file, { force: true });
  }

  async addRevocationList(name: string, content: Buffer): Promise<void> {
    await this.make();
    await this.write(join(this.path, 'trusted/crl', basename(name)), content);
  }

  /** Whole or not at all, also after a power cut. */
  async write(file: string, content: Buffer | string, mode = 0o644): Promise<void> {
    const draft = `${file}.${process.pid}.new`;
    await rm(draft, { force: true });
    const handle = await open(draft, 'wx', mode);
    try {
      await handle.writeFile(content);
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await this.#give(draft);
    await rename(draft, file);
    await synced(dirname(file));
  }

  /** `PLC-7_3f2a…der`: nothing in it that a shell would ask about. */
  fileOf(place: Place, { name, thumbprint }: Certificate): string {
    const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^[.-]+/, '_');
    return join(this.path, places[place], `${plain.slice(0, 64)}_${thumbprint}.der`);
  }

  async #filesOf(folder: string): Promise<{ file: string; content: Buffer }[]> {
    const at = join(this.path, folder);
    const names = (await readdir(at).catch(missing))
      .filter((name) => /\.(?:der|pem|crt|cer|crl)$/i.test(name))
      .toSorted();
    const files = await Promise.all(
      names.map(async (name) => {
        const file = join(at, name);
        try {
          const { size } = await stat(file);
          return size > mostBytes ? [] : [{ file, content: await readFile(file) }];
        } catch (error) {
          // Gone since it was listed: another process trusts or drops it.
          missing(error);
          return [];
        }
      }),
    );
    return files.flat();
  }

  async #give(path: string): Promise<void> {
    if (process.getuid?.() !== 0) return;
    const { uid, gid } = await stat(this.#stateDir);
    await chown(path, uid, gid);
  }
}

function missing(error: unknown): string[] {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
  throw error;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** Names in this folder are on disk when it resolves. Rejects with what the system says. */
export async function synced(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
