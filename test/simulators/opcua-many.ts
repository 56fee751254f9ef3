/**
 * Many variables behind node-opcua's server, as a process of its own: `s=v0`, `s=v1`, …, each with a new value about every second, spread over that time: a timer is armed anew when its work is
 * done, so a second takes 1.08 on a quiet machine.
 *
 * Usage: opcua-many.ts PORT COUNT. Prints `ready`; ends by itself after five minutes, or when its standard input does.
 */
import { startOpcUaServer } from '../support/opcua-server.ts';

const lifetimeMs = 300_000;
const steps = 20;

const count = Number(process.argv[3]);
const server = await startOpcUaServer({ port: Number(process.argv[2]) });
const variables = Array.from({ length: count }, (_, at) => server.variable(`v${at}`, 'Double', 0));
let step = 0;
setInterval(() => {
  step++;
  for (let at = step % steps; at < count; at += steps)
    variables[at]?.setValueFromSource({ dataType: 'Double', value: step + at / 10_000 });
}, 1_000 / steps);
setTimeout(() => process.exit(0), lifetimeMs);
process.stdin.resume().on('end', () => process.exit(0));
console.log('ready');
