import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { expositionType } from './exposition.ts';
import type { GatewayStatus } from './facts.ts';
import { ailments, awaited } from './health.ts';
import { isOurName } from './host.ts';
import { metricsText } from './metrics.ts';
import { statusPage } from './page.ts';
import { watchProcess } from './process-facts.ts';

// An import reads all that the module has, WebSocket too, for which Node loads undici: 14 MB and 40 ms that no gateway needs.
const { createServer } = process.getBuiltinModule('node:http');

const tryAgainMs = 30_000;
/** More at a time are hung up on: a scraper, a dashboard and a person are three. */
const mostConnections = 32;
const mostHeaderBytes = 8_192;

export interface StatusLimits {
  /** Whoever has not asked by then is cut off. */
  readonly requestMs: number;
  /** Whoever has not read the answer by then, too. */
  readonly connectionMs: number;
}

const defaults: StatusLimits = { requestMs: 5_000, connectionMs: 10_000 };

export interface StatusOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly status: () => GatewayStatus;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: StatusLimits;
}

export interface StatusServer {
  /** null: the port is taken, it is tried again. */
  readonly port: number | null;
  close(): Promise<void>;
}

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

/**
 * What the gateway is doing, for programs on this machine. Nothing here changes anything. Meters are read without it: a port that is taken
 * is told once and tried again.
 */
export async function serveStatus(options: StatusOptions): Promise<StatusServer> {
  const { listen, status, version, clock, log, limits = defaults } = options;
  const watch = watchProcess();
  const pages = new Map<string, () => Answer>([
    ['/', () => plain(200, index)],
    ['/healthz', () => healthz(status())],
    ['/readyz', () => readyz(status())],
    ['/metrics', () => ({ code: 200, type: expositionType, body: metricsText(status(), watch.facts(), version) })],
    ['/status.json', () => json(200, statusPage(status(), version))],
  ]);

  function answerTo({ method, url = '/', headers }: IncomingMessage): Answer {
    if (headers.host !== undefined && !isOurName(headers.host, listen.host))
      return plain(403, `This gateway does not answer to the name ${JSON.stringify(headers.host)}; use its address.\n`);
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'Only GET and HEAD.\n');
    const page = pages.get(url.split('?', 1)[0] ?? '/');
    return page ? page() : plain(404, index);
  }

  const settings = {
    maxHeaderSize: mostHeaderBytes,
    headersTimeout: limits.requestMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.requestMs / 5,
  };
  const server = createServer(settings, (request, response) => {
    try {
      send(response, answerTo(request));
    } catch (error) {
      log.error(`${request.url}: ${messageOf(error)}`);
      send(response, plain(500, 'The status could not be told; the log says why.\n'));
    }
  });
  server.maxConnections = mostConnections;
  server.on('connection', (socket) => {
    const life = setTimeout(() => socket.destroy(), limits.connectionMs);
    life.unref();
    socket.once('close', () => clearTimeout(life));
  });
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
      log.info(`Status at http://${urlHost(listen.host)}:${portOf()}/status.json`);
      return true;
    } catch (error) {
      const text = `status.listen: cannot listen on ${place} (${messageOf(error)}); meters are read all the same. It is tried again every ${tryAgainMs / 1000} s; choose another port if that one is in use for good.`;
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
      watch.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

const index = `Sluice, what this gateway is doing:
/healthz      200, or 503 with what needs a person now
/readyz       200 once every connection has had its first attempt
/metrics      for Prometheus
/status.json  everything
`;

function healthz(status: GatewayStatus): Answer {
  const wrong = ailments(status);
  return json(wrong.length === 0 ? 200 : 503, { ok: wrong.length === 0, wrong });
}

function readyz(status: GatewayStatus): Answer {
  const waitingFor = awaited(status);
  return json(waitingFor.length === 0 ? 200 : 503, { ready: waitingFor.length === 0, waitingFor });
}

function plain(code: number, body: string): Answer {
  return { code, type: 'text/plain; charset=utf-8', body };
}

function json(code: number, body: unknown): Answer {
  return { code, type: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` };
}

/** One answer a connection: nobody holds one that others need. */
function send(response: ServerResponse, { code, type, body }: Answer): void {
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...(code === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(body);
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
