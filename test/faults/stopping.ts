import type { Daemon } from './daemon.ts';

/** Of a stop: the exit code (null: a signal ended it), and whether it kept the 5 s (4.9, and what a busy machine adds). */
export interface Stop {
  readonly code: number | null;
  readonly isInTime: boolean;
}

export const inOrder: Stop = { code: 0, isInTime: true };

export async function stopped(daemon: Daemon): Promise<Stop> {
  const toldAt = performance.now();
  const code = await daemon.end('SIGTERM');
  return { code, isInTime: performance.now() - toldAt < 5_300 };
}
