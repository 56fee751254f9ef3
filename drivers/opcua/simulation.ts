import type { Simulation } from '../simulation.ts';
import { splitEndpoint } from './endpoint.ts';
import type { OpcUaPlan } from './plan.ts';
import { refuseUnknownFault, startSimulator } from './simulator.ts';

export const simulation: Simulation<OpcUaPlan> = {
  network: ({ endpoint }) => splitEndpoint(endpoint) ?? null,
  address: ({ endpoint }, at) => (at === undefined ? endpoint : urlAt(endpoint, at.host, at.port)),
  remark: ({ securityMode, securityPolicy }) => (securityMode === 'None' ? null : `${securityMode}, ${securityPolicy}`),
  contents: ({ devices }) =>
    devices.map(({ id, points }) => {
      const subscribed = points.filter((point) => point.subscribed !== null).length;
      return {
        device: id,
        text: `${points.length} points, ${subscribed} of them subscribed`,
        json: { points: points.length, subscribed },
      };
    }),
  elsewhere: 'state another port in the "endpoint" of this connection',
  refuseUnknownFault,
  start: startSimulator,
  moved: ({ endpoint }, { host, port }) => ({ endpoint: urlAt(endpoint, host, port) }),
};

/** The same path elsewhere. */
function urlAt(endpoint: string, host: string, port: number): string {
  return `opc.tcp://${host.includes(':') ? `[${host}]` : host}:${port}${splitEndpoint(endpoint)?.path ?? ''}`;
}
