import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { LinkError, UsageError } from '../../../agent/errors.ts';
import type { PkiEntry, PkiTools, PkiTrusted } from '../../pki.ts';
import { splitEndpoint } from '../endpoint.ts';
import type { OpcUaPlan } from '../plan.ts';
import { certificatesIn, grouped } from './certificate.ts';
import type { Certificate } from './certificate.ts';
import { PkiFolder } from './folder.ts';
import type { Kept } from './folder.ts';
import { renewOwn } from './own.ts';

/** Fewer digits name nobody. */
const leastDigits = 4;

export const pki: PkiTools = {
  async list(home, connections) {
    const folder = new PkiFolder(home.stateDir);
    const plans = connections.map(({ id, plan }) => ({ id, plan: plan as OpcUaPlan }));
    const read = async (place: Parameters<typeof folder.kept>[0]): Promise<Kept[]> =>
      usable(() => folder.kept(place), folder);
    const [own, trusted, issuers, rejected] = [
      await read('own'),
      await read('trusted'),
      await read('issuers'),
      await read('rejected'),
    ];
    return [
      ...own.map((kept) =>
        entryOf(
          'own',
          kept,
          plans.filter(({ plan }) => plan.securityMode !== 'None').map(({ id }) => id),
        ),
      ),
      ...trusted.map((kept) => trustedEntry(kept, meant(kept, plans))),
      ...issuers.map((kept) => entryOf('issuer', kept, [])),
      ...rejected
        .filter(({ certificate }) => !trusted.some((kept) => kept.certificate.der.equals(certificate.der)))
        .map((kept) => entryOf('rejected', kept, meant(kept, plans))),
      ...(await usersOf(plans)),
      ...(await listsIn(folder)),
    ];
  },

  async trust(home, which): Promise<PkiTrusted> {
    const folder = new PkiFolder(home.stateDir);
    return usable(async () => {
      const isFile = (await stat(which).catch(() => null))?.isFile() === true;
      if (isFile) return trustFile(folder, which);
      const rejected = unique(await folder.kept('rejected'));
      const trusted = unique(await folder.kept('trusted'));
      const found = named(rejected, which);
      const [one, ...more] = found.length === 0 ? named(trusted, which) : found;
      if (one === undefined) throw new UsageError(`${notFound(which)}; ${choices(rejected)}`);
      if (more.length > 0)
        throw new UsageError(`several are called ${JSON.stringify(which)}; ${choices([one, ...more])}`);
      return trustOne(folder, one, trusted);
    }, folder);
  },

  async renew(home, nowMs) {
    const folder = new PkiFolder(home.stateDir);
    const { ownMaker } = await import('./make-own.ts');
    return usable(async () => entryOf('own', await renewOwn(folder, ownMaker(home.gateway, nowMs)), []), folder);
  },
};

async function trustFile(folder: PkiFolder, file: string): Promise<PkiTrusted> {
  const content = await readFile(file);
  const [certificate] = certificatesIn(content);
  if (certificate !== undefined) return trustOne(folder, { file, certificate }, await folder.kept('trusted'));
  const { revocationListOf } = await import('./peer.ts');
  if (revocationListOf(content) === null)
    throw new UsageError(`${file} holds no certificate and no revocation list; allowed: DER or PEM`);
  const name = basename(file);
  await folder.addRevocationList(/\.(?:crl|der|pem)$/i.test(name) ? name : `${name}.crl`, content);
  return { entry: null, isOld: false, besides: [] };
}

async function trustOne(folder: PkiFolder, { certificate }: Kept, trusted: readonly Kept[]): Promise<PkiTrusted> {
  const isOld = trusted.some((kept) => kept.certificate.der.equals(certificate.der));
  if (!isOld) await folder.trust(certificate);
  const besides = trusted.filter(
    (kept) =>
      kept.certificate.applicationUri === certificate.applicationUri &&
      certificate.applicationUri !== null &&
      !kept.certificate.der.equals(certificate.der),
  );
  return {
    entry: trustedEntry({ file: folder.fileOf('trusted', certificate), certificate }),
    isOld,
    besides: besides.map((kept) => trustedEntry(kept)),
  };
}

function entryOf(kind: PkiEntry['kind'], { file, certificate }: Kept, connections: readonly string[]): PkiEntry {
  const { subject, name, applicationUri, thumbprint, notBeforeMs, notAfterMs } = certificate;
  return { kind, subject, name, applicationUri, thumbprint, notBeforeMs, notAfterMs, file, connections };
}

const trustedEntry = (kept: Kept, connections: readonly string[] = []): PkiEntry =>
  entryOf(isAuthority(kept) ? 'authority' : 'trusted', kept, connections);

/** A server that signed its own certificate is no authority, even if the certificate says that it may sign. */
const isAuthority = ({ certificate }: Kept): boolean => certificate.isIssuer && certificate.applicationUri === null;

function meant({ certificate }: Kept, plans: readonly { id: string; plan: OpcUaPlan }[]): string[] {
  return plans
    .filter(({ plan }) => certificate.hosts.includes(splitEndpoint(plan.endpoint)?.host.toLowerCase() ?? ''))
    .map(({ id }) => id);
}

async function usersOf(plans: readonly { id: string; plan: OpcUaPlan }[]): Promise<PkiEntry[]> {
  const found = plans.map(async ({ id, plan: { identity } }) => {
    if (identity.type !== 'certificate') return [];
    const content = await readFile(identity.cert).catch(() => Buffer.alloc(0));
    const [certificate] = certificatesIn(content);
    return certificate === undefined ? [] : [entryOf('user', { file: identity.cert, certificate }, [id])];
  });
  return (await Promise.all(found)).flat();
}

/** When a list ends that does not say so: the last day there is. */
const neverMs = Date.UTC(9999, 11, 31);

async function listsIn(folder: PkiFolder): Promise<PkiEntry[]> {
  const files = await usable(() => folder.revocationFiles(), folder);
  if (files.length === 0) return [];
  const { revocationListOf } = await import('./peer.ts');
  return files.flatMap(({ file, content }) => {
    const list = revocationListOf(content);
    if (list === null) return [];
    const { issuerName: name, madeMs: notBeforeMs, nextUpdateMs } = list;
    const thumbprint = createHash('sha1').update(content).digest('hex');
    const says = { subject: `CN=${name}`, name, applicationUri: null, thumbprint, notBeforeMs };
    return [{ kind: 'revocations' as const, ...says, notAfterMs: nextUpdateMs ?? neverMs, file, connections: [] }];
  });
}

const unique = (all: readonly Kept[]): Kept[] => [
  ...new Map(all.map((kept) => [kept.certificate.thumbprint, kept])).values(),
];

function named(all: readonly Kept[], which: string): Kept[] {
  const digits = which.toLowerCase().replaceAll(/[\s:]/g, '');
  const byThumbprint = /^[0-9a-f]+$/.test(digits) && digits.length >= leastDigits;
  return all.filter(
    ({ certificate: { name, thumbprint } }) =>
      name.toLowerCase() === which.toLowerCase() || (byThumbprint && thumbprint.startsWith(digits)),
  );
}

const notFound = (which: string): string => `no certificate that was refused is called ${JSON.stringify(which)}`;

function choices(all: readonly Kept[]): string {
  if (all.length === 0) return 'none was refused: a server is looked at when somebody connects (sluice read)';
  return `there ${all.length === 1 ? 'is' : 'are'} ${all.map(({ certificate }) => choice(certificate)).join(', ')}`;
}

const choice = ({ name, thumbprint }: Certificate): string => `"${name}" ${grouped(thumbprint)}`;

/** What may not be read or written needs another user. */
async function usable<T>(work: () => Promise<T>, { path }: PkiFolder): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'EACCES' || code === 'EPERM')
      throw new LinkError(`${path} may not be used by this user: try again with sudo`, { cause: error });
    throw error;
  }
}
