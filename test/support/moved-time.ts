import { execFileSync } from 'node:child_process';

/**
 * The environment in which a program sees another wall time (libfaketime); its monotonic time stays. `how`: as FAKETIME takes it, `+2h`, or `@…`.
 * Needs the tool `faketime`. The program is started by itself: the tool would stay between as its parent.
 */
export function movedTime(how: string): NodeJS.ProcessEnv {
  const preload = execFileSync('faketime', ['-f', how, 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' }).trim();
  return { ...process.env, LD_PRELOAD: preload, FAKETIME: how, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}
