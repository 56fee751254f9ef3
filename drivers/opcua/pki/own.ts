import { X509Certificate, createPrivateKey } from 'node:crypto';
import { link, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LinkError } from '../../../agent/errors.ts';
import type { Certificate } from './certificate.ts';
import { synced } from './folder.ts';
import type { PkiFolder } from './folder.ts';

/** The gateway's certificate with its key. */
export interface Own {
  readonly certificate: Certificate;
  readonly file: string;
  /** PEM. */
  readonly key: string;
}

/** Makes a key and a certificate for it. */
export type Maker = () => Promise<{ readonly certificate: Certificate; readonly key: string }>;

interface OwnOptions {
  readonly folder: PkiFolder;
  readonly make: Maker;
  /** Between two looks at what another process makes. */
  readonly rest: () => Promise<void>;
  /** The command that makes a new one in the place of one that cannot be used. */
  readonly renewal: string;
}

/** How often another process may be found making it, before it is taken for dead. */
const mostLooks = 300;

export const keyFile = (folder: PkiFolder): string => join(folder.path, 'own/private/private_key.pem');

/** What there is; null: nothing was made yet. Rejects with LinkError when it cannot be used, naming the command that makes a new one. */
async function readOwn(folder: PkiFolder, renewal: string): Promise<Own | null> {
  const key = await readKey(keyFile(folder));
  if (key === null) return null;
  const fits = matcher(key, renewal);
  const found = (await folder.kept('own'))
    .filter(({ certificate }) => fits(certificate))
    .toSorted((a, b) => b.certificate.notAfterMs - a.certificate.notAfterMs);
  if (found[0] === undefined)
    throw new LinkError(`no certificate in ${join(folder.path, 'own/certs')} belongs to the key; ${renewal}`);
  return { ...found[0], key };
}

/**
 * What there is, or what `make` makes. Several may ask at once, in several processes: one of them makes it. The certificate stands on the disk before its
 * key does, so that a key never is without.
 */
export async function ownOrMade({ folder, make, rest, renewal }: OwnOptions): Promise<Own> {
  const found = await readOwn(folder, renewal);
  if (found !== null) return found;
  await folder.make();
  const turn = join(folder.path, 'own/private/.making');
  for (let looks = 1; ; looks++) {
    const isMine = await mkdir(turn).then(
      () => true,
      () => false,
    );
    try {
      const own = await readOwn(folder, renewal);
      if (own !== null) return own;
      if (isMine) {
        await put(folder, await make(), 'first');
        continue;
      }
    } finally {
      if (isMine) await rm(turn, { recursive: true, force: true });
    }
    // Whoever began it may be dead. Two that make one each do no harm: the first key stays.
    if (looks % mostLooks === 0) await rm(turn, { recursive: true, force: true });
    await rest();
  }
}

/** A new key and certificate in the place of those there are, which are put into `own/replaced`. */
export async function renewOwn(folder: PkiFolder, make: Maker): Promise<Own> {
  await folder.make();
  const before = await folder.kept('own');
  const made = await make();
  const own = await put(folder, made, 'instead');
  for (const { file } of before)
    if (file !== own.file) await rename(file, join(folder.path, 'own/replaced', file.slice(dirname(file).length + 1)));
  return own;
}

async function put(
  folder: PkiFolder,
  { certificate, key }: Awaited<ReturnType<Maker>>,
  how: 'first' | 'instead',
): Promise<Own> {
  const file = folder.fileOf('own', certificate);
  await folder.write(file, certificate.der);
  const final = keyFile(folder);
  const draft = join(dirname(final), `${certificate.thumbprint}.pem`);
  await folder.write(draft, key, 0o600);
  if (how === 'instead') {
    const replaced = join(folder.path, 'own/replaced', `private_key_before_${certificate.thumbprint}.pem`);
    await link(final, replaced).catch(passOver('ENOENT'));
    await rename(draft, final);
  } else {
    // Never over a key that another process put there meanwhile.
    await link(draft, final).catch(passOver('EEXIST'));
    await rm(draft);
  }
  await synced(dirname(final));
  return { certificate, file, key };
}

async function readKey(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT') return null;
    const why = code === 'EACCES' ? 'may not be read by this user: try again with sudo' : `cannot be read (${code})`;
    throw new LinkError(`the gateway's own key ${file} ${why}`, { cause: error });
  }
}

function matcher(key: string, renewal: string): (certificate: Certificate) => boolean {
  try {
    const parsed = createPrivateKey(key);
    return ({ der }) => new X509Certificate(der).checkPrivateKey(parsed);
  } catch (error) {
    throw new LinkError(`the gateway's own key is damaged; ${renewal}`, { cause: error });
  }
}

const passOver =
  (code: string) =>
  (error: unknown): void => {
    if (!(error instanceof Error && 'code' in error && error.code === code)) throw error;
  };
