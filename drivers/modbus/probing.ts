import type { Stamp } from '../../agent/clock.ts';
import type { Block } from './plan-reads.ts';
import type { ReadyPoint } from './observe.ts';
import { limitsOf } from './ready-device.ts';
import type { ReadyDevice } from './ready-device.ts';

/** Which degraded device is asked for a sign of life, and when (`liveness.ts` decides for one). */

export interface Probe {
  readonly device: ReadyDevice;
  readonly block: Block<ReadyPoint>;
  readonly timeoutMs: number;
}

/** `idleMs`: how long the line will have nothing else to do. undefined: nobody is to be probed now. */
export function probeOf(all: Iterable<ReadyDevice>, nowMs: number, idleMs: number): Probe | undefined {
  for (const device of all) {
    const { liveness, smallest } = device;
    if (smallest === undefined || nowMs < liveness.probeDueMs) continue;
    const timeoutMs = liveness.probeMs(nowMs, idleMs, limitsOf(smallest).timeoutMs);
    if (timeoutMs !== null) return { device, block: smallest, timeoutMs };
  }
  return undefined;
}

/** When to look again whether one can be probed, boot ms; undefined: none is degraded. */
export function probeAgainMs(all: Iterable<ReadyDevice>, now: Stamp): number | undefined {
  const degraded = [...all].filter(({ liveness }) => liveness.isDegraded);
  if (degraded.length === 0) return undefined;
  const soonMs = now.bootMs + Math.min(1000, idleMsOf(all, now) + 1);
  return Math.min(...degraded.map(({ liveness: { probeDueMs } }) => (probeDueMs > now.bootMs ? probeDueMs : soonMs)));
}

/** Until the next slot of a device that is polled. */
export function idleMsOf(all: Iterable<ReadyDevice>, { wallMs }: Stamp): number {
  const polled = [...all].filter(({ liveness }) => !liveness.isDegraded);
  return Math.min(...polled.flatMap(({ everyMs }) => everyMs).map((everyMs) => everyMs - (wallMs % everyMs)));
}
