import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { noPython } from './python.ts';

/** Why tests against a socket that speaks sd_notify(3) cannot run here; undefined: they can. */
export const noNotify: string | undefined =
  noPython ?? (spawnSync('systemd-notify', ['--version']).status === 0 ? undefined : 'systemd-notify is missing');
if (noNotify !== undefined && process.env['CI'] === 'true') throw new Error(`CI needs systemd's tools: ${noNotify}`);

/** Stands where systemd stands. */
export interface NotifySocket {
  readonly path: string;
  /** Each message as its assignments, in order of arrival; those of barriers left out. */
  messages(): readonly (readonly string[])[];
  close(): void;
}

export async function openNotifySocket(): Promise<NotifySocket> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-notify-'));
  const path = join(folder, 'socket');
  const child = spawn('python3', [resolve('test/simulators/notify-socket.py'), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  await new Promise<void>((listening) => {
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      listening();
    });
  });
  return {
    path,
    messages: () =>
      text
        .split('\n')
        .slice(1, -1)
        .map((line) => JSON.parse(line) as string[])
        .filter((assignments) => !assignments.includes('BARRIER=1')),
    close() {
      child.stdin.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
