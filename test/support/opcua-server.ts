import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// Comes with node-opcua-server, which takes one and does not export it.
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { DataType, ServiceFault, StatusCodes, Variant, VariantArrayType } from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';

type Namespace = ReturnType<NonNullable<OPCUAServer['engine']['addressSpace']>['registerNamespace']>;
export type ServedVariable = ReturnType<Namespace['addVariable']>;
export type TypeName = Extract<keyof typeof DataType, string>;

/** A request as the server decoded it. */
export interface SeenRequest {
  /** `ReadRequest`, … */
  readonly name: string;
  /** Of a read: what was asked, in order. */
  readonly nodeIds: readonly string[];
}

export interface OpcUaServer {
  readonly port: number;
  readonly server: OPCUAServer;
  readonly namespace: Namespace;
  /** All that arrived, oldest first. */
  readonly requests: SeenRequest[];
  /** `s=NAME` in `urn:site:plc`; a scalar unless stated. */
  variable(name: string, type: TypeName, value: unknown, arrayType?: VariantArrayType): ServedVariable;
  /** A request goes on only if this gives true, or when it calls `answer`; the name of a StatusCode refuses it as a whole. */
  gate: (request: SeenRequest, answer: () => void) => boolean | StatusName;
  close(): Promise<void>;
}

type StatusName = Extract<Exclude<keyof typeof StatusCodes, 'prototype'>, string>;
interface Message {
  readonly request: {
    readonly requestHeader: { readonly requestHandle: number };
    readonly nodesToRead?: readonly { nodeId: { toString: () => string } }[] | null;
  };
}
interface Channel {
  send_response(type: 'MSG', response: object, message: Message, done: () => void): void;
}
type Handler = (message: Message, channel: Channel) => unknown;

export interface OpcUaServerOptions {
  /** 0: any. */
  readonly port?: number;
  readonly mostSessions?: number;
  readonly operationLimits?: Readonly<Record<string, number>>;
  /** Another namespace stands before that of the variables. */
  readonly isShifted?: boolean;
  /** PEM files: then every policy and user is offered; `ana` has the password `not-in-any-log`. */
  readonly secured?: { readonly certificate: string; readonly key: string };
  /** Of its capabilities: `maxSubscriptionsPerSession`, `maxMonitoredItemsPerSubscription`, … */
  readonly limits?: Readonly<Record<string, number>>;
  /** Hands subscriptions on though nobody says who they are. */
  readonly handsOn?: boolean;
}

/** node-opcua's own server, in this process: what it receives can be seen, and held back. */
export async function startOpcUaServer(options: OpcUaServerOptions = {}): Promise<OpcUaServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-opcua-'));
  const keeps = (name: string): OPCUACertificateManager =>
    new OPCUACertificateManager({ rootFolder: join(folder, name), automaticallyAcceptUnknownCertificate: true });
  const server = new OPCUAServer({
    port: options.port ?? 0,
    hostname: 'localhost',
    resourcePath: '/',
    allowAnonymous: true,
    serverCertificateManager: keeps('.'),
    ...(options.secured && {
      certificateFile: options.secured.certificate,
      privateKeyFile: options.secured.key,
      serverInfo: { applicationUri: 'urn:plc' },
      userManager: { isValidUser: (name: string, password: string) => name === 'ana' && password === 'not-in-any-log' },
      userCertificateManager: keeps('users'),
    }),
    maxConnectionsPerEndpoint: 100,
    allowAnonymousSubscriptionTransferOnUnsecuredChannel: options.handsOn ?? false,
    serverCapabilities: {
      maxSessions: options.mostSessions ?? 100,
      ...options.limits,
      ...(options.operationLimits && { operationLimits: options.operationLimits }),
    },
  });
  await server.initialize();
  const { addressSpace } = server.engine;
  if (addressSpace === null) throw new Error('the server has no address space');
  if (options.isShifted === true) addressSpace.registerNamespace('urn:site:other');
  const namespace = addressSpace.registerNamespace('urn:site:plc');
  const requests: SeenRequest[] = [];
  const made: OpcUaServer = {
    port: 0,
    server,
    namespace,
    requests,
    gate: () => true,
    variable: (name, type, value, arrayType = VariantArrayType.Scalar) =>
      namespace.addVariable({
        organizedBy: addressSpace.rootFolder.objects,
        nodeId: `s=${name}`,
        browseName: name,
        dataType: type,
        valueRank: arrayType === VariantArrayType.Scalar ? -1 : 1,
        value: new Variant({ dataType: DataType[type], arrayType, value }),
        minimumSamplingInterval: 10,
      }),
    close: async () => {
      await server.shutdown(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  watch(server, made);
  const { port } = server.endpoints[0] as unknown as { port: number };
  return Object.assign(made, { port });
}

/** Every service of the server, seen and gated before it is served. */
function watch(server: OPCUAServer, made: OpcUaServer): void {
  const services = server as unknown as Record<string, Handler>;
  for (let type = Object.getPrototypeOf(server) as object; type !== Object.prototype; type = protoOf(type))
    for (const key of Object.getOwnPropertyNames(type)) {
      const service = services[key];
      if (!/^_on_\w+Request$/.test(key) || service === undefined || Object.hasOwn(server, key)) continue;
      services[key] = (message, channel) => {
        const nodeIds = (message.request.nodesToRead ?? []).map(({ nodeId }) => nodeId.toString());
        const request = { name: key.slice('_on_'.length), nodeIds };
        made.requests.push(request);
        const answer = (): unknown => service.call(server, message, channel);
        const passed = made.gate(request, answer);
        if (typeof passed !== 'string') return passed ? answer() : undefined;
        const { requestHandle } = message.request.requestHeader;
        const refused = new ServiceFault({ responseHeader: { requestHandle, serviceResult: StatusCodes[passed] } });
        return channel.send_response('MSG', refused, message, () => {});
      };
    }
}

const protoOf = (of: object): object => Object.getPrototypeOf(of) as object;
