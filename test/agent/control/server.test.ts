import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { daemonAt } from '../../../agent/control/client.ts';
import { serveControl } from '../../../agent/control/server.ts';
import type { ControlServer, Lendable } from '../../../agent/control/server.ts';
import type { Log } from '../../../agent/log/log.ts';

const never = new AbortController().signal;
const warnings: string[] = [];
const log = { warning: (text: string) => void warnings.push(text) } as unknown as Log;
const asked: unknown[] = [];
const lines: Lendable = {
  lineOf: (name) => {
    if (name === 'down') return 'connection x is down';
    if (name === 'slow')
      return (_, signal) =>
        new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    if (name !== 'panel') return null;
    return (question) => {
      asked.push(question);
      return Promise.resolve({ echo: question });
    };
  },
};

let path: string;
let server: ControlServer;
beforeEach(async () => {
  path = join(mkdtempSync(join(tmpdir(), 'sluice-control-')), 'control.sock');
  warnings.length = 0;
  asked.length = 0;
  server = await serveControl(path, lines, log, { idleMs: 60, turnMs: 60 });
});
afterEach(() => server.close());

/** All that it says until it hangs up. */
function said(...pieces: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      for (const piece of pieces) socket.write(piece);
    });
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

test('a line that was borrowed stays, though the time for borrowing it has passed', async () => {
  const enough = new AbortController();
  const borrowed = await daemonAt(path).borrow('panel', enough.signal);
  enough.abort();
  expect(await borrowed?.ask({ a: 1 })).toEqual({ echo: { a: 1 } });
  borrowed?.close();
  await expect(daemonAt(path).borrow('panel', enough.signal)).rejects.toThrow('given up');
});

test('a line is borrowed and asked, one that is not there is not, and one that is down says so', async () => {
  const borrowed = await daemonAt(path).borrow('panel', never);
  expect(await borrowed?.ask({ a: 1 })).toEqual({ echo: { a: 1 } });
  expect(await borrowed?.ask([2])).toEqual({ echo: [2] });
  borrowed?.close();
  expect(await daemonAt(path).borrow('other', never)).toBeNull();
  await expect(daemonAt(path).borrow('down', never)).rejects.toThrow('connection x is down');
});

test('without a daemon nobody has a line', async () => {
  await server.close();
  expect(await daemonAt(path).borrow('panel', never)).toBeNull();
});

test('only the own user and group may connect', () => {
  expect(statSync(path).mode & 0o777).toBe(0o660);
});

test('nor for a moment: it is theirs alone as soon as it is there', async () => {
  const other = join(mkdtempSync(join(tmpdir(), 'sluice-control-')), 'control.sock');
  const before = process.umask();
  const starting = serveControl(other, lines, log);
  // Turns of promises alone: whatever is done when it listens comes later.
  for (let turn = 0; turn < 1000 && !existsSync(other); turn++) await Promise.resolve();
  expect(statSync(other).mode & 0o777).toBe(0o660);
  expect(process.umask()).toBe(before);
  await (await starting).close();
});

test('also where the folder has rights of its own for new files, and the mask is not looked at', async () => {
  const other = join(mkdtempSync(join(tmpdir(), 'sluice-control-')), 'control.sock');
  const mask = vi.spyOn(process, 'umask').mockReturnValue(0);
  const started = await serveControl(other, lines, log);
  mask.mockRestore();
  expect(statSync(other).mode & 0o777).toBe(0o660);
  await started.close();
});

test('a question without a turn is given up, and said so', async () => {
  const borrowed = await daemonAt(path).borrow('slow', never);
  await expect(borrowed?.ask(1)).rejects.toThrow('no time for it');
  borrowed?.close();
});

test.each([
  ['no JSON', ['{"line":\\n']],
  ['a line without end', [Buffer.alloc(100_000, 0x20)]],
  ['a line that is too long', [`${JSON.stringify({ line: 'x'.repeat(5000) })}\n`]],
  ['two questions at once', ['{"line":"panel"}\n{"ask":1}\n']],
  ['a question before its line', ['{"ask":1}\n']],
  ['null', ['null\n']],
  ['silence', []],
])('%s gets nothing from a line and ends by itself', async (_, pieces) => {
  await said(...pieces.map((piece) => (typeof piece === 'string' ? piece.replaceAll('\\n', '\n') : piece)));
  expect(asked).toEqual([]);
  const borrowed = await daemonAt(path).borrow('panel', never);
  expect(borrowed).not.toBeNull();
  borrowed?.close();
});

test('more clients than a few are hung up on, and hold nobody else up for long', async () => {
  const held: Socket[] = [];
  for (let each = 0; each < 12; each++) held.push(connect(path).on('error', () => undefined));
  await Promise.all(held.map((socket) => new Promise((resolve) => socket.on('close', resolve))));
  const borrowed = await daemonAt(path).borrow('panel', never);
  expect(borrowed).not.toBeNull();
  borrowed?.close();
});

test('what a daemon left behind is replaced, another daemon and another file are left alone', async () => {
  const second = await serveControl(path, lines, log);
  expect(warnings).toEqual([expect.stringContaining('another daemon answers there')]);
  await second.close();
  const file = `${path}.txt`;
  writeFileSync(file, 'kept');
  await (await serveControl(file, lines, log)).close();
  expect(statSync(file).isFile()).toBe(true);
  const left = `${path}.left`;
  await leaveBehind(left);
  warnings.length = 0;
  const third = await serveControl(left, lines, log);
  expect(warnings).toEqual([]);
  expect(await daemonAt(left).borrow('panel', never)).not.toBeNull();
  await third.close();
});

/** A socket file whose owner is gone without taking it along. */
async function leaveBehind(place: string): Promise<void> {
  const { renameSync } = await import('node:fs');
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(`${place}.first`, resolve));
  renameSync(`${place}.first`, place);
  await new Promise((resolve) => gone.close(resolve));
}
