/**
 * As many nodes as a large plant has, behind node-opcua's server, as a process of its own: `s=Area0` … `s=Area99` below Objects, in each a hundredth of the variables,
 * `s=Area7.V0`, `s=Area7.V1`, …
 *
 * Usage: opcua-wide.ts PORT COUNT. Prints `ready`; ends by itself after five minutes, or when its standard input does.
 */
import { DataType, Variant } from 'node-opcua-client';
import { startOpcUaServer } from '../support/opcua-server.ts';

const lifetimeMs = 300_000;
const areas = 100;

const [, , port, count] = process.argv;
const { server, namespace } = await startOpcUaServer({ port: Number(port) });
const objects = server.engine.addressSpace?.rootFolder.objects;
if (objects === undefined) throw new Error('no address space');
for (let area = 0; area < areas; area++) {
  const folder = namespace.addFolder(objects, { browseName: `Area${area}`, nodeId: `s=Area${area}` });
  for (let at = 0; at < Number(count) / areas; at++)
    namespace.addVariable({
      componentOf: folder,
      browseName: `V${at}`,
      nodeId: `s=Area${area}.V${at}`,
      dataType: 'Double',
      value: new Variant({ dataType: DataType.Double, value: at }),
    });
}
setTimeout(() => process.exit(0), lifetimeMs);
process.stdin.resume().on('end', () => process.exit(0));
console.log('ready');
