import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayStatus } from '../../../agent/status/facts.ts';
import { serveStatus } from '../../../agent/status/http.ts';
import type { StatusServer } from '../../../agent/status/http.ts';
import { statusPage } from '../../../agent/status/page.ts';
import { run, runWith } from '../../support/command-line.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { deviceState, goodLane, wellStatus } from '../../support/gateway-status.ts';

const quiet = { info: () => undefined, warning: () => undefined, error: () => undefined };
let folder: string;
let server: StatusServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-status-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function site(some: Record<string, unknown>): string {
  const file = join(folder, 'sluice.json');
  const password = `\${file:${join(folder, 'not-there')}}`;
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      gateway: 'ps-12',
      connections: {},
      devices: [],
      stateDir: join(folder, 'state'),
      uplink: {
        kafka: {
          brokers: ['kafka.example:9093'],
          tls: true,
          sasl: { mechanism: 'PLAIN', username: 'ps-12', password },
        },
      },
      ...some,
    }),
  );
  return file;
}

async function serving(status: GatewayStatus): Promise<string> {
  server = await serveStatus({
    listen: { host: '127.0.0.1', port: 0 },
    status: () => status,
    version: '1.2.3',
    clock: new FakeClock(),
    log: quiet,
  });
  return site({ status: { listen: `127.0.0.1:${server.port}` } });
}

const ago = (ms: number) => ({ ...wellStatus.now, wallMs: wellStatus.now.wallMs - ms });
const away = { atMs: 0, fate: 'retry', code: 'ECONNREFUSED', message: 'refused\u001B[2J' } as const;
const sick: GatewayStatus = {
  ...wellStatus,
  buffer: { ...wellStatus.buffer, full: true, waiting: { ...wellStatus.buffer.waiting, 'meter-readings': 1234 } },
  connections: [
    {
      connection: 'panel',
      state: 'open',
      since: ago(3_600_000),
      error: null,
      remarks: [],
      failures: 0,
      opened: 1,
      failed: 0,
    },
    {
      connection: 'bus',
      state: 'waiting',
      since: ago(90_000),
      error: 'no route',
      remarks: [],
      failures: 4,
      opened: 0,
      failed: 4,
    },
  ],
  devices: [
    ...Array.from({ length: 25 }, (_, at) => deviceState(`EM-${at}`)),
    deviceState('FT-1', {
      badPoints: 2,
      firstBad: { point: 'flow', status: 'BadOutOfRange', exceptionCode: 3 },
      lastGood: ago(2_000),
    }),
    deviceState('FT-2', { badPoints: 1, firstBad: { point: 'v', status: 'BadNotSupported', exceptionCode: 1 } }),
    deviceState('EM-99', {
      presence: 'lost',
      lostSince: ago(720_000),
      lostBecause: 'does not answer (BadTimeout): check its power, wiring and address',
    }),
  ],
  uplink: {
    'meter-readings': { ...goodLane, phase: 'waiting', lastError: away, oldestMs: wellStatus.now.wallMs - 200_000 },
  },
};

describe('sluice status', () => {
  it('asks where the file says, also when the rest of the file is broken', async () => {
    const file = await serving(wellStatus);
    const text = readFileSync(file, 'utf8').replace('"devices":[]', '"devices":[{"id":7}],"upLnk":1');
    writeFileSync(file, text);
    const { code, stdout, stderr } = await run('status', file);
    expect([code, stdout]).toEqual([0, expect.stringContaining('ps-12')]);
    expect(stderr).toMatch(/has problems \(sluice check .*asking at its status.listen/);
  });

  it('tells another program from Sluice, whatever it answers', async () => {
    const other = createServer((_, response) =>
      response.end('{"gateway":1,"health":{"wrong":1},"connections":1,"devices":1,"buffer":1,"lanes":1}'),
    );
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const file = site({ status: { listen: `127.0.0.1:${(other.address() as AddressInfo).port}` } });
    await expect(run('status', file)).resolves.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not this version of Sluice') as string,
    });
    other.close();
  });

  it('shows what needs somebody first, then lost devices, then the rest up to a screen', async () => {
    const { code, stdout, stderr } = await run('status', await serving(sick));
    expect([code, stderr]).toEqual([1, '']);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('ps-12 at PS12: running for 1 h 0 min, clock synchronised, sluice 1.2.3, epoch 1-aaaaaaaa');
    expect(lines.slice(2, 4)).toEqual([
      'Needs somebody now',
      '  the buffer is full (900 of 1000 bytes): readings are refused',
    ]);
    expect(stdout).toMatch(/^To look at\n {2}not open: bus\n/m);
    expect(stdout).toMatch(
      /^ {2}panel +open +for 1 h 0 min\n {2}bus +waiting +for 1 min +no route \(4 failed attempts\)$/m,
    );
    expect(stdout).toMatch(
      /^Devices: 27 of 28 ok, 1 lost\n {2}EM-99 +panel +lost +for 12 min +does not answer \(BadTimeout\).*\n {2}FT-1 +panel +ok +value 2 s ago +flow: BadOutOfRange \(exception 3\), and 1 more point\n {2}FT-2 .* v: BadNotSupported \(exception 1: wrong `table`\? holding or input\)\n {2}EM-0 /m,
    );
    expect(stdout).toContain('  and 8 more: sluice status --all\n');
    expect(stdout).toMatch(/^Buffer: 900 B of 1.0 kB, 1,234 waiting, 96 MB written a day$/m);
    expect(stdout).toMatch(/^ {2}meter-readings +waiting +1,234 waiting +3 min behind, delivered 1 s ago, refused/m);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(130);
  });

  it('never passes on what steers a terminal, and colours only for people who want it', async () => {
    const file = await serving(sick);
    let text = '';
    const stdout = { isTTY: true, write: (more: string) => void (text += more) };
    await runWith({ stdout }, 'status', file);
    expect(text).toContain('\u001B[31m');
    expect(text).not.toContain('\u001B[2J');
    text = '';
    await runWith({ stdout, env: { NO_COLOR: '1' } }, 'status', file);
    expect(text).not.toContain('\u001B');
  });

  it('shows every device with --all', async () => {
    const { stdout } = await run('status', '--all', await serving(sick));
    expect(stdout).toContain('  EM-24 ');
    expect(stdout).not.toContain('more: sluice');
  });

  it('ends with 0 when all is well, without any secret at hand', async () => {
    const { code, stdout, stderr } = await run('status', await serving(wellStatus));
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('Needs somebody');
  });

  it('ends with 1 when a device is lost, though the gateway itself is well', async () => {
    const devices = [deviceState('EM-1', { presence: 'lost' })];
    const { code, stdout } = await run('status', await serving({ ...wellStatus, devices }));
    expect(code).toBe(1);
    expect(stdout).toMatch(/^To look at\n {2}1 of 1 devices do not answer: EM-1$/m);
  });

  it('gives a program the page as the daemon gave it', async () => {
    const { code, stdout } = await run('status', '--json', await serving(sick));
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual(statusPage(sick, '1.2.3'));
  });

  it('tells a program in JSON, too, that nobody answers', async () => {
    const file = await serving(wellStatus);
    await server?.close();
    const { code, stdout, stderr } = await run('status', '--json', file);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({ reachable: false, reason: stderr.slice('sluice: '.length).trimEnd() });
  });

  it('says how to look when nobody answers', async () => {
    const file = await serving(wellStatus);
    await server?.close();
    expect(await run('status', file)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^sluice: no answer at 127\.0\.0\.1:\d+ \(status\.listen\): .*ECONNREFUSED.* Is the daemon running\? Look with: systemctl status sluice\n$/,
      ),
    });
  });

  it('says what to configure when there is no status', async () => {
    expect(await run('status', site({}))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no status to ask; add "status": { "listen": "127.0.0.1:8686" }'),
    });
  });

  it('does not take another program on the port, or another gateway, for this one', async () => {
    const other = createServer((_, response) => response.end('{"hello":1}'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await run('status', site({ status: { listen: `127.0.0.1:${port}` } }));
    expect([code, stderr]).toEqual([1, expect.stringContaining('is not this version of Sluice')]);
    await new Promise((resolve) => other.close(resolve));
    const neighbour = await run('status', await serving({ ...wellStatus, gateway: 'ps-13' }));
    expect(neighbour.stderr).toMatch(/gateway ps-13 answers, and .*sluice\.json is that of ps-12/);
  });
});
