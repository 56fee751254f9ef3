import { crypto_utils } from 'node-opcua-client';
import type { Certificate } from './certificate.ts';
import { chainOf } from './certificate.ts';
import type { PkiFolder } from './folder.ts';
import { examine } from './trust.ts';
import type { KeyUsage, RevocationList, Shown, Verdict } from './trust.ts';

/** Looks at what a server shows with what lies in the folder now; what nobody trusts yet is put into `rejected`. */
export async function judge(
  folder: PkiFolder,
  { der, ...shown }: Omit<Shown, 'chain'> & { readonly der: Buffer | null },
  nowMs: number,
): Promise<Verdict> {
  const [trusted, issuers, lists] = await Promise.all([
    folder.kept('trusted'),
    folder.kept('issuers'),
    folder.revocationFiles(),
  ]);
  const known = {
    trusted: trusted.map(({ certificate }) => certificate),
    issuers: issuers.map(({ certificate }) => certificate),
    revocations: lists.flatMap(({ content }) => revocationListOf(content) ?? []),
    usageOf,
  };
  const verdict = examine({ ...shown, chain: der === null ? [] : chainOf(der) }, known, nowMs);
  if (verdict.kind !== 'unknown') return verdict;
  try {
    await folder.reject(verdict.leaf);
    return verdict;
  } catch (error) {
    // Who is to be trusted is to be known all the same.
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const besides = `cannot be kept for that in ${folder.path} (${code}${code === 'EACCES' ? ': try again with sudo' : ''})`;
    return { ...verdict, besides: [...verdict.besides, besides] };
  }
}

const nothing: KeyUsage = {
  digitalSignature: false,
  keyEncipherment: false,
  dataEncipherment: false,
  keyCertSign: false,
};

function usageOf({ der }: Certificate): KeyUsage | null {
  try {
    return crypto_utils.exploreCertificate(der).tbsCertificate.extensions?.keyUsage ?? null;
  } catch {
    return nothing;
  }
}

/** DER or PEM. null: it is none. */
export function revocationListOf(file: Buffer): RevocationList | null {
  const pem = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/.exec(file.toString('latin1'))?.[1];
  const der = pem === undefined ? file : Buffer.from(pem, 'base64');
  try {
    const { tbsCertList } = crypto_utils.exploreCertificateRevocationList(der);
    const nextUpdateMs = tbsCertList.nextUpdate?.getTime() ?? Number.NaN;
    const serials = new Set(tbsCertList.revokedCertificates.map(({ userCertificate }) => plainSerial(userCertificate)));
    return {
      madeMs: tbsCertList.thisUpdate.getTime(),
      issuerName: (tbsCertList.issuer.commonName ?? 'an authority without a name').replaceAll(/\p{C}/gu, '\uFFFD'),
      nextUpdateMs: Number.isNaN(nextUpdateMs) ? null : nextUpdateMs,
      isOf(issuer) {
        try {
          return crypto_utils.verifyCrlIssuedByCertificate(der, issuer.der);
        } catch {
          return false;
        }
      },
      has: (serial) => serials.has(plainSerial(serial)),
    };
  } catch {
    return null;
  }
}

const plainSerial = (serial: string): string =>
  serial
    .replaceAll(/[^0-9a-f]/gi, '')
    .replace(/^0+/, '')
    .toUpperCase();
