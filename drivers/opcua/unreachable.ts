import { splitEndpoint } from './endpoint.ts';

/** What to look at, by the code that Node has for it; the library hands it on in its text alone. */
const reasons: readonly (readonly [code: RegExp, say: (host: string, port: number) => string])[] = [
  [
    /ECONNREFUSED/,
    (host, port) =>
      `nobody listens on port ${port} of ${host}; check the port (most servers have 4840), and that the server runs`,
  ],
  [
    /ENOTFOUND|EAI_AGAIN/,
    (host) =>
      `the name ${host} is not known here; check its spelling and the DNS of this machine, or write the address`,
  ],
  [
    /EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN/,
    (host) =>
      `there is no way to ${host} from here; check the address, the cable, and the network settings of this machine`,
  ],
  [/ETIMEDOUT/, (host, port) => `no answer from ${host} on port ${port}; ${look}`],
  [
    /ECONNRESET|EPIPE|waiting for data/,
    (host, port) =>
      `whoever listens on port ${port} of ${host} ended the connection at once; check that it is an OPC UA server (most have port 4840)`,
  ],
];
const look =
  'check the address, the cable, firewalls between, and that an OPC UA server listens there; a slow network may need a longer timeout';

/** Why nobody could be asked there, and what to check; null: it is nothing of the network. */
export function unreachable(text: string, endpoint: string): string | null {
  const { host = '', port = 0 } = splitEndpoint(endpoint) ?? {};
  for (const [code, say] of reasons) {
    const [found] = code.exec(text) ?? [];
    if (found !== undefined) return `${say(host, port)}${found.startsWith('E') ? ` (${found})` : ''}`;
  }
  return null;
}

/** Of a connection that got nothing back. */
export const noAnswerWithin = (ms: number): string => `no answer within ${ms} ms; ${look}`;
