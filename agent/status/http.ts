import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { GatewayStatus } from './facts.ts';
import type { Log } from '../log.ts';
import { ailments } from './health.ts';

const tryAgainMs = 30_000;

export interface StatusOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly status: () => GatewayStatus;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StatusServer {
  /** null: the port is taken, it is tried again. */
  readonly port: number | null;
  close(): Promise<void>;
}

/**
 * `/healthz`: 200, or 503 with what is wrong. `/status.json`: what the gateway is doing. Nothing else, and nothing that changes anything. Meters
 * are read without it: a port that is taken is told once and tried again.
 */
export async function serveStatus({ listen, status, clock, log }: StatusOptions): Promise<StatusServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, { error: 'only GET' });
    if (request.url === '/status.json') return answer(response, 200, status());
    if (request.url !== '/healthz') return answer(response, 404, { error: 'there are /healthz and /status.json' });
    const wrong = ailments(status());
    return answer(response, wrong.length === 0 ? 200 : 503, { ok: wrong.length === 0, wrong });
  });
  server.requestTimeout = 5_000;
  const closing = new AbortController();
  const place = `${listen.host}:${listen.port}`;

  let isTold = false;

  async function listenOnce(): Promise<boolean> {
    try {
      await new Promise<void>((resolve, reject) => {
        const done = (error?: Error): void => {
          server.off('error', done);
          server.off('listening', done);
          if (error) reject(error);
          else resolve();
        };
        server.on('error', done);
        server.on('listening', done);
        server.listen(listen.port, listen.host);
      });
      log.info(`Status at http://${listen.host}:${portOf()}/status.json`);
      return true;
    } catch (error) {
      const text = `status.listen: cannot listen on ${place} (${messageOf(error)}); meters are read all the same. Choose another port.`;
      if (!isTold) log.error(text);
      isTold = true;
      return false;
    }
  }
  const portOf = (): number | null => (server.address() as AddressInfo | null)?.port ?? null;

  async function keepTrying(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(tryAgainMs, closing.signal);
      if (await listenOnce()) return;
    }
  }
  const trying = (await listenOnce()) ? Promise.resolve() : keepTrying().catch(() => undefined);

  return {
    get port() {
      return portOf();
    },
    async close() {
      closing.abort(new Error('closing'));
      await trying;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
