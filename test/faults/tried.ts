import { spawnSync } from 'node:child_process';

/** Whether the command ended with 0; what it says is nobody's concern. */
export function tryRun(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
