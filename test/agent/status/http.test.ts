import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayStatus } from '../../../agent/status/facts.ts';
import { isOurName } from '../../../agent/status/host.ts';
import { serveStatus } from '../../../agent/status/http.ts';
import type { StatusServer } from '../../../agent/status/http.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { wellStatus } from '../../support/gateway-status.ts';

const quiet = { info: () => undefined, warning: () => undefined, error: () => undefined };
let server: StatusServer | undefined;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
});

async function serve(
  status: () => GatewayStatus = () => wellStatus,
  limits = { requestMs: 1_000, connectionMs: 10_000 },
): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  server = await serveStatus({
    listen: { host: '127.0.0.1', port: 0 },
    status,
    version: '1.2.3',
    clock: new FakeClock(),
    log: quiet,
    limits,
  });
  const { port } = server;
  return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init);
}

/** Sends bytes as they are; resolves with what came back when the server hung up. */
function say(bytes: string): { socket: Socket; answer: Promise<string> } {
  const socket = connect(server?.port ?? 0, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  const answer = new Promise<string>((resolve) => {
    socket.setEncoding('utf8').on('data', (more: string) => (text += more));
    socket.on('close', () => resolve(text)).on('error', () => undefined);
  });
  socket.write(bytes);
  return { socket, answer };
}

describe('the status server', () => {
  it('names its pages at /, and for what it does not know', async () => {
    const get = await serve();
    for (const [path, code] of [
      ['/', 200],
      ['/nowhere', 404],
      ['/constructor', 404],
    ] as const) {
      const response = await get(path);
      expect(response.status).toBe(code);
      expect(await response.text()).toMatch(/\/healthz.*\n\/readyz.*\n\/metrics.*\n\/status\.json/);
    }
    expect(await say('GET constructor HTTP/1.1\r\nHost: localhost\r\n\r\n').answer).toMatch(/^HTTP\/1.1 40[04]/);
  });

  it('answers GET and HEAD alone, says so, and keeps no connection', async () => {
    const get = await serve();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const response = await get('/status.json', { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
    const head = await get('/status.json?x=1', { method: 'HEAD' });
    expect([head.status, head.headers.get('connection'), await head.text()]).toEqual([200, 'close', '']);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(100);
  });

  it('serves metrics with the type of their format', async () => {
    const get = await serve();
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toMatch(/^process_open_fds \d+$/m);
  });

  it('is ready when every connection has had its first attempt, also one that failed', async () => {
    const connection = { ...wellStatus.connections[0], connection: 'bus', state: 'opening', opened: 0, failed: 0 };
    let status = { ...wellStatus, connections: [...wellStatus.connections, connection] } as GatewayStatus;
    const get = await serve(() => status);
    const before = await get('/readyz');
    expect([before.status, await before.json()]).toEqual([
      503,
      { ready: false, waitingFor: ['the first attempt of connection bus'] },
    ]);
    status = { ...status, connections: status.connections.map((one) => ({ ...one, failed: 1 })) };
    expect((await get('/readyz')).status).toBe(200);
  });

  it('is ill with a full buffer, and says what is wrong', async () => {
    const get = await serve(() => ({ ...wellStatus, buffer: { ...wellStatus.buffer, full: true } }));
    const response = await get('/healthz');
    expect([response.status, await response.json()]).toEqual([
      503,
      { ok: false, wrong: ['the buffer is full (900 of 1000 bytes): readings are refused'] },
    ]);
    expect((await get('/status.json')).status).toBe(200);
  });

  it('answers to the names of this machine alone, so that no page in a browser reads it through a name of its own', async () => {
    const get = await serve();
    expect((await get('/status.json')).status).toBe(200);
    expect(await say('GET / HTTP/1.1\r\nHost: evil.example:8686\r\n\r\n').answer).toMatch(/^HTTP\/1.1 403/);
    expect(await say('GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n').answer).toMatch(/^HTTP\/1.1 200/);
    expect(await say('GET / HTTP/1.1\r\n\r\n').answer).toMatch(/^HTTP\/1.1 400/);
  });

  it('hangs up on headers that are too long or do not come', async () => {
    await serve(undefined, { requestMs: 1_000, connectionMs: 60_000 });
    const long = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(12_000)}\r\n\r\n`;
    expect(await say(long).answer).toMatch(/^HTTP\/1.1 431/);
    const halves = ['GET / HTTP/1.1\r\nHo', ''].map((half) => say(half).answer);
    for (const answer of await Promise.all(halves)) expect(answer).toMatch(/^HTTP\/1.1 408|^$/);
  });

  it('holds 32 connections at a time: of a thousand that come, the others are hung up on', async () => {
    const get = await serve(undefined, { requestMs: 60_000, connectionMs: 60_000 });
    const silent = Array.from({ length: 32 }, () => say('').socket);
    await expect.poll(() => silent.every(({ readyState }) => readyState === 'open')).toBe(true);
    // More at once than the kernel keeps waiting would come again seconds later.
    for (let round = 0; round < 5; round++) {
      const others = Array.from({ length: 200 }, () => say('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n').answer);
      expect(new Set(await Promise.all(others))).toEqual(new Set(['']));
    }
    for (const socket of silent) socket.destroy();
    const answers = async (): Promise<number> => (await get('/healthz').catch(() => ({ status: 0 }))).status;
    await expect.poll(answers, { timeout: 5_000 }).toBe(200);
  }, 15_000);

  it('does not keep an answer for ever for whoever does not read it', async () => {
    const size = 8_000_000;
    await serve(() => ({ ...wellStatus, site: 'x'.repeat(size) }), { requestMs: 5_000, connectionMs: 300 });
    const { socket, answer } = say('GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.pause();
    await sleep(1_500);
    socket.resume();
    expect((await answer).length).toBeLessThan(size);
  });

  it('comes by itself when a port that was taken is free, and is told once meanwhile', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const clock = new FakeClock();
    const errors: string[] = [];
    const log = { ...quiet, error: (message: string) => errors.push(message) };
    const listen = { host: '127.0.0.1', port };
    server = await serveStatus({ listen, status: () => wellStatus, version: '1.2.3', clock, log });
    expect(server.port).toBeNull();
    await clock.advance(60_000);
    expect(errors).toEqual([
      expect.stringMatching(/cannot listen on .*EADDRINUSE.*meters are read all the same.*tried again every 30 s/),
    ]);
    await new Promise((resolve) => other.close(resolve));
    await clock.advance(30_000);
    await expect.poll(() => server?.port).toBe(port);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  });
});

describe('a Host header', () => {
  it.each([
    ['127.0.0.1:8686', '127.0.0.1', true],
    ['LOCALHOST', '127.0.0.1', true],
    ['127.1.2.3', '127.0.0.1', true],
    ['[::1]:8686', '::1', true],
    ['gw.example:8686', 'gw.example', true],
    ['gw.example', '127.0.0.1', false],
    ['localhost.evil.example', '127.0.0.1', false],
    ['127.0.0.1.evil.example', '127.0.0.1', false],
    ['10.12.0.5:8686', '127.0.0.1', false],
    ['10.12.0.5:8686', '0.0.0.0', true],
    ['[fe80::1]', '::', true],
    ['gw12.lan:8686', '0.0.0.0', true],
    ['', '127.0.0.1', false],
    ['localhost:8686@evil.example', '127.0.0.1', false],
  ])('%s at a listener on %s: %s', (header, configured, expected) => {
    expect(isOurName(header, configured)).toBe(expected);
  });
});
