import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { MessageSecurityMode, UserTokenType, crypto_utils } from 'node-opcua-client';
import type { EndpointDescription, OPCUAClient, UserIdentityInfo } from 'node-opcua-client';
import { LinkError, messageOf } from '../../agent/errors.ts';
import type { DriverHost } from '../driver.ts';
import { applicationUri } from './application-uri.ts';
import { newClient } from './client.ts';
import type { Secured } from './client.ts';
import { splitEndpoint } from './endpoint.ts';
import { certificatesIn, grouped } from './pki/certificate.ts';
import type { InUse } from './pki/expiry.ts';
import { expiryRemarks, inUseOf } from './pki/expiry.ts';
import { PkiFolder } from './pki/folder.ts';
import { ownMaker } from './pki/make-own.ts';
import { offerOf, userOf } from './pki/offers.ts';
import type { Offer, UserChoice } from './pki/offers.ts';
import { ownOrMade } from './pki/own.ts';
import type { Own } from './pki/own.ts';
import { judge } from './pki/peer.ts';
import { commandFor, refusalOf } from './pki/refusal.ts';
import type { OpcUaPlan } from './plan.ts';

export type EntryHost = Pick<DriverHost, 'clock' | 'home' | 'log'>;
export type EntryPlan = Pick<OpcUaPlan, 'endpoint' | 'securityMode' | 'securityPolicy' | 'identity' | 'timeoutMs'>;

/** A client that may be connected, and what a session on it needs. */
export interface Entry {
  readonly client: OPCUAClient;
  /** Certificates that this connection rests on. */
  readonly inUse: readonly InUse[];
  /** Connects, and says as whom to open the session. Rejects with the reason, in words for whoever must act. */
  readonly connect: () => Promise<UserIdentityInfo>;
}

/**
 * Everything before the first signed byte: asks the server what it offers, looks at its certificate, gets our own. Where nothing is signed and nobody logs in, none of that is needed.
 * Rejects with LinkError; `opened` is told each client, so that whoever gives up can close it.
 */
export async function prepareEntry(
  plan: EntryPlan,
  host: EntryHost,
  signal: AbortSignal,
  opened: (client: OPCUAClient) => void,
): Promise<Entry> {
  const { endpoint, securityMode, securityPolicy, identity, timeoutMs } = plan;
  const inUse: InUse[] = [];
  const user = await readUser(plan, inUse);
  let secured: Secured | null = null;
  let promised: Offer | null = null;
  let own: Own | null = null;
  if (securityMode !== 'None' || identity.type !== 'anonymous') {
    promised = await discover(plan, host, opened);
    const choice = chosenUser(promised, plan);
    // Ours first: whoever is told to trust the server finds there what the server has to trust.
    if (securityMode !== 'None') own = await ownOf(host, signal);
    // A proof by a user certificate is for this server's certificate only, and tells no secret.
    if (own !== null || (identity.type === 'userName' && choice.isEncrypted)) await meet(promised, plan, host, inUse);
  }
  signal.throwIfAborted();
  if (securityMode !== 'None' && securityPolicy !== 'None' && promised !== null && own !== null) {
    inUse.unshift({ whose: 'own', name: own.certificate.name, notAfterMs: own.certificate.notAfterMs });
    secured = {
      securityMode,
      securityPolicy,
      ownCertificate: own.certificate.der,
      ownKey: own.key,
      serverCertificate: leafOf(promised),
    };
  }
  signal.throwIfAborted();
  const client = newClient({
    applicationUri: own?.certificate.applicationUri ?? applicationUri(host.home),
    timeoutMs,
    secured,
    userFor: promised?.certificate ? leafOf(promised) : null,
  });
  opened(client);

  async function connect(): Promise<UserIdentityInfo> {
    try {
      await client.connect(endpoint);
    } catch (error) {
      throw own === null ? error : refusedBy(error, own, inUse, host);
    }
    const descriptions = await client.getEndpoints({ endpointUrl: endpoint });
    const offer = offerOf(descriptions.map(offerFrom), securityMode, securityPolicy, endpoint);
    if (typeof offer === 'string') throw new LinkError(offer);
    if (promised !== null && !isKept(promised, offer))
      throw new LinkError(
        'what the server said of itself before the connection was secured is not what it says now: somebody between may have changed it',
      );
    const choice = chosenUser(offer, plan);
    if (isInClear(choice, plan))
      host.log?.(
        `${endpoint}: the password goes over the network in clear, as allowUnencryptedPassword allows: the server offers no way to encrypt it; set securityMode to SignAndEncrypt`,
      );
    keepOnly(descriptions, choice);
    return user;
  }
  return { client, inUse, connect };
}

/** As whom the server is told it. Throws LinkError where it takes no such users, and where a password would go in clear that may not. */
function chosenUser(offer: Offer, plan: EntryPlan): UserChoice {
  const { endpoint, identity } = plan;
  const choice = userOf(offer, identity.type);
  if (typeof choice === 'string') throw new LinkError(choice);
  if (identity.type === 'userName' && !identity.mayBeClear && isInClear(choice, plan))
    throw new LinkError(
      `password is not sent: the server takes it unencrypted only; set securityMode to SignAndEncrypt (sluice scan ${endpoint} shows whether it offers that), or write "allowUnencryptedPassword": true where anybody on the network may read it`,
    );
  return choice;
}

const isInClear = ({ isEncrypted }: UserChoice, { identity, securityMode }: EntryPlan): boolean =>
  identity.type === 'userName' && !isEncrypted && securityMode !== 'SignAndEncrypt';

/** What it offers of the wanted security. */
async function discover(plan: EntryPlan, host: EntryHost, opened: (client: OPCUAClient) => void): Promise<Offer> {
  const { offers } = await askOffers(plan, host, opened);
  const offer = offerOf(offers, plan.securityMode, plan.securityPolicy, plan.endpoint);
  if (typeof offer === 'string') throw new LinkError(offer);
  return offer;
}

export interface Offered {
  readonly offers: readonly Offer[];
  /** What it calls itself, and its maker calls the product. Foreign text. */
  readonly name: string | null;
  readonly productUri: string | null;
}

/** Asks a server what it offers, over a channel of its own without security, as the standard wants it. */
export async function askOffers(
  { endpoint, timeoutMs }: Pick<EntryPlan, 'endpoint' | 'timeoutMs'>,
  host: EntryHost,
  opened: (client: OPCUAClient) => void,
): Promise<Offered> {
  const client = newClient({ applicationUri: applicationUri(host.home), timeoutMs, secured: null });
  opened(client);
  try {
    await client.connect(endpoint);
    const descriptions = await client.getEndpoints({ endpointUrl: endpoint });
    const { applicationName, productUri } = descriptions[0]?.server ?? {};
    return {
      offers: descriptions.map(offerFrom),
      name: applicationName?.text ?? null,
      productUri: productUri ?? null,
    };
  } finally {
    await client.disconnect().catch(() => {});
  }
}

/** Resolves when the server is one that somebody trusted. */
async function meet(offer: Offer, { endpoint }: EntryPlan, host: EntryHost, inUse: InUse[]): Promise<void> {
  const { applicationUri: uri, certificate: der } = offer;
  const shown = { der, applicationUri: uri, host: splitEndpoint(endpoint)?.host ?? '' };
  const { folder, file } = folderOf(host);
  const verdict = await judge(folder, shown, host.clock.now().wallMs).catch((error: unknown) => {
    throw unwritable(error, folder);
  });
  const refusal = refusalOf(verdict, file);
  if (refusal !== null) throw new LinkError(refusal);
  inUse.push(...inUseOf(verdict));
}

async function ownOf(host: EntryHost, signal: AbortSignal): Promise<Own> {
  const { folder, gateway, file } = folderOf(host);
  const make = ownMaker(gateway, host.clock.now().wallMs);
  try {
    return await ownOrMade({
      folder,
      make,
      rest: () => host.clock.sleep(200, signal),
      renewal: commandFor('renew', file),
    });
  } catch (error) {
    throw unwritable(error, folder);
  }
}

function folderOf({ home }: EntryHost): { folder: PkiFolder; gateway: string; file: string } {
  if (home === undefined)
    throw new LinkError(
      'there is no state directory here to keep certificates in; name a configuration with --config FILE',
    );
  return { folder: new PkiFolder(home.stateDir), gateway: home.gateway, file: home.file };
}

function unwritable(error: unknown, folder: PkiFolder): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code !== 'EACCES' && code !== 'EPERM') return error instanceof Error ? error : new Error(messageOf(error));
  return new LinkError(`${folder.path} may not be used by this user: try again with sudo`, { cause: error });
}

/** The server does not want this gateway, most likely. */
function refusedBy(
  error: unknown,
  { certificate, file }: Own,
  inUse: readonly InUse[],
  { clock, home }: EntryHost,
): Error {
  const text = messageOf(error).replaceAll(/\s+/g, ' ');
  if (!/Bad(?:Security|Certificate)|rejected by server|third party/i.test(text)) return new LinkError(text);
  const expired = expiryRemarks(
    inUse.filter(({ whose }) => whose === 'own'),
    clock.now().wallMs,
    home?.file,
  );
  const what =
    expired[0] ?? `trust it there: "${certificate.name}", thumbprint ${grouped(certificate.thumbprint)}, file ${file}`;
  return new LinkError(`the server refuses this gateway's certificate; ${what} (it said: ${text})`);
}

async function readUser({ identity }: EntryPlan, inUse: InUse[]): Promise<UserIdentityInfo> {
  if (identity.type === 'anonymous') return { type: UserTokenType.Anonymous };
  if (identity.type === 'userName')
    return { type: UserTokenType.UserName, userName: identity.username, password: identity.password.reveal() };
  const [certificate] = certificatesIn(await readFile(identity.cert));
  if (certificate === undefined) throw new LinkError(`userCertificate: ${identity.cert} holds no certificate`);
  inUse.push({ whose: 'user', name: certificate.name, notAfterMs: certificate.notAfterMs });
  const key = await readFile(identity.key, 'utf8');
  let fits: boolean;
  try {
    fits = new X509Certificate(certificate.der).checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new LinkError(`userKey: ${identity.key} holds no private key that can be used (PEM, without a passphrase)`);
  }
  if (!fits) throw new LinkError(`userKey: the key in ${identity.key} does not belong to ${identity.cert}`);
  const keyOperations = crypto_utils.keyOperationsFromPrivateKey(crypto_utils.makePrivateKeyFromPem(key));
  return { type: UserTokenType.Certificate, certificateData: certificate.der, keyOperations };
}

const leafOf = ({ certificate }: Offer): Buffer => {
  const [leaf] = certificatesIn(certificate ?? Buffer.alloc(0));
  if (leaf === undefined) throw new LinkError("the server's certificate cannot be read");
  return leaf.der;
};

const waysOf = ({ users }: Offer): string => JSON.stringify(users);

/** A server in the middle may have changed what was said without security; the certificate and the ways to tell a user must be the same. */
function isKept(before: Offer, now: Offer): boolean {
  const isSame =
    before.certificate === null ? now.certificate === null : Buffer.compare(leafOf(before), leafOf(now)) === 0;
  return isSame && waysOf(before) === waysOf(now);
}

/** The library chooses among what the server offers by its own rules: it is left no choice. */
function keepOnly(descriptions: readonly EndpointDescription[], choice: UserChoice): void {
  for (const description of descriptions)
    description.userIdentityTokens = (description.userIdentityTokens ?? []).filter(
      ({ policyId, tokenType, securityPolicyUri }) =>
        policyId === choice.policyId &&
        (userTypes[tokenType] ?? 'other') === choice.type &&
        (securityPolicyUri ?? '') === choice.policyUri,
    );
}

const userTypes: Readonly<Record<number, UserChoice['type']>> = {
  [UserTokenType.Anonymous]: 'anonymous',
  [UserTokenType.UserName]: 'userName',
  [UserTokenType.Certificate]: 'certificate',
};

const modes: Readonly<Record<number, Offer['mode']>> = {
  [MessageSecurityMode.None]: 'None',
  [MessageSecurityMode.Sign]: 'Sign',
  [MessageSecurityMode.SignAndEncrypt]: 'SignAndEncrypt',
};

function offerFrom(one: EndpointDescription): Offer {
  return {
    url: one.endpointUrl ?? '',
    mode: modes[one.securityMode] ?? 'Invalid',
    policyUri: one.securityPolicyUri ?? '',
    applicationUri: one.server.applicationUri ?? null,
    certificate: one.serverCertificate?.length > 0 ? one.serverCertificate : null,
    users: (one.userIdentityTokens ?? []).map((user) => ({
      policyId: user.policyId ?? '',
      type: userTypes[user.tokenType] ?? 'other',
      policyUri: user.securityPolicyUri ?? '',
    })),
  };
}
