/**
 * The plant of test/drivers/opcua/plant.ts behind node-opcua's server, as a process of its own.
 *
 * Usage: opcua-plant.ts PORT. Prints `ready` when it serves; ends by itself after twenty minutes, or when its standard input does.
 */
import { StatusCodes, VariantArrayType, resolveNodeId } from 'node-opcua-client';
import { startOpcUaServer } from '../support/opcua-server.ts';
import type { TypeName } from '../support/opcua-server.ts';

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

const server = await startOpcUaServer({ port: Number(process.argv[2]) });
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
process.stdin.resume().on('end', () => process.exit(0));
console.log('ready');
