/** A certificate that is in use, by whom it is to be renewed. */
export interface InUse {
  readonly whose: 'own' | 'server' | 'issuer' | 'user';
  readonly name: string;
  readonly notAfterMs: number;
}

const dayMs = 86_400_000;
/** Long enough for somebody to drive there. */
const aheadMs = 30 * dayMs;

const remedies = {
  own: 'sluice pki renew, then have the new one trusted by every server',
  server: 'have a new one made there; when it shows it, the log names the command to trust it',
  issuer: 'get the new one of that authority, then: sluice pki trust FILE',
  user: 'have a new one issued for userCertificate',
} as const;

const owners = {
  own: "this gateway's own certificate",
  server: 'the certificate of server',
  issuer: 'the certificate of authority',
  user: 'the user certificate',
} as const;

/** A sentence for each certificate that will expire within 30 days, or has. */
export function expiryRemarks(inUse: readonly InUse[], nowMs: number): string[] {
  return inUse
    .filter(({ notAfterMs }) => notAfterMs - nowMs < aheadMs)
    .map(({ whose, name, notAfterMs }) => {
      const days = Math.floor(Math.abs(notAfterMs - nowMs) / dayMs);
      const date = new Date(notAfterMs).toISOString().slice(0, 10);
      const when =
        notAfterMs < nowMs ? `expired on ${date}` : `expires in ${days} ${days === 1 ? 'day' : 'days'}, on ${date}`;
      return `${owners[whose]} "${name}" ${when}: ${remedies[whose]}`;
    });
}
