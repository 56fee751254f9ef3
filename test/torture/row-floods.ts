import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FloodLine } from './flood.ts';
import type { Row, RowOptions } from './row.ts';

/** With room V8 lets garbage lie for a gigabyte; what is kept is what counts. */
const heap = ['--max-old-space-size=64', '--max-semi-space-size=4'];

const flood = fileURLToPath(new URL('flood.ts', import.meta.url));

/** Row 31: 12 million readings through, with a heap that holds a second of them. */
export const memory: Row = {
  about: '12 million readings through a process with --max-old-space-size=64; memory is flat',
  run: (options) => flooded(options, 12_000_000, 'through'),
};

/** Row 16, the buffer's part: the virtual month is appended in commits of a thousand, so it takes minutes. */
export const outage: Row = {
  about: '30 days without a broker at 5 readings a second (13 million), then all of it is sent',
  run: (options) => flooded(options, 13_000_000, 'outage'),
};

async function flooded({ minutes, say }: RowOptions, count: number, mode: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-flood-'));
  const lines: FloodLine[] = [];
  try {
    const child = spawn(process.execPath, [...heap, flood, folder, String(count), mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const tooLate = setTimeout(() => child.kill('SIGKILL'), minutes * 60_000);
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text) as FloodLine;
      lines.push(line);
      say(
        `${line.appended} appended, ${line.sent} sent, ${line.residentMb} MB, ${Math.round(line.elapsedMs / 1000)} s`,
      );
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    clearTimeout(tooLate);
    const last = lines.at(-1);
    const early = lines[2]?.residentMb ?? 0;
    const most = Math.max(...lines.map(({ residentMb }) => residentMb));
    return [
      ...(code === 0 ? [] : [`ended with ${String(code)} (null: killed when the time was over)`]),
      ...(last?.sent === count ? [] : [`${last?.sent ?? 0} of ${count} were sent`]),
      ...(most < early + 60 ? [] : [`memory grew from ${early} to ${most} MB`]),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
