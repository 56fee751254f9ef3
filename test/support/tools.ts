import { spawnSync } from 'node:child_process';

/** Why a suite that needs a program of the system cannot run here; undefined: it can. CI must have it, so there it is an error. */
export function missingTool(name: string): string | undefined {
  if (spawnSync('which', [name]).status === 0) return undefined;
  const why = `${name} is not installed`;
  if (process.env['CI'] === 'true') throw new Error(`CI needs it: ${why}`);
  return why;
}
