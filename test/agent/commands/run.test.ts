import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runWith } from '../../support/command-line.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-run-'));
  file = join(folder, 'sluice.json');
  const site = { version: 1, gateway: 'ps-12', connections: {}, devices: [], stateDir: join(folder, 'state') };
  writeFileSync(file, JSON.stringify({ ...site, uplink: { file: { path: join(folder, 'out') } } }));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A daemon on a terminal, stopped as soon as it has started. */
async function linesOf(...options: string[]): Promise<string[]> {
  const stop = new AbortController();
  let text = '';
  const write = (more: string | Uint8Array): void => {
    text += String(more);
    if (text.includes('started')) stop.abort();
  };
  expect(await runWith({ signal: stop.signal, stderr: { write, isTTY: true } }, 'run', file, ...options)).toMatchObject(
    { code: 0 },
  );
  return text.trimEnd().split('\n');
}

it('logs for people on a terminal, and one JSON object a line with --json', async () => {
  expect((await linesOf()).at(-1)).toMatch(/^[\d:]{8} +Stopped\.$/);
  const lines = (await linesOf('--json')).map((line) => JSON.parse(line) as { level: number; msg: string });
  expect(lines.at(-1)).toMatchObject({ level: 30, msg: 'Stopped.' });
});
