import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../../agent/config/load.ts';
import type { OpcUaPlan } from '../../../drivers/opcua/plan.ts';
import { simulatedValue } from '../../../drivers/opcua/simulated-values.ts';
import { until } from '../../drivers/opcua/support.ts';

const main = new URL('../../../agent/main.ts', import.meta.url).pathname;
const site = `{
  "version": 1, "gateway": "ps-12", "site": { "id": "PS12", "timezone": "Europe/Madrid" },
  "connections": { "plc": { "driver": "opcua", "endpoint": "opc.tcp://10.12.0.5:4840/plc" /* never opened */ } },
  "devices": [{ "id": "PLC-1", "connection": "plc", "points": [
    { "name": "level", "unit": "m", "nodeId": "nsu=urn:site:plc;s=Tank.Level", "every": "200ms" },
    { "name": "third", "unit": "bar", "nodeId": "nsu=urn:site:plc;s=P", "index": 2, "mode": "poll", "every": "500ms" },
    { "name": "total", "unit": "m3", "kind": "counter", "browsePath": "/nsu=urn:site:plc;Flow/nsu=urn:site:plc;Total", "every": "1s" },
    { "name": "energy", "unit": "kWh", "kind": "counter", "scale": 0.01, "nodeId": "nsu=urn:site:plc;i=9", "every": "1s" },
    { "name": "pump", "enum": { "0": "off", "2": "on" }, "nodeId": "nsu=urn:site:plc;s=Pump" },
    { "name": "door", "kind": "state", "nodeId": "nsu=urn:site:plc;s=Door" },
    { "name": "alarm", "kind": "text", "nodeId": "nsu=urn:site:plc;s=Alarm" }] }],
  "buffer": { "commitEvery": "200ms" },
  "uplink": { "file": { "path": "out.ndjson" } }, "stateDir": "state", "clock": { "source": "trusted" }
}
`;

let folder: string;
let running: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-simulate-'));
  running = [];
  writeFileSync(join(folder, 'site.json'), site);
});
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  rmSync(folder, { recursive: true });
});

interface Running {
  readonly child: ChildProcess;
  /** All that it printed. */
  said: string;
  ended: Promise<unknown>;
}

function sluice(...args: string[]): Running {
  const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const one: Running = { child, said: '', ended: once(child, 'close') };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (one.said += text));
  running.push(child);
  return one;
}

interface Sent {
  readonly point: string;
  readonly kind: string;
  readonly value: number | null;
  readonly text: string | null;
  readonly quality: string;
  readonly time: string;
  readonly deviceTime: string | null;
}

function sent(): Sent[] {
  const file = join(folder, 'out.ndjson');
  return (existsSync(file) ? readFileSync(file, 'utf8') : '')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { value: Partial<Sent> }).value)
    .filter((value): value is Sent => value.quality !== undefined);
}

test('a daemon delivers every point of a simulated PLC with the value that it had at that time, and goes on after a restart of it', async () => {
  const simulated = sluice('simulate', 'site.json', '--write', 'copy.json');
  await until(() => simulated.said.includes('Ready.'), 30_000);
  expect(simulated.said).toMatch(
    /plc: serving on opc\.tcp:\/\/127\.0\.0\.1:\d+\/plc in place of opc\.tcp:\/\/10\.12\.0\.5:4840\/plc\n {2}PLC-1: 7 points, 4 of them subscribed/,
  );
  expect(readFileSync(join(folder, 'copy.json'), 'utf8')).toContain('/* never opened */');
  const daemon = sluice('run', 'copy.json');
  const names = ['level', 'third', 'total', 'energy', 'pump', 'door', 'alarm'];
  const good = (): Sent[] => sent().filter(({ quality }) => quality === 'good');
  await until(() => names.every((name) => good().some(({ point }) => point === name)), 30_000);
  await until(() => good().filter(({ point }) => point === 'level').length > 5, 30_000);

  const plan = loadConfig(join(folder, 'site.json'), { env: {}, noSecrets: true }).config?.connections[0]
    ?.plan as OpcUaPlan;
  const points = plan.devices.flatMap((device) => device.points);
  for (const { point: name, value, text, deviceTime } of good()) {
    const point = points.find(({ info }) => info.point === name);
    if (point === undefined) throw new Error(`nobody asked for ${name}`);
    const served = simulatedValue(point, 1).at(Date.parse(deviceTime ?? ''));
    if (typeof served === 'string') expect([name, text]).toEqual([name, served]);
    else expect(value).toBeCloseTo(Number(served) * point.rules.scale, 4);
  }

  simulated.child.stdin?.write('fault PLC-1 restart\nstats\n');
  await until(() => /PLC-1: restart\n.*connections now.*\n.*requests/.test(simulated.said), 15_000);
  const before = good().length;
  await until(
    () =>
      names.slice(0, 4).every((name) =>
        good()
          .slice(before)
          .some(({ point }) => point === name),
      ),
    30_000,
  );
  for (const { child, ended } of [daemon, simulated]) {
    child.kill('SIGTERM');
    await ended;
    expect(child.exitCode).toBe(0);
  }
}, 90_000);

test('a port that is taken is told with what to do, and a wrong fault before any is opened', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  writeFileSync(join(folder, 'taken.json'), site.replace('10.12.0.5:4840', `127.0.0.1:${port}`));
  const wrong = sluice('simulate', 'taken.json', '--fault', 'PLC-1=garbage');
  const simulated = sluice('simulate', 'taken.json', '--fault', 'PLC-1=bad:BadSensorFailure');
  await Promise.all([wrong.ended, simulated.ended]);
  taken.close();
  expect(wrong.child.exitCode).toBe(2);
  expect(wrong.said).toContain(
    'no fault "garbage"; there are: silent, late, deaf, bad:STATUS, gone, refuse, restart, off',
  );
  expect(simulated.child.exitCode).toBe(1);
  expect(simulated.said).toMatch(
    /connection "plc": 127\.0\.0\.1:\d+ cannot be served, something listens there already: end it, or state another port in the "endpoint" of this connection: .*EADDRINUSE/,
  );
});

test('a configuration that is wrong is told, and nothing is served', async () => {
  writeFileSync(join(folder, 'wrong.json'), site.replace('nsu=urn:site:plc;s=Door', 'urn:site:plc;Door'));
  const simulated = sluice('simulate', 'wrong.json');
  await simulated.ended;
  expect(simulated.child.exitCode).toBe(78);
  expect(simulated.said).toMatch(
    /wrong\.json:10:\d+ devices\[0\]\.points\[5\] "PLC-1".*nodeId is "urn:site:plc;Door"; allowed/,
  );
  expect(simulated.said).not.toContain('serving');
});
