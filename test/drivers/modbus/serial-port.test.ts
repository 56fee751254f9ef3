import { existsSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { messageOf } from '../../../agent/errors.ts';
import { openSerialPort } from '../../../drivers/modbus/serial-port.ts';
import { honestRtu, noSocat, startRtuLine } from '../../simulators/rtu-line.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-line-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const line = (path: string) => ({ path, baudRate: 9600, parity: 'even', stopBits: 1 }) as const;
const never = new AbortController().signal;

/** What is told where such a line is to be opened. */
async function said(path: string): Promise<string> {
  return openSerialPort(line(path), never).then(() => 'opened', messageOf);
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

it.skipIf(noSocat !== undefined)(
  'a line that is pulled out just before a read is told as gone, and not read for ever',
  async () => {
    const far = await startRtuLine(honestRtu, join(folder, 'line'));
    const tty = realpathSync(far.path);
    const opening = openSerialPort(line(far.path), never);
    while (!isOpen(tty)) await new Promise((resolve) => setImmediate(resolve));
    // The loop stands still meanwhile: the first read of the line comes after its end.
    const closed = far.close();
    while (existsSync(tty));
    const port = await opening;
    const late = new Promise((resolve) => setTimeout(resolve, 2_000, 'still read'));
    expect(await Promise.race([port.ended, late])).toBeInstanceOf(Error);
    await port.close();
    await closed;
  },
);

/** In this process. */
function isOpen(path: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
}
