import { commandFor } from './refusal.ts';
import type { Verdict } from './trust.ts';

/** A certificate that is in use, by whom it is to be renewed; `list`: a revocation list, with the name of its authority. */
export interface InUse {
  readonly whose: 'own' | 'server' | 'issuer' | 'user' | 'list';
  readonly name: string;
  readonly notAfterMs: number;
}

const dayMs = 86_400_000;
/** Long enough for somebody to drive there. */
const aheadMs = 30 * dayMs;

/** What to do, `file` being the configuration. */
const remedies: Readonly<Record<InUse['whose'], (file: string | undefined) => string>> = {
  own: (file) => `${commandFor('renew', file)}, then have the new one trusted by every server`,
  server: () => 'have a new one made there; when it shows it, the log names the command to trust it',
  issuer: (file) => `get the new one of that authority, then: ${commandFor('trust FILE', file)}`,
  user: () => 'have a new one issued for userCertificate',
  list: (file) =>
    `who was revoked since is not known here; get the new one of that authority, then: ${commandFor('trust LIST.crl', file)}`,
};

const owners = {
  own: "this gateway's own certificate",
  server: 'the certificate of server',
  issuer: 'the certificate of authority',
  user: 'the user certificate',
  list: 'the revocation list of authority',
} as const;

/** On what a server that is trusted rests. */
export function inUseOf(verdict: Verdict): InUse[] {
  if (verdict.kind !== 'accepted') return [];
  const certificates = verdict.path.map(({ name, notAfterMs }, at): InUse => ({
    whose: at === 0 ? 'server' : 'issuer',
    name,
    notAfterMs,
  }));
  return [
    ...certificates,
    ...verdict.lists.map(({ name, nextUpdateMs }): InUse => ({ whose: 'list', name, notAfterMs: nextUpdateMs })),
  ];
}

/** A sentence for each certificate that will expire within 30 days, or has, and for each list that has: authorities renew them every few days. `file`: the configuration. */
export function expiryRemarks(inUse: readonly InUse[], nowMs: number, file: string | undefined): string[] {
  return inUse
    .filter(({ whose, notAfterMs }) => notAfterMs - nowMs < (whose === 'list' ? 0 : aheadMs))
    .map(({ whose, name, notAfterMs }) => {
      const days = Math.floor(Math.abs(notAfterMs - nowMs) / dayMs);
      const date = new Date(notAfterMs).toISOString().slice(0, 10);
      const when =
        notAfterMs < nowMs ? `expired on ${date}` : `expires in ${days} ${days === 1 ? 'day' : 'days'}, on ${date}`;
      return `${owners[whose]} "${name}" ${when}: ${remedies[whose](file)}`;
    });
}
