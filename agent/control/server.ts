import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { messageOf } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { JsonLines } from './lines.ts';

/** Lines that are open here, for whoever borrows them. */
export interface Lendable {
  /** null: there is no such line; a text: why nobody can be asked on it now. Gives what puts one question to it. */
  lineOf(name: string): ((question: unknown, signal: AbortSignal) => Promise<unknown>) | string | null;
}

export interface ControlLimits {
  /** Who says nothing for so long is hung up on. */
  readonly idleMs: number;
  /** A question that had no turn by then is given up: the line is full. */
  readonly turnMs: number;
}

const usual: ControlLimits = { idleMs: 60_000, turnMs: 30_000 };
/** Somebody probes, somebody scans, somebody reads. */
const mostClients = 4;
const mostBytes = 4096;

export interface ControlServer {
  close(): Promise<void>;
}

/**
 * The daemon's local socket: `read`, `probe` and `scan` borrow its lines, so that no line is opened twice. Only this user and group can connect. One
 * question at a time a client, each of which the driver makes a read of, or refuses. A daemon without it reads meters all the same.
 */
export async function serveControl(
  path: string,
  lines: Lendable,
  log: Log,
  limits: ControlLimits = usual,
): Promise<ControlServer> {
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    clients.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => clients.delete(socket));
    serve(socket, lines, limits);
  });
  server.maxConnections = mostClients;
  try {
    await removeLeftover(path);
    await listen(server, path);
  } catch (error) {
    log.warning(
      `${path}: cannot listen (${messageOf(error)}); read, probe and scan cannot borrow lines, meters are read all the same.`,
    );
  }
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of clients) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Node binds at once: for that moment new files are of user and group only. */
function listen(server: ReturnType<typeof createServer>, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      chmodSync(path, 0o660);
      resolve();
    });
    const before = process.umask(0o117);
    try {
      server.listen(path);
    } finally {
      process.umask(before);
    }
  });
}

/** What a daemon left behind that was cut short. One that answers is another's. */
async function removeLeftover(path: string): Promise<void> {
  const isSocket = lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  if (!isSocket) return;
  const isAnswered = await new Promise<boolean>((resolve) => {
    const knock = connect(path, () => {
      resolve(true);
      knock.destroy();
    });
    knock.once('error', () => resolve(false));
  });
  if (isAnswered) throw new Error('another daemon answers there');
  rmSync(path);
}

/** First the line, then questions: `{"line"}` → `{"ok":true}`, `{"ask"}` → `{"answer"}`; or `{"none":true}`, `{"error"}`. */
function serve(socket: Socket, lines: Lendable, { idleMs, turnMs }: ControlLimits): void {
  const received = new JsonLines(mostBytes);
  const gone = new AbortController();
  let line: string | null = null;
  let isBusy = false;
  const say = (value: unknown): void => void (socket.destroyed || socket.write(`${JSON.stringify(value)}\n`));
  socket.setTimeout(idleMs + turnMs, () => socket.destroy());
  socket.once('close', () => gone.abort(new Error('the client has gone')));

  async function answer(value: unknown): Promise<unknown> {
    const said = (value ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof said['line'] === 'string') line = said['line'];
    if (line === null) return { error: 'say which line first' };
    const found = lines.lineOf(line);
    if (found === null) return { none: true };
    if (typeof found === 'string') return { error: found };
    if (!('ask' in said)) return { ok: true };
    const late = AbortSignal.timeout(turnMs);
    try {
      return { answer: await found(said['ask'], AbortSignal.any([gone.signal, late])) };
    } catch (error) {
      return { error: late.aborted ? `the line had no time for it within ${turnMs / 1000} s` : messageOf(error) };
    }
  }

  async function tell(value: unknown): Promise<void> {
    const said = await answer(value);
    isBusy = false;
    say(said);
  }

  socket.on('data', (bytes: Buffer) => {
    try {
      const [value, ...more] = received.take(bytes);
      if (more.length > 0 || (value !== undefined && isBusy)) throw new RangeError('one question at a time');
      if (value === undefined) return;
      isBusy = true;
      void tell(value);
    } catch (error) {
      say({ error: messageOf(error) });
      socket.destroySoon();
    }
  });
}
