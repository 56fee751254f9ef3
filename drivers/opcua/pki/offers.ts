import type { Identity, SecurityMode, SecurityPolicy } from '../plan.ts';

/** One endpoint of a server, as it describes it (OPC UA Part 4, EndpointDescription). Foreign text. */
export interface Offer {
  readonly url: string;
  readonly mode: SecurityMode | 'Invalid';
  /** `http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256`, or what else the server says. */
  readonly policyUri: string;
  readonly applicationUri: string | null;
  /** DER, with those of its issuers if it sends them; null: none. */
  readonly certificate: Buffer | null;
  readonly users: readonly UserOffer[];
}

export interface UserOffer {
  readonly policyId: string;
  readonly type: Identity['type'] | 'other';
  /** How a secret is encrypted, or a proof signed; '': as the endpoint. */
  readonly policyUri: string;
}

const prefix = 'http://opcfoundation.org/UA/SecurityPolicy#';
export const policyUriOf = (policy: SecurityPolicy): string => prefix + policy;
export const policyName = (uri: string): string =>
  (uri.startsWith(prefix) ? uri.slice(prefix.length) : uri).replaceAll(/[^\w./:#-]/g, '?').slice(0, 60);

/** The endpoint that is wanted; a text: why there is none, and what there is instead. */
export function offerOf(
  offers: readonly Offer[],
  mode: SecurityMode,
  policy: SecurityPolicy,
  url: string,
): Offer | string {
  const fitting = offers.filter((offer) => offer.mode === mode && offer.policyUri === policyUriOf(policy));
  const chosen = fitting.find((offer) => pathOf(offer.url) === pathOf(url)) ?? fitting[0];
  if (chosen !== undefined) return chosen;
  const wanted = mode === 'None' ? 'connections without security' : `${mode} with ${policy}`;
  return `the server does not offer ${wanted}; it offers ${offered(offers)}`;
}

/** `None; Sign with Basic256Sha256; SignAndEncrypt with Basic256Sha256, Aes128_Sha256_RsaOaep`. */
function offered(offers: readonly Offer[]): string {
  const byMode = Map.groupBy(offers, ({ mode }) => mode);
  const texts = [...byMode].map(([mode, of]) =>
    mode === 'None'
      ? 'None'
      : `${mode} with ${[...new Set(of.map(({ policyUri }) => policyName(policyUri)))].join(', ')}`,
  );
  return texts.length === 0 ? 'nothing' : texts.join('; ');
}

/** Weakest first. The first two are not to be used where there is another. */
export const byStrength = [
  'None',
  'Basic128Rsa15',
  'Basic256',
  'Aes128_Sha256_RsaOaep',
  'Basic256Sha256',
  'Aes256_Sha256_RsaPss',
];
export const userWords = {
  anonymous: 'anonymous users',
  userName: 'user names',
  certificate: 'user certificates',
  other: 'other tokens',
};

export interface UserChoice extends UserOffer {
  /** By which policy its secret is to be encrypted; `None`: not at all by itself. */
  readonly effective: string;
  /** Whether that can be done: a policy that nobody knows, or a server without a certificate, leaves a secret in clear. */
  readonly isEncrypted: boolean;
}

/** How the user is told to the server: the strongest way it offers, never a weaker one. A text: it takes no such users. */
export function userOf({ users, policyUri, certificate }: Offer, type: Identity['type']): UserChoice | string {
  const fitting = users
    .filter((user) => user.type === type)
    .map((user) => ({ ...user, effective: policyName(user.policyUri === '' ? policyUri : user.policyUri) }))
    .map((user) => ({ ...user, isEncrypted: certificate !== null && byStrength.indexOf(user.effective) > 0 }))
    .toSorted((a, b) => byStrength.indexOf(b.effective) - byStrength.indexOf(a.effective));
  const [strongest] = fitting;
  if (strongest?.type === 'certificate' && (strongest.effective === 'None' || certificate === null))
    return 'the server says no way to prove a user certificate without security; set securityMode to SignAndEncrypt';
  if (strongest !== undefined) return strongest;
  const taken = [...new Set(users.map((user) => userWords[user.type]))].join(', ');
  return `the server takes no ${userWords[type]} here; it takes ${taken === '' ? 'nobody' : taken}`;
}

function pathOf(url: string): string {
  return /^[a-z.]+:\/\/[^/]*(.*?)\/*$/i.exec(url)?.[1] ?? url;
}
