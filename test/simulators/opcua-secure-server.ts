/**
 * A server of node-opcua's own with every policy and user, in a process of its own. Nothing of this project's code takes part.
 *
 * Usage: opcua-secure-server.ts PORT CERTIFICATE KEY FOLDER [POLICY…] [-strict] [-clear] [-unheard]
 *
 * Prints `ready`; ends after five minutes, or when its standard input does. The user is `ana`, her password `not-in-any-log`. `-strict`: it knows no client.
 * `-clear`: it takes user names without encryption. `-unheard`: by a policy that nobody knows. `-both`: that way too. `-turncoat`: only after the second question for its endpoints (the library asks twice a connection). `-stranger=FILE`: it shows that certificate (DER) in
 * its sessions. Prints `token ALGORITHM` for every user name that arrives.
 */
import { readFileSync } from 'node:fs';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  DataType,
  MessageSecurityMode,
  SecurityPolicy,
  UserTokenPolicy,
  UserTokenType,
  Variant,
} from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';

const [, , port = '0', certificateFile = '', privateKeyFile = '', folder = '', ...words] = process.argv;
const policies = words.filter((word) => !word.startsWith('-')) as (keyof typeof SecurityPolicy)[];
const keeps = async (name: string, accepts: boolean): Promise<OPCUACertificateManager> => {
  const rootFolder = `${folder}/${name}`;
  const made = new OPCUACertificateManager({ rootFolder, automaticallyAcceptUnknownCertificate: accepts });
  await made.initialize();
  return made;
};
setTimeout(() => process.exit(1), 300_000).unref();
process.stdin.on('end', () => process.exit(0)).resume();

const server = new OPCUAServer({
  port: Number(port),
  hostname: 'localhost',
  resourcePath: '/',
  certificateFile,
  privateKeyFile,
  serverInfo: { applicationUri: 'urn:plc' },
  allowAnonymous: true,
  securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
  securityPolicies: policies.map((name) => SecurityPolicy[name]),
  userManager: { isValidUser: (name: string, password: string) => name === 'ana' && password === 'not-in-any-log' },
  serverCertificateManager: await keeps('server', !words.includes('-strict')),
  userCertificateManager: await keeps('users', true),
});
await server.initialize();
const space = server.engine.addressSpace;
if (space === null) throw new Error('the server has no address space');
space.registerNamespace('urn:site:plc').addVariable({
  organizedBy: space.rootFolder.objects,
  nodeId: 's=Level',
  browseName: 'Level',
  dataType: 'Double',
  value: new Variant({ dataType: DataType.Double, value: 1.5 }),
});
const tokens = server.endpoints.flatMap((endpoint) => endpoint.endpointDescriptions());
function takeBy(policyUri: string): void {
  for (const { userIdentityTokens } of tokens)
    for (const token of userIdentityTokens ?? []) token.securityPolicyUri = policyUri;
}
const clear = (): void => takeBy(SecurityPolicy.None);
if (words.includes('-clear')) clear();
if (words.includes('-unheard')) takeBy(SecurityPolicy.None.replace('#None', '#Unheard'));
if (words.includes('-both'))
  for (const description of tokens)
    description.userIdentityTokens = (description.userIdentityTokens ?? []).flatMap((token) =>
      token.tokenType === UserTokenType.UserName
        ? [
            new UserTokenPolicy({
              policyId: 'clear',
              tokenType: token.tokenType,
              securityPolicyUri: SecurityPolicy.None,
            }),
            token,
          ]
        : [token],
    );

interface Channel {
  send_response: (type: string, response: { serverCertificate?: Buffer }, ...more: unknown[]) => unknown;
}
type Handler = (
  message: { request: { userIdentityToken?: { encryptionAlgorithm?: string } } },
  channel: Channel,
) => void;
const services = server as unknown as Record<string, Handler>;
function before(name: string, see: (...seen: Parameters<Handler>) => void): void {
  const service = services[name];
  if (service === undefined) throw new Error(`the server has no ${name}`);
  services[name] = (message, channel) => {
    see(message, channel);
    service.call(server, message, channel);
  };
}
before('_on_ActivateSessionRequest', ({ request: { userIdentityToken } }) => {
  if (userIdentityToken && 'encryptionAlgorithm' in userIdentityToken)
    console.log(`token ${userIdentityToken.encryptionAlgorithm ?? 'none'}`);
});
let asked = 0;
if (words.includes('-turncoat'))
  before('_on_GetEndpointsRequest', () => {
    asked += 1;
    if (asked === 2) setTimeout(clear, 0);
  });
const stranger = words.find((word) => word.startsWith('-stranger='))?.slice('-stranger='.length);
if (stranger !== undefined)
  before('_on_CreateSessionRequest', (_, channel) => {
    const send = channel.send_response.bind(channel);
    channel.send_response = (type, response, ...more) => {
      if (response.serverCertificate) response.serverCertificate = readFileSync(stranger);
      return send(type, response, ...more);
    };
  });
await server.start();
console.log('ready');
