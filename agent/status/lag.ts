import type { LaneState } from '../forwarder/lane-status.ts';
import type { GatewayStatus } from './facts.ts';

/** The lane does not go on before somebody does something at the broker or in the configuration. */
export function needsPerson({ phase, lastError }: LaneState): boolean {
  return phase === 'stalled' || lastError?.fate === 'operator';
}

/** Age of the oldest entry of a lane that is not delivered; 0: none waits; null: not known, nothing was read from the buffer yet. */
export function lagMs({ buffer, uplink, now }: GatewayStatus, lane: string): number | null {
  const { phase, oldestMs = null } = uplink[lane] ?? {};
  if (oldestMs !== null) return Math.max(0, now.wallMs - oldestMs);
  // A connected lane has taken what there is; what is counted as waiting was committed this moment.
  if (phase === 'connected') return 0;
  return Object.entries(buffer.waiting).some(([name, waiting]) => name === lane && waiting > 0) ? null : 0;
}
