import type { Simulation } from '../simulation.ts';
import type { ModbusPlan } from './plan.ts';
import { simulatedRegisters } from './simulated-device.ts';
import { refuseUnknownFault, startSimulator } from './simulator.ts';

export const simulation: Simulation<ModbusPlan> = {
  network: ({ transport }) => (transport.kind === 'rtu' ? null : transport),
  address({ transport }, at) {
    if (at === undefined && transport.kind === 'rtu') return transport.path;
    const { host, port } = at ?? (transport as Exclude<typeof transport, { kind: 'rtu' }>);
    return `${host}:${port}`;
  },
  remark: ({ transport }) => (transport.kind === 'tcp' ? null : 'RTU over TCP'),
  contents: ({ devices }) =>
    devices.map((device) => {
      const { coil, discrete, holding, input } = simulatedRegisters(device);
      const { id, unitId, points } = device;
      const [registers, bits] = [holding.size + input.size, coil.size + discrete.size];
      return {
        device: id,
        text: `unit ${unitId}, ${points.length} points, ${registers} registers${bits === 0 ? '' : `, ${bits} bits`}`,
        json: { unitId, points: points.length, registers, bits },
      };
    }),
  elsewhere: 'state another "port" of this connection',
  refuseUnknownFault,
  start: startSimulator,
  /** There is no line to open on a laptop: a serial one is served as RTU over TCP. */
  moved: ({ transport }, { host, port }) => ({
    ...(transport.kind === 'rtu' && {
      driver: 'modbus-rtu-over-tcp',
      path: undefined,
      baudRate: undefined,
      parity: undefined,
      stopBits: undefined,
    }),
    host,
    port,
  }),
};
