/**
 * The plant of test/drivers/opcua/plant.ts behind node-opcua's server, as a process of its own.
 *
 * Usage: opcua-plant.ts PORT [CERTIFICATE KEY] [-shifted]. Prints `ready` when it serves; ends by itself after twenty minutes, or when its standard input does. A line there changes
 * a value: `NAME JSON`; `NAME TYPE JSON` makes the node anew with that type; `NAME delete` and `NAME add` let a node vanish and come back. With a certificate and its key (PEM) it offers
 * every policy, and every kind of user: `ana` with the password `not-in-any-log`, and whoever has a certificate. `-shifted`: another namespace stands before the plant's.
 */
import { createInterface } from 'node:readline';
import { StatusCodes, VariantArrayType, resolveNodeId } from 'node-opcua-client';
import { startOpcUaServer } from '../support/opcua-server.ts';
import type { ServedVariable, TypeName } from '../support/opcua-server.ts';

const lifetimeMs = 1_200_000;
const dayMs = 86_400_000;

const scalars: readonly (readonly [TypeName, unknown])[] = [
  ['Boolean', true],
  ['SByte', -7],
  ['Byte', 200],
  ['Int16', -1234],
  ['UInt16', 65_535],
  ['Int32', -2_147_483_648],
  ['UInt32', 4_294_967_295],
  // [high, low]
  ['Int64', [0xefffffff, 0xffffffff]],
  ['UInt64', [0xffffffff, 0xffffffff]],
  ['Float', 230.4],
  ['Double', 0.1],
  ['String', 'Pump 1'],
  ['DateTime', new Date('2026-01-02T03:04:05.678Z')],
  ['Guid', '09087e75-8e5e-499b-954f-f2a9603db28a'],
  ['ByteString', Buffer.from('deadbeef', 'hex')],
  ['LocalizedText', { locale: 'de', text: 'Pumpe' }],
  ['QualifiedName', { namespaceIndex: 1, name: 'Pump' }],
  ['NodeId', resolveNodeId('i=85')],
  ['StatusCode', StatusCodes.BadShutdown],
];

const [, , port, ...words] = process.argv;
const [certificate, key] = words.filter((word) => !word.startsWith('-'));
const server = await startOpcUaServer({
  port: Number(port),
  handsOn: true,
  isShifted: words.includes('-shifted'),
  ...(certificate !== undefined && key !== undefined && { secured: { certificate, key } }),
});
for (const [type, value] of scalars) server.variable(`T.${type}`, type, value);
server.variable('T.NaN', 'Double', Number.NaN);
server.variable('A.Int32', 'Int32', [1, 2, 3], VariantArrayType.Array);
server.variable('A.String', 'String', ['a', 'b'], VariantArrayType.Array);
const double = (name: string, value: number, status = StatusCodes.Good, at = new Date()): void =>
  server.variable(name, 'Double', value).setValueFromSource({ dataType: 'Double', value }, status, at);
double('S.Bad', 5, StatusCodes.BadSensorFailure);
double('S.Uncertain', 6.5, StatusCodes.UncertainLastUsableValue);
double('S.Old', 7, StatusCodes.Good, new Date(Date.now() - 30 * dayMs));
double('Level', 1.5);
const ticks = server.variable('Ticks', 'UInt32', 0);
let count = 0;
setInterval(() => ticks.setValueFromSource({ dataType: 'UInt32', value: ++count }), 100);
setTimeout(() => process.exit(0), lifetimeMs);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [, name = '', type, text = ''] = /^(\S+) (?:([A-Z]\w+) )?(.+)$/.exec(line) ?? [];
    const found = server.namespace.findNode(`ns=${server.namespace.index};s=${name}`) as ServedVariable | null;
    if (found !== null && (text === 'delete' || type !== undefined)) server.namespace.deleteNode(found);
    if (text === 'add') server.variable(name, 'Double', 1.5);
    else if (type !== undefined) server.variable(name, type as TypeName, JSON.parse(text));
    else if (text !== 'delete') found?.setValueFromSource({ dataType: 'Double', value: JSON.parse(text) as unknown });
  })
  .on('close', () => process.exit(0));
console.log('ready');
