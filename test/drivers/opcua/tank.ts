import { DataType, StatusCodes, Variant } from 'node-opcua-client';
import type { OpcUaServer } from '../../support/opcua-server.ts';

const namespaceUri = 'http://www.opcfoundation.org/UA/units/un/cefact';

/** A tank of which the server says much besides its values: `/2:Tank/…`, and a folder of as many variables as wanted. */
export function serveTank({ server, namespace }: OpcUaServer, many = 0): void {
  const objects = server.engine.addressSpace?.rootFolder.objects;
  if (objects === undefined) throw new Error('no address space');
  const tank = namespace.addObject({ organizedBy: objects, browseName: 'Tank', nodeId: 's=Tank' });
  const valve = namespace.addEnumerationType({
    browseName: 'ValveState',
    enumeration: [
      { displayName: 'closed', value: 0 },
      { displayName: 'open', value: 7 },
    ],
  });
  const of = (type: keyof typeof DataType, value: unknown): Variant => new Variant({ dataType: DataType[type], value });
  const own = (browseName: string, nodeId: string) => ({ componentOf: tank, browseName, nodeId: `s=Tank.${nodeId}` });
  namespace.addAnalogDataItem({
    ...own('Level', 'Level'),
    dataType: 'Double',
    // MTR
    engineeringUnits: { namespaceUri, unitId: 5_067_858, displayName: { text: 'Meter' } },
    engineeringUnitsRange: { low: 0, high: 10 },
    instrumentRange: { low: -1, high: 4 },
    value: of('Double', 5),
  });
  namespace.addAnalogDataItem({
    ...own('Flow/in', 'Flow'),
    dataType: 'Double',
    engineeringUnits: { namespaceUri, unitId: -1, displayName: { text: 'm³/h' } },
    engineeringUnitsRange: { low: 0, high: 100 },
    value: of('Double', 40),
  });
  namespace.addMultiStateDiscrete({ ...own('Mode', 'Mode'), enumStrings: ['off', 'hand', 'automatic'], value: 2 });
  namespace.addVariable({ ...own('Valve', 'Valve'), dataType: valve, value: of('Int32', 7) });
  namespace.addVariable({ ...own('Serial', 'Serial'), dataType: 'String', value: of('String', 'T-\u001B[31m1') });
  namespace.addVariable({
    ...own('Broken', 'Broken'),
    dataType: 'Double',
    minimumSamplingInterval: 100,
    value: { get: () => StatusCodes.BadDeviceFailure },
  });
  for (const at of [1, 2])
    namespace.addVariable({ ...own('Twin', `Twin${at}`), dataType: 'Int32', value: of('Int32', at) });
  const folder = namespace.addObject({ organizedBy: objects, browseName: 'Many', nodeId: 's=Many' });
  for (let at = 0; at < many; at++)
    namespace.addVariable({
      componentOf: folder,
      browseName: `V${at}`,
      nodeId: `s=Many.V${at}`,
      dataType: 'Int32',
      value: of('Int32', at),
    });
}
