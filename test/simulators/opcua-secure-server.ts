/**
 * A server of node-opcua's own with every policy and user, in a process of its own. Nothing of this project's code takes part.
 *
 * Usage: opcua-secure-server.ts PORT CERTIFICATE KEY FOLDER [POLICY…] [-strict] [-clear]
 *
 * Prints `ready`; ends after five minutes, or when its standard input does. The user is `ana`, her password `not-in-any-log`. `-strict`: it knows no client.
 * `-clear`: it offers user names without encryption too.
 */
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { DataType, MessageSecurityMode, SecurityPolicy, Variant } from 'node-opcua-client';
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
if (words.includes('-clear'))
  for (const endpoint of server.endpoints)
    for (const description of endpoint.endpointDescriptions())
      for (const token of description.userIdentityTokens ?? []) token.securityPolicyUri = SecurityPolicy.None;
await server.start();
console.log('ready');
