import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../../deploy/kafka/broker.ts';
import { startProxy } from '../../support/proxy.ts';
import type { Proxy } from '../../support/proxy.ts';
import { ServerProcess } from '../../support/server-process.ts';

const count = 100_000;
/** What one reference takes on the wire at least: two NodeIds and two names. */
const bytesOfReference = 40;

let server: ServerProcess;
let proxy: Proxy;
beforeAll(async () => {
  const port = await freePort();
  server = await ServerProcess.start(process.execPath, ['test/simulators/opcua-wide.ts', String(port), String(count)]);
  proxy = await startProxy(() => port);
}, 120_000);
afterAll(async () => {
  await proxy?.close();
  await server?.end();
});

interface Run {
  readonly nodeIds: readonly string[];
  readonly notes: string;
  readonly tookMs: number;
  readonly mostMb: number;
  /** What the server sent, counted on the wire. */
  readonly bytes: number;
}

/** The command, in a process of its own, which says how much memory it took at most. */
async function browse(...argv: readonly string[]): Promise<Run> {
  const report = `process.on('exit', () => process.stderr.write('MAXRSS ' + /VmHWM:\\s+(\\d+)/.exec(process.getBuiltinModule('node:fs').readFileSync('/proc/self/status', 'utf8'))[1] + '\\n'));`;
  const url = `opc.tcp://127.0.0.1:${proxy.port}?timeout=10s`;
  const words = ['--import', `data:text/javascript,${encodeURIComponent(report)}`, 'agent/main.ts', 'browse', url];
  proxy.seen.sentBytes = 0;
  const began = performance.now();
  const child = spawn(process.execPath, [...words, '--json', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  await once(child, 'close');
  const [, kilobytes] = /MAXRSS (\d+)/.exec(err) ?? [];
  const nodeIds = out.split('\n').flatMap((line) => /"nodeId":"([^"]*)"/.exec(line)?.[1] ?? []);
  return {
    nodeIds,
    notes: err,
    tookMs: performance.now() - began,
    mostMb: Number(kilobytes) / 1024,
    bytes: proxy.seen.sentBytes,
  };
}

it('browse shows the first nodes of a server of 100,000 within seconds, and is sent a tenth of them at most', async () => {
  const run = await browse();
  expect(run.nodeIds).toHaveLength(2_000);
  expect(run.notes).toContain('ended at 2000 nodes, there are more');
  expect(run.bytes).toBeLessThan((count / 10) * bytesOfReference);
  expect(run.tookMs).toBeLessThan(15_000);
}, 60_000);

it('browse finds a node deep in a folder of it, and opens no other folder', async () => {
  const run = await browse('--under', 'nsu=urn:site:plc;s=Area77', '--match', 'V555');
  expect(run.nodeIds).toEqual(['nsu=urn:site:plc;s=Area77.V555']);
  expect(run.bytes).toBeLessThan((count / 25) * bytesOfReference);
}, 60_000);

it('browse goes through all of it for whoever allows it, in little memory', async () => {
  const few = await browse('--limit', '1000', '--match', 'Area99.V999');
  const all = await browse('--limit', '1000000', '--match', 'Area99.V999');
  expect(few.nodeIds).toEqual([]);
  expect(all.nodeIds).toEqual(['nsu=urn:site:plc;s=Area99.V999']);
  expect(all.bytes).toBeGreaterThan(count * bytesOfReference);
  // What each node is called, and one answer beside them: 78 MB when this was written.
  expect(all.mostMb - few.mostMb).toBeLessThan(150);
}, 180_000);
