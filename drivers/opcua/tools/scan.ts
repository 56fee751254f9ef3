import { once } from 'node:events';
import { connect } from 'node:net';
import { LinkError, UsageError, messageOf } from '../../../agent/errors.ts';
import { foreignText } from '../../foreign-text.ts';
import type { Finding, ScanOptions, ToolHost } from '../../tools.ts';
import { splitEndpoint } from '../endpoint.ts';
import { askOffers } from '../entry.ts';
import type { Offered } from '../entry.ts';
import { certificateOf, grouped } from '../pki/certificate.ts';
import { byStrength, policyName, userWords } from '../pki/offers.ts';
import type { Offer } from '../pki/offers.ts';
import { securityPolicies } from '../plan.ts';
import { noAnswerWithin, unreachable } from '../unreachable.ts';
import { toolUrl } from './tool-url.ts';

const dayMs = 86_400_000;
/** Weakest first. */
const modes = ['None', 'Sign', 'SignAndEncrypt'];
const usable: ReadonlySet<string> = new Set(securityPolicies);

/** What a server offers to whoever asks: endpoints, security, users, its certificate. No session is opened, nobody logs in. */
export async function scan(url: string, { units, sweep }: ScanOptions, host: ToolHost): Promise<Finding> {
  if (units !== null || sweep) throw new UsageError('--units and --sweep are for lines of Modbus');
  const { plan } = toolUrl(url, null);
  await mustListen(plan.endpoint, plan.timeoutMs, host.signal);
  return findingOf(plan.endpoint, await asked(plan.endpoint, plan.timeoutMs, host), host.clock.now().wallMs);
}

/** Rejects with LinkError where nobody listens. */
async function mustListen(endpoint: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const { host = '', port = 0 } = splitEndpoint(endpoint) ?? {};
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
  } catch (error) {
    throw new LinkError(`${endpoint}: ${signal.aborted ? 'ended' : reasonOf(error, endpoint, timeoutMs)}`);
  } finally {
    socket.destroy();
  }
}

const reasonOf = (error: unknown, endpoint: string, timeoutMs: number): string =>
  error instanceof Error && error.name === 'AbortError'
    ? noAnswerWithin(timeoutMs)
    : (unreachable(messageOf(error), endpoint) ?? messageOf(error));

async function asked(endpoint: string, timeoutMs: number, host: ToolHost): Promise<Offered> {
  const clients: { disconnect(): Promise<void> }[] = [];
  const done = new AbortController();
  const late = host.clock.sleep(timeoutMs, AbortSignal.any([done.signal, host.signal])).then(
    () => Promise.reject(new Error(`no answer within ${timeoutMs} ms`)),
    () => Promise.reject(new Error('ended')),
  );
  const answer = askOffers({ endpoint, timeoutMs }, host, (client) => clients.push(client));
  answer.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    const said = foreignText(messageOf(error).replaceAll(/\s+/g, ' '));
    // The library names a timeout that did not pass.
    const why = said.includes('waiting for data') ? 'it ended the connection' : said;
    throw new LinkError(
      `${endpoint}: somebody listens there, and does not answer as an OPC UA server does (${why}). Most listen on port 4840; what speaks opc.https or http only is not read`,
    );
  } finally {
    done.abort(null);
    void Promise.all(clients.map((client) => client.disconnect().catch(() => {})));
  }
}

const cleaned = (text: string | null): string => foreignText(text ?? '').slice(0, 200);
const strengthOf = ({ mode, policyUri }: Offer): number =>
  modes.indexOf(mode) * 10 + byStrength.indexOf(policyName(policyUri));

function findingOf(endpoint: string, { offers, name, productUri }: Offered, nowMs: number): Finding {
  const sorted = offers.filter(({ mode }) => mode !== 'Invalid').toSorted((a, b) => strengthOf(b) - strengthOf(a));
  const endpoints = sorted.map((offer) => ({
    url: cleaned(offer.url),
    securityMode: offer.mode,
    securityPolicy: policyName(offer.policyUri),
    users: [...new Set(offer.users.map(({ type }) => type))],
    usable: usable.has(policyName(offer.policyUri)),
  }));
  const certificates = sorted.flatMap(({ certificate }) =>
    certificate === null ? [] : (certificateOf(certificate) ?? []),
  );
  const [certificate] = certificates;
  const best = endpoints.find((each) => each.usable);
  const server = {
    name: cleaned(name),
    applicationUri: cleaned(sorted[0]?.applicationUri ?? null),
    productUri: cleaned(productUri),
  };
  return {
    ok: best !== undefined,
    json: {
      endpoint,
      ...server,
      certificate: certificate && {
        name: certificate.name,
        thumbprint: certificate.thumbprint,
        notAfter: new Date(certificate.notAfterMs).toISOString(),
      },
      endpoints,
    },
    parts: [
      endpoint,
      {
        head: [],
        rows: [
          ['name', server.name],
          ['application', server.applicationUri],
          ['product', server.productUri],
          ...(certificate === undefined
            ? [['certificate', 'none']]
            : [
                ['certificate', certificate.name],
                ['thumbprint', grouped(certificate.thumbprint)],
                ['valid until', `${dateOf(certificate.notAfterMs)}${remark(certificate.notAfterMs, nowMs)}`],
              ]),
        ],
      },
      {
        head: ['securityMode', 'securityPolicy', 'users', ''],
        rows: endpoints.map((each) => [
          each.securityMode,
          each.securityPolicy,
          each.users.map((user) => userWords[user]).join(', '),
          each.usable ? '' : 'withdrawn, or not known here: not used',
        ]),
      },
      best === undefined ? 'Nothing of that can be used.' : nextStep(endpoint, best),
    ],
  };
}

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

function remark(notAfterMs: number, nowMs: number): string {
  const days = Math.floor((notAfterMs - nowMs) / dayMs);
  if (days < 0) return ' (expired)';
  return days < 30 ? ` (in ${days} days)` : '';
}

/** What to type next: the strongest that it offers. */
function nextStep(
  endpoint: string,
  { securityMode, securityPolicy }: { readonly securityMode: string; readonly securityPolicy: string },
): string {
  const security = securityMode === 'None' ? { securityMode } : { securityMode, securityPolicy };
  const query = Object.entries(security)
    .map(([key, value]) => `${key}=${value}`)
    .join('&');
  return [
    `In the configuration: ${JSON.stringify({ driver: 'opcua', endpoint, ...security })}`,
    `What it holds: sluice browse '${endpoint}${securityMode === 'None' ? '' : `?${query}`}'; its product and version: sluice probe with the same URL`,
  ].join('\n');
}
