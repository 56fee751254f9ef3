import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SluiceError } from '../errors.ts';
import type { GatewayStatus } from '../gateway.ts';
import type { Log } from '../log.ts';

export interface StatusServer {
  readonly port: number;
  close(): Promise<void>;
}

/** `/healthz`: the process answers. `/status.json`: what it is doing. Nothing else, and nothing that changes anything. */
export async function serveStatus(
  listen: { readonly host: string; readonly port: number },
  status: () => GatewayStatus,
  log: Log,
): Promise<StatusServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, { error: 'only GET' });
    if (request.url === '/healthz') return answer(response, 200, { ok: true });
    if (request.url === '/status.json') return answer(response, 200, status());
    return answer(response, 404, { error: 'there are /healthz and /status.json' });
  });
  server.requestTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new SluiceError(
          'STATUS_LISTEN',
          `status.listen: cannot listen on ${listen.host}:${listen.port}; choose another port`,
          { cause },
        ),
      ),
    );
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  log.info(`Status at http://${listen.host}:${port}/status.json`);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
