import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exception, honest, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { RawServer } from '../../simulators/modbus-raw-server.ts';
import { run, runWith } from '../../support/command-line.ts';
import { until } from '../../drivers/modbus/support.ts';

let meter: RawServer;
let file: string;
let folder: string;
let stop: AbortController;
let daemon: ReturnType<typeof runWith>;

beforeEach(async () => {
  meter = await startRawServer((request, peer) =>
    request.functionCode > 4 ? peer.send(exception(request, 1)) : honest(request, peer),
  );
  folder = mkdtempSync(join(tmpdir(), 'sluice-borrowed-'));
  file = join(folder, 'site.json');
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      gateway: 'g',
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meter.port, timeout: '2s' } },
      devices: [
        {
          id: 'EM-1',
          connection: 'panel',
          unitId: 1,
          points: [{ name: 'power', unit: 'W', address: 3, every: '1h' }],
        },
      ],
      site: { id: 's', timezone: 'UTC' },
      stateDir: folder,
      uplink: { file: { path: join(folder, 'out') } },
    }),
  );
  stop = new AbortController();
  daemon = runWith({ signal: stop.signal }, 'run', file);
  await until(() => existsSync(join(folder, 'control.sock')) && meter.connections() === 1);
});

afterEach(async () => {
  stop.abort();
  await daemon;
  await meter.close();
});

test('read, probe and scan go through the daemon: its line is never opened twice', async () => {
  const url = `modbus://127.0.0.1:${meter.port}`;
  const read = await run('read', file, '--json');
  expect(JSON.parse(read.stdout)).toMatchObject({ value: { value: (1 << 11) | 3, quality: 'good' }, raw: '0803' });
  const probed = await run('probe', `${url}/7?address=9&count=1`, '--config', file, '--json');
  expect(JSON.parse(probed.stdout)).toMatchObject({ raw: '3809', line: expect.stringContaining('through the daemon') });
  const found = await run('scan', url, '--units', '2,3', '--config', file, '--json');
  expect(JSON.parse(found.stdout)).toMatchObject({ devices: [{ unitId: 2, holding: 'data' }, { unitId: 3 }] });
  expect(meter.connections()).toBe(1);
  stop.abort();
  expect(await daemon).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, 'control.sock'))).toBe(false);
});

test('a line that the daemon does not have is opened by the command itself', async () => {
  const other = await startRawServer(honest);
  const probed = await run('probe', `modbus://127.0.0.1:${other.port}/7?address=9&count=1`, '--config', file);
  expect(probed).toMatchObject({ code: 0, stdout: expect.not.stringContaining('through the daemon') });
  expect(other.connections()).toBe(1);
  await other.close();
});

test('--config that cannot be used is told before anything is opened', async () => {
  const url = `modbus://127.0.0.1:${meter.port}/7?address=9`;
  expect(await run('probe', url, '--config', join(folder, 'none.json'))).toMatchObject({ code: 78 });
});
