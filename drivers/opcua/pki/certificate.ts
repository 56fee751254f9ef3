import { X509Certificate } from 'node:crypto';

/** What a certificate says of itself (X.509; OPC UA Part 6, 6.2.2). Nothing of it is believed by being here. */
export interface Certificate {
  readonly der: Buffer;
  /** `CN=PLC-7, O=Acme`. */
  readonly subject: string;
  /** The name in it that a person knows, control characters taken out. */
  readonly name: string;
  /** Upper case hex without separators. */
  readonly serial: string;
  /** SHA-1 in lower case hex: what OPC UA calls a thumbprint. */
  readonly thumbprint: string;
  /** null: it names none, which OPC UA does not allow. */
  readonly applicationUri: string | null;
  /** DNS names and IP addresses, lower case. */
  readonly hosts: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** It may sign others. */
  readonly isIssuer: boolean;
  readonly isSelfSigned: boolean;
  /** 0: it is no RSA key. */
  readonly keyBits: number;
  /** By a hash that can be forged: MD5 or SHA-1. */
  readonly isSignedWeakly: boolean;
  /** OIDs of the extended key usage; null: it names none. */
  readonly purposes: readonly string[] | null;
  /** Whether `other` signed it. */
  isSignedBy(other: Certificate): boolean;
}

/** Longest names that are shown. */
const mostCharacters = 100;

/** The first certificate of what may be a chain in DER. null: it is none. */
export function certificateOf(der: Buffer): Certificate | null {
  try {
    const x509 = new X509Certificate(der);
    return facts(x509);
  } catch {
    return null;
  }
}

/** All certificates of a chain in DER, the server's own first; what is no certificate ends it. */
export function chainOf(der: Buffer): Certificate[] {
  const chain: Certificate[] = [];
  for (let rest = der; rest.length > 0 && chain.length < mostInChain;) {
    const one = certificateOf(rest);
    if (one === null) break;
    chain.push(one);
    rest = rest.subarray(one.der.length);
  }
  return chain;
}

const mostInChain = 10;

/** The certificates in a file: DER, or PEM, which may hold several. */
export function certificatesIn(file: Buffer): Certificate[] {
  const text = file.toString('latin1');
  if (!text.includes('-----BEGIN ')) return chainOf(file);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => certificateOf(Buffer.from(block)) ?? []);
}

function facts(x509: X509Certificate): Certificate {
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
  const names = alternativeNames(x509.subjectAltName ?? '');
  const subject = clean(x509.subject?.split('\n').join(', ') ?? '');
  const thumbprint = x509.fingerprint.replaceAll(':', '').toLowerCase();
  return {
    der: x509.raw,
    subject,
    name: /(?:^|, )CN=([^,]+)/.exec(subject)?.[1] ?? (subject === '' ? thumbprint.slice(0, 12) : subject),
    serial: x509.serialNumber.toUpperCase(),
    thumbprint,
    applicationUri: names.find(({ type }) => type === 'URI')?.value ?? null,
    hosts: names.filter(({ type }) => type !== 'URI').map(({ value }) => value.toLowerCase()),
    notBeforeMs: x509.validFromDate.getTime(),
    notAfterMs: x509.validToDate.getTime(),
    isIssuer: x509.ca,
    isSelfSigned: x509.checkIssued(x509) && x509.verify(x509.publicKey),
    keyBits: asymmetricKeyType === 'rsa' ? (asymmetricKeyDetails?.modulusLength ?? 0) : 0,
    isSignedWeakly: /md5|sha1/i.test(x509.signatureAlgorithm?.replaceAll('-', '') ?? ''),
    purposes: x509.keyUsage ?? null,
    isSignedBy(other) {
      const issuer = new X509Certificate(other.der);
      return x509.checkIssued(issuer) && x509.verify(issuer.publicKey);
    },
  };
}

/** `URI:urn:plc, DNS:plc, IP Address:10.0.0.5`, as Node gives it; what is not plain stands there in quotes, as in JSON. */
function alternativeNames(text: string): { type: string; value: string }[] {
  const found = text.matchAll(/(?:^|, )(URI|DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...found].map(([, type = '', value = '']) => ({
    type,
    value: value.startsWith('"') ? unquoted(value) : value,
  }));
}

function unquoted(value: string): string {
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

function clean(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\uFFFD').slice(0, mostCharacters);
}

/** `3f2a 9c01 …`: how a person compares two of them. */
export function grouped(thumbprint: string): string {
  return thumbprint.match(/.{1,4}/g)?.join(' ') ?? '';
}
