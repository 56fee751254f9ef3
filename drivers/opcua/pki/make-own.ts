import { hostname } from 'node:os';
import { crypto_utils } from 'node-opcua-client';
import { builtAtMs } from '../../../agent/build-time.ts';
import { applicationUri } from '../application-uri.ts';
import { certificatesIn } from './certificate.ts';
import type { Maker } from './own.ts';

const dayMs = 86_400_000;
/** A gateway is visited seldom, and a server that no longer trusts it says so by its own list: longer than anybody wants to drive there for. */
const validDays = 3_650;
const keyBits = 2_048;

/** A self-signed application certificate of this gateway, with a new key. */
export function ownMaker(gateway: string, nowMs: number): Maker {
  return selfSigned(
    { subject: `/CN=Sluice ${gateway}/O=Sluice`, applicationUri: applicationUri({ gateway }), dns: [hostname()] },
    nowMs,
  );
}

/**
 * A self-signed application certificate as OPC UA Part 6, 6.2.2 wants it, with a new key; the key is made by another thread. It is valid from before this version was built, whatever
 * the clock says now: a machine that starts in 1970 makes one that holds when its clock is right.
 */
export function selfSigned(
  who: { readonly subject: string; readonly applicationUri: string; readonly dns: string[]; readonly ip?: string[] },
  nowMs: number,
): Maker {
  return async () => {
    const privateKey = await crypto_utils.generatePrivateKey(keyBits);
    const notBefore = new Date(builtAtMs - dayMs);
    const notAfter = new Date(Math.max(nowMs, builtAtMs) + validDays * dayMs);
    const { cert } = await crypto_utils.createSelfSignedCertificate({
      ...who,
      privateKey,
      notBefore,
      notAfter,
      purpose: crypto_utils.CertificatePurpose.ForApplication,
    });
    const { privPem } = await crypto_utils.privateKeyToPEM(privateKey);
    const [certificate] = certificatesIn(Buffer.from(cert));
    if (certificate === undefined) throw new Error('the certificate that was made cannot be read');
    return { certificate, key: privPem };
  };
}
