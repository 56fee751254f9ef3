import {
  MessageSecurityMode,
  SecurityPolicy,
  StatusCodes,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
} from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import type { OPCUAServerOptions } from 'node-opcua-server';
import { splitEndpoint } from './endpoint.ts';
import type { OpcUaPlan } from './plan.ts';
import type { ServerCertificate } from './simulated-certificate.ts';
import { simulatedUri } from './simulated-layout.ts';

export interface ServerOptions {
  readonly plan: OpcUaPlan;
  readonly host: string;
  readonly port: number;
  readonly certificate: Pick<ServerCertificate, 'certificateFile' | 'privateKeyFile'>;
  /** What becomes of an answer: its name, and what sends it. */
  readonly answer: (name: string, send: () => void) => void;
  /** Another client has connected. */
  readonly connected: () => void;
}

/** Before a client connects: the address space is there and can be furnished. */
export interface PreparedServer {
  readonly server: OPCUAServer;
  /** Rejects with the socket's error. Resolves with the port. */
  listen(): Promise<number>;
  close(): Promise<void>;
}

type Managers = Required<Pick<OPCUAServerOptions, 'serverCertificateManager' | 'userCertificateManager'>>;
interface Channel {
  send_response: (type: string, response: { schema: { name: string } }, ...more: unknown[]) => unknown;
}

/** A server of the library for a plan's endpoint: its security, its user, nothing in it yet. It prints nothing, and announces itself to nobody. */
export async function prepareServer(options: ServerOptions): Promise<PreparedServer> {
  for (const set of [setDebugLogger, setWarningLogger, setErrorLogger]) set(() => {});
  const { plan, host, port, certificate, answer, connected } = options;
  const { identity, securityMode, securityPolicy } = plan;
  const server = new OPCUAServer({
    host,
    hostname: host,
    port,
    resourcePath: splitEndpoint(plan.endpoint)?.path ?? '',
    certificateFile: certificate.certificateFile,
    privateKeyFile: certificate.privateKeyFile,
    serverInfo: {
      applicationUri: simulatedUri,
      productUri: simulatedUri,
      applicationName: { text: 'Sluice simulate' },
    },
    allowAnonymous: identity.type === 'anonymous',
    // Whatever the password is: it is a secret, and this is no place for it.
    userManager: { isValidUser: (name: string) => identity.type === 'userName' && name === identity.username },
    securityModes: [...new Set([MessageSecurityMode.None, MessageSecurityMode[securityMode]])],
    securityPolicies: [...new Set([SecurityPolicy.None, SecurityPolicy[securityPolicy]])],
    maxConnectionsPerEndpoint: 100,
    serverCapabilities: { maxSessions: 100 },
    ...believing(),
  });
  await server.initialize();
  server.on('newChannel', (channel) => {
    connected();
    const { send_response: send } = channel as unknown as Channel;
    (channel as unknown as Channel).send_response = (type, response, ...more) => {
      answer(response.schema.name, () => {
        send.call(channel, type, response, ...more);
      });
    };
  });
  return {
    server,
    async listen() {
      await server.start();
      return (server.endpoints[0] as unknown as { port: number }).port;
    },
    close: () => server.shutdown(0),
  };
}

/** Certificates of clients and users are all taken: who asks for invented values may be anybody. */
function believing(): Managers {
  const good = Promise.resolve(StatusCodes.Good);
  const manager = {
    referenceCounter: 0,
    initialize: () => Promise.resolve(),
    dispose: () => Promise.resolve(),
    checkCertificate: (_: unknown, done?: (error: null, status: typeof StatusCodes.Good) => void) => {
      done?.(null, StatusCodes.Good);
      return good;
    },
    verifyCertificate: () => Promise.resolve(StatusCodes.Good.name),
    trustCertificate: () => Promise.resolve(),
    rejectCertificate: () => Promise.resolve(),
    getTrustStatus: () => good,
    addIssuer: () => Promise.resolve(),
    addRevocationList: () => Promise.resolve(),
  };
  return { serverCertificateManager: manager, userCertificateManager: manager } as unknown as Managers;
}
