import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { messageOf } from '../../../agent/errors.ts';
import { openSerialPort } from '../../../drivers/modbus/serial-port.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-line-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What is told where such a line is to be opened. */
async function said(path: string): Promise<string> {
  const line = { path, baudRate: 9600, parity: 'even', stopBits: 1 } as const;
  return openSerialPort(line, new AbortController().signal).then(() => 'opened', messageOf);
}

it('a line that is not there is told with what to look at, in one sentence', async () => {
  const path = join(folder, 'ttyUSB0');
  expect(await said(path)).toBe(
    `${path} cannot be opened (is the adapter plugged in?): No such file or directory, cannot open ${path}`,
  );
});

it('a path that is no line is told without the word Error', async () => {
  const path = join(folder, 'notes.txt');
  writeFileSync(path, '');
  const text = await said(path);
  expect(text).toContain(`${path} cannot be opened`);
  expect(text).not.toContain('Error');
});
