import {
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  StatusCodes,
  crypto_utils,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
} from 'node-opcua-client';
import type { OPCUAClientOptions } from 'node-opcua-client';
import { guardedTransports } from './guard.ts';
import type { SecurityMode, SecurityPolicy as PolicyName } from './plan.ts';

/** A channel that is signed: who we are, and whom we speak to. Both were examined before. */
export interface Secured {
  readonly securityMode: Exclude<SecurityMode, 'None'>;
  readonly securityPolicy: Exclude<PolicyName, 'None'>;
  /** DER. */
  readonly ownCertificate: Buffer;
  /** PEM. */
  readonly ownKey: string;
  /** DER, without those of its issuers. */
  readonly serverCertificate: Buffer;
}

export interface ClientSettings {
  /** `urn:…`; what is in `ownCertificate`, where there is one. */
  readonly applicationUri: string;
  /** How long one answer is waited for. */
  readonly timeoutMs: number;
  /** null: nothing is signed. */
  readonly secured: Secured | null;
  /** The server's certificate (DER), by which a password is encrypted and for which a user certificate proves itself where nothing else is secured. */
  readonly userFor?: Buffer | null;
}

const quietMs = 300_000;
/** A session of which the server hears nothing for so long is to end. */
export const sessionMs = 60_000;
/**
 * The library renews a channel when three quarters of its life are over, and no later than this. Alone, a life of more than 44 days, or of 2^32 - 1 ms as "for ever", is more than
 * a timer can wait: it goes off at once, and the channel is renewed hundreds of times a second.
 */
const renewMs = 3_600_000;

/**
 * A client of the library that is connected to nothing yet. It keeps no certificates: neither the library's folder in the home directory nor any other
 * is made or read, and whom it may speak to was decided before (`trust.ts`). It prints nothing, and never connects again by itself.
 */
export function newClient({ applicationUri, timeoutMs, secured, userFor = null }: ClientSettings): OPCUAClient {
  setDebugLogger(silent);
  setWarningLogger(silent);
  setErrorLogger(silent);
  const serverCertificate = secured?.serverCertificate ?? userFor;
  const client = OPCUAClient.create({
    applicationName: 'Sluice',
    applicationUri,
    endpointMustExist: false,
    // Sessions end and are opened anew by whoever owns the connection: after a restart of the server the library's own return may stay silent for ever.
    transportFactory: guardedTransports,
    connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 100 },
    keepSessionAlive: false,
    // The library cuts a link that was quiet for so long. A quiet server is none: who watches is `lookout.ts`.
    transportTimeout: quietMs,
    // Ours ends first: a request that was given up is then forgotten in the library too.
    defaultTransactionTimeout: timeoutMs + 10_000,
    requestedSessionTimeout: sessionMs,
    tokenRenewalInterval: renewMs,
    securityMode: MessageSecurityMode[secured?.securityMode ?? 'None'],
    securityPolicy: SecurityPolicy[secured?.securityPolicy ?? 'None'],
    ...(serverCertificate && { serverCertificate }),
    certificateKeyPairProvider: providerOf(secured),
    clientCertificateManager: strangersOnly(),
  });
  // Else it would look at a certificate that is not there, or print what it thinks of ours.
  Object.assign(client, { initializeCM: () => Promise.resolve() });
  return client;
}

type Provider = NonNullable<OPCUAClientOptions['certificateKeyPairProvider']>;

/** Certificate and key as the library asks for them; of a channel without security it asks too, and takes null. */
function providerOf(secured: Secured | null): Provider {
  const none = null as never;
  const key = secured && crypto_utils.makePrivateKeyFromPem(secured.ownKey);
  const provider = {
    certificateFile: '<in-memory>',
    privateKeyFile: '<in-memory>',
    getCertificate: () => secured?.ownCertificate ?? none,
    getCertificateChain: () => (secured === null ? [] : [secured.ownCertificate]),
    getPrivateKey: () => key ?? none,
    ...(secured === null && { getKeyOperations: () => none }),
  };
  return provider;
}

/** A server that changes its certificate while the library is connected is a stranger. */
const strangersOnly = (): NonNullable<OPCUAClientOptions['clientCertificateManager']> => ({
  referenceCounter: 0,
  initialize: () => Promise.resolve(),
  dispose: () => Promise.resolve(),
  checkCertificate: () => Promise.resolve(StatusCodes.BadCertificateUntrusted),
  verifyCertificate: () => Promise.resolve(StatusCodes.BadCertificateUntrusted.name),
  trustCertificate: () => Promise.resolve(),
  rejectCertificate: () => Promise.resolve(),
  getTrustStatus: () => Promise.resolve(StatusCodes.BadCertificateUntrusted),
  addIssuer: () => Promise.resolve(),
  addRevocationList: () => Promise.resolve(),
});

function silent(): void {
  // What is to be told is told by whoever catches the error.
}
