import type { Certificate } from './certificate.ts';

/** What a server shows. */
export interface Shown {
  /** Its own certificate first, then those of its issuers, as far as it sends them. */
  readonly chain: readonly Certificate[];
  /** What it calls itself in its endpoint. */
  readonly applicationUri: string | null;
  /** Where it was found: the host of the configured URL. */
  readonly host: string;
}

/** What this gateway keeps. */
export interface Known {
  readonly trusted: readonly Certificate[];
  readonly issuers: readonly Certificate[];
  readonly revocations: readonly RevocationList[];
  /** null: the certificate does not say. */
  usageOf(certificate: Certificate): KeyUsage | null;
}

export interface RevocationList {
  /** When its issuer makes the next one; null: it does not say. */
  readonly nextUpdateMs: number | null;
  readonly madeMs: number;
  /** Who it says made it: nothing of it is believed by being here. */
  readonly issuerName: string;
  /** Signed by it. */
  isOf(issuer: Certificate): boolean;
  /** `serial` as in `Certificate`. */
  has(serial: string): boolean;
}

export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyEncipherment: boolean;
  readonly dataEncipherment: boolean;
  readonly keyCertSign: boolean;
}

export type Verdict =
  /** `path`: the server's certificate, and up to the trusted issuer if it is trusted by that. */
  | {
      readonly kind: 'accepted';
      readonly path: readonly Certificate[];
      /** By what is known which of them were revoked. */
      readonly lists: readonly UsedList[];
    }
  /** Nobody said yet whether it is the right one. */
  | {
      readonly kind: 'unknown';
      readonly leaf: Certificate;
      /** What is trusted of this server now. */
      readonly before: Certificate | null;
      /** What somebody should know before trusting it. */
      readonly besides: readonly string[];
    }
  /** `why`: the end of a sentence about the server's certificate; `remedy`: words behind `sluice pki` that end it. */
  | {
      readonly kind: 'refused';
      readonly leaf: Certificate | null;
      readonly why: string;
      readonly remedy?: string | undefined;
    };

/** The newest revocation list of an authority. */
export interface UsedList {
  /** The authority's. */
  readonly name: string;
  readonly nextUpdateMs: number;
}

interface Fault {
  readonly why: string;
  readonly remedy?: string;
}

const serverPurpose = '1.3.6.1.5.5.7.3.1';
const anyPurpose = '2.5.29.37.0';
/** All that the policies of this version allow (OPC UA Part 7: 2048 to 4096). */
const leastKeyBits = 2_048;
const longestPath = 8;

/**
 * Whether the server may be spoken to: the checks of OPC UA Part 4, 6.1.3. A certificate that somebody trusted by itself needs no more than it is: what issuers, host names,
 * purposes and weak hashes would prove is proved by that it is this very one. One that is trusted by its issuer needs all of them: the issuer signs many.
 */
export function examine(shown: Shown, known: Known, nowMs: number): Verdict {
  const leaf = shown.chain[0];
  if (leaf === undefined) return { kind: 'refused', leaf: null, why: 'cannot be read' };
  const isTrusted = (one: Certificate): boolean => known.trusted.some(({ der }) => der.equals(one.der));
  const whole = pathOf(leaf, [...known.trusted, ...known.issuers, ...shown.chain.slice(1)]);
  const anchor = whole.findIndex(isTrusted);
  const path = anchor === -1 ? whole : whole.slice(0, anchor + 1);
  const revoked = whole.find((one, at) => isRevoked(one, whole[at + 1], known.revocations));
  if (revoked !== undefined)
    return { kind: 'refused', leaf, why: `was revoked by its issuer${ofWhich(revoked, leaf)}` };
  const always = [...wrongAlways(leaf, shown, known, nowMs), ...path.slice(1).flatMap((one) => wrongTime(one, nowMs))];
  const many = wrongOfMany(shown, path, known);
  if (anchor === -1)
    return {
      kind: 'unknown',
      leaf,
      before: sameServer(leaf, known.trusted),
      besides: [...always, ...hostFault(shown)],
    };
  const [wrong] = [...always.map((why): Fault => ({ why })), ...(anchor === 0 ? [] : many)];
  if (wrong !== undefined) return { kind: 'refused', leaf, ...wrong };
  return { kind: 'accepted', path, lists: path.slice(1).flatMap((issuer) => newestList(issuer, known)) };
}

/** The certificate and who signed it, as far as they are known. */
function pathOf(leaf: Certificate, candidates: readonly Certificate[]): Certificate[] {
  const path = [leaf];
  for (let last = leaf; !last.isSelfSigned && path.length < longestPath;) {
    const issuer = candidates.find((one) => last.isSignedBy(one));
    if (issuer === undefined || path.includes(issuer)) break;
    path.push(issuer);
    last = issuer;
  }
  return path;
}

function isRevoked(one: Certificate, issuer: Certificate | undefined, lists: readonly RevocationList[]): boolean {
  return issuer !== undefined && lists.some((list) => list.has(one.serial) && list.isOf(issuer));
}

function wrongAlways(leaf: Certificate, { applicationUri }: Shown, known: Known, nowMs: number): string[] {
  const wrong = wrongTime(leaf, nowMs);
  if (leaf.applicationUri === null || leaf.applicationUri !== applicationUri)
    wrong.push(
      `is that of ${leaf.applicationUri ?? 'no application'}, and the server calls itself ${applicationUri ?? 'nothing'}: it needs a certificate in its own name`,
    );
  if (leaf.keyBits < leastKeyBits)
    wrong.push(
      `has ${leaf.keyBits === 0 ? 'no RSA key' : `a key of ${leaf.keyBits} bits`}; allowed: RSA of ${leastKeyBits} bits and more`,
    );
  const usage = known.usageOf(leaf);
  if (usage !== null && !(usage.digitalSignature && (usage.keyEncipherment || usage.dataEncipherment)))
    wrong.push('is not made for signing and encrypting (its key usage)');
  return wrong;
}

function wrongTime({ notBeforeMs, notAfterMs, isIssuer, name }: Certificate, nowMs: number): string[] {
  const whose = isIssuer ? ` (of ${name})` : '';
  const clock = `the clock of this gateway says ${dateTime(nowMs)}`;
  if (nowMs < notBeforeMs) return [`is not valid before ${dateTime(notBeforeMs)}${whose}, and ${clock}`];
  return nowMs > notAfterMs ? [`expired on ${dateTime(notAfterMs)}${whose}, and ${clock}`] : [];
}

/** What is to be right where an issuer stands for all that it signed. */
function wrongOfMany(shown: Shown, path: readonly Certificate[], known: Known): Fault[] {
  const [leaf, ...issuers] = path;
  if (leaf === undefined) return [];
  const wrong: Fault[] = [];
  for (const issuer of issuers) {
    const by = `is signed by "${issuer.name}"`;
    if (!issuer.isIssuer || known.usageOf(issuer)?.keyCertSign === false)
      wrong.push({ why: `${by}, which may not sign others` });
    if (issuer.keyBits < leastKeyBits) wrong.push({ why: `${by} with a key that is too short` });
    if (!known.revocations.some((list) => list.isOf(issuer)))
      wrong.push({ why: `${by}, of which there is no revocation list; get it from there`, remedy: 'trust LIST.crl' });
  }
  if (path.slice(0, -1).some(({ isSignedWeakly }) => isSignedWeakly))
    wrong.push({ why: 'is signed with MD5 or SHA-1, which can be forged' });
  if (leaf.purposes !== null && !leaf.purposes.some((one) => one === serverPurpose || one === anyPurpose))
    wrong.push({ why: 'is not made for servers (its extended key usage)' });
  return [...wrong, ...hostFault(shown).map((why) => ({ why }))];
}

/** An old one is better than none: what it names stays revoked. One that never ends has nothing to be told of. */
function newestList(issuer: Certificate, known: Known): UsedList[] {
  const ends = known.revocations
    .filter((list) => list.isOf(issuer))
    .map(({ nextUpdateMs }) => nextUpdateMs ?? Infinity);
  const nextUpdateMs = Math.max(...ends);
  return Number.isFinite(nextUpdateMs) ? [{ name: issuer.name, nextUpdateMs }] : [];
}

function hostFault({ chain, host }: Shown): string[] {
  const hosts = chain[0]?.hosts ?? [];
  if (hosts.map(plainHost).includes(plainHost(host))) return [];
  return [`is for ${hosts.length === 0 ? 'no host' : hosts.join(', ')}, and the configured host is ${host}`];
}

/** IPv6 has many spellings. */
function plainHost(host: string): string {
  const lower = host.toLowerCase();
  return lower.includes(':') ? (URL.parse(`http://[${lower}]`)?.hostname ?? lower) : lower;
}

/** What somebody trusted of the same server: by its application URI, else by a host name of its own. */
function sameServer(leaf: Certificate, trusted: readonly Certificate[]): Certificate | null {
  const own = trusted.filter(({ isIssuer, isSelfSigned }) => !isIssuer || isSelfSigned);
  const byUri = own.filter(({ applicationUri }) => applicationUri !== null && applicationUri === leaf.applicationUri);
  const byHost = own.filter(({ hosts }) => hosts.some((host) => !isLoopback(host) && leaf.hosts.includes(host)));
  const newest = [...byUri, ...(byUri.length === 0 ? byHost : [])].toSorted((a, b) => b.notBeforeMs - a.notBeforeMs);
  return newest[0] ?? null;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.');

const ofWhich = (one: Certificate, leaf: Certificate): string => (one === leaf ? '' : ` (that of ${one.name})`);

/** `2026-11-22 13:15 UTC`. */
export function dateTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? 'an unknown time' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
