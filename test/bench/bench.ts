/**
 * `npm run bench [-- PART… --dir FOLDER --json FILE --node-option OPTION…]`: figures of the daemon as it is shipped, from `dist/`, against simulated meters
 * in a process of their own and the real broker. Prints one JSON value on standard output and a table on standard error.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { noKafka } from '../support/kafka.ts';
import { benchBacklog } from './backlog.ts';
import { benchBuffer } from './buffer.ts';
import { benchDrain } from './drain.ts';
import { benchGateway } from './gateway.ts';
import { benchIdle } from './idle.ts';
import { benchLatency } from './latency.ts';
import { describeMachine } from './machine.ts';
import { benchOpcUa } from './opcua.ts';
import { benchOutage } from './outage.ts';
import { benchPoll } from './poll.ts';
import { benchRate } from './rate.ts';
import type { BenchOptions } from './site.ts';
import { benchStart } from './start.ts';
import { benchWear } from './wear.ts';
import { benchWire } from './wire.ts';

const root = join(import.meta.dirname, '../..');

/** Each ends by itself within about four minutes, the gateway within ten. */
const parts: Readonly<Record<string, (options: BenchOptions) => Promise<object>>> = {
  poll: benchPoll,
  start: benchStart,
  drain: benchDrain,
  idle: benchIdle,
  latency: benchLatency,
  rate: (options) => benchRate(options, 1),
  rate30: (options) => benchRate(options, 30),
  wire: benchWire,
  backlog: benchBacklog,
  outage: benchOutage,
  gateway: benchGateway,
  wear: benchWear,
  buffer: benchBuffer,
  opcua: benchOpcUa,
};
/** These run the driver or the buffer alone, or the daemon with a file for an uplink. */
const withoutBroker: ReadonlySet<string> = new Set(['wire', 'backlog', 'gateway', 'wear', 'buffer', 'opcua']);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: 'string' },
    json: { type: 'string' },
    'node-option': { type: 'string', multiple: true, default: [] },
  },
});
const unknown = positionals.filter((name) => !(name in parts));
if (unknown.length > 0)
  throw new Error(`no part ${unknown.join(', ')}; the parts are ${Object.keys(parts).join(', ')}`);
const chosen = positionals.length > 0 ? positionals : Object.keys(parts);
if (noKafka !== undefined && !chosen.every((name) => withoutBroker.has(name)))
  throw new Error(`the bench needs the real broker: ${noKafka}`);

const dir = values.dir ?? join(root, 'node_modules/.cache');
mkdirSync(dir, { recursive: true });
const machine = describeMachine(dir);
execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });

const figures: Record<string, object> = {};
for (const [name, bench] of Object.entries(parts)) {
  if (!chosen.includes(name)) continue;
  const loadBefore = loadavg()[0] ?? 0;
  console.error(`${name} …`);
  figures[name] = { ...(await bench({ dir, nodeOptions: values['node-option'] })), loadBefore };
  console.error(table(figures[name]));
}
const report = `${JSON.stringify({ date: new Date().toISOString(), machine, figures }, null, 2)}\n`;
process.stdout.write(report);
if (values.json !== undefined) writeFileSync(values.json, report);

function table(figure: object, indent = '  '): string {
  return Object.entries(figure)
    .map(([key, value]) =>
      typeof value === 'object' && value !== null
        ? `${indent}${key}\n${table(value as object, `${indent}  `)}`
        : `${indent}${key.padEnd(24)} ${String(value)}`,
    )
    .join('\n');
}
