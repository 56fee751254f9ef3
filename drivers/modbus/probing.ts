import type { Stamp } from '../../agent/clock.ts';
import { leastProbeMs, probeEveryMs } from './liveness.ts';
import type { ReadyPoint } from './observe.ts';
import type { Block } from './plan-reads.ts';
import { limitsOf } from './ready-device.ts';
import type { ReadyDevice } from './ready-device.ts';

export interface Probe {
  readonly device: ReadyDevice;
  readonly block: Block<ReadyPoint>;
  readonly timeoutMs: number;
  /** The device may take its whole timeout. */
  readonly isFull: boolean;
  /** The line is wanted again before the device's timeout is over. */
  readonly isTight: boolean;
}

/** All the degraded of a line get their turn within this, where each probe is tight. */
const roundMs = 3 * 60_000;

/**
 * Which degraded device of a line is asked for a sign of life, and when (`liveness.ts` decides for one). A gateway waits for a dead unit as long as it likes, also when we do not: a probe that does
 * not fit the idle time with its whole timeout makes the next slot late. So of these there is one a minute on the line, whoever has waited longest.
 */
export class Probing {
  #tightMs = -Infinity;
  /** When the line last had nothing else to do. */
  #idleMs = -Infinity;

  /** `idleMs`: how long the line will have nothing else to do. undefined: nobody is to be probed now. */
  next(devices: readonly ReadyDevice[], nowMs: number, idleMs: number): Probe | undefined {
    if (idleMs >= leastProbeMs) this.#idleMs = nowMs;
    const due = devices.filter(({ liveness }) => nowMs >= liveness.probeDueMs);
    if (due.length === 0) return undefined;
    const tightDueMs = this.#tightDueMs(devices);
    for (const device of due.toSorted((a, b) => a.liveness.probeDueMs - b.liveness.probeDueMs)) {
      const { liveness, smallest } = device;
      if (smallest === undefined) continue;
      const wholeMs = limitsOf(smallest).timeoutMs;
      const isTight = wholeMs > idleMs;
      if (isTight && nowMs < tightDueMs) continue;
      const timeoutMs = liveness.probeMs(nowMs, idleMs, wholeMs, {
        sinceMs: this.#idleMs,
        againInMs: isTight ? roundMs : 0,
      });
      if (timeoutMs !== null) return { device, block: smallest, timeoutMs, isTight, isFull: timeoutMs === wholeMs };
    }
    return undefined;
  }

  sent({ device, isTight, isFull }: Probe, nowMs: number): void {
    device.liveness.probed(nowMs, isFull);
    if (isTight) this.#tightMs = nowMs;
  }

  /** It held up nobody. */
  answered(): void {
    this.#tightMs = -Infinity;
  }

  #tightDueMs(devices: readonly ReadyDevice[]): number {
    const degraded = devices.filter(({ liveness }) => liveness.isDegraded).length;
    return this.#tightMs + Math.min(probeEveryMs, roundMs / Math.max(1, degraded));
  }
}

/** When to look again whether one can be probed, boot ms; undefined: none is degraded. */
export function probeAgainMs(devices: readonly ReadyDevice[], now: Stamp): number | undefined {
  const degraded = devices.filter(({ liveness }) => liveness.isDegraded);
  if (degraded.length === 0) return undefined;
  const soonMs = now.bootMs + Math.min(1000, idleMsOf(devices, now) + 1);
  return Math.min(...degraded.map(({ liveness: { probeDueMs } }) => (probeDueMs > now.bootMs ? probeDueMs : soonMs)));
}

/** Until the next slot of a device that is polled. */
export function idleMsOf(devices: readonly ReadyDevice[], { wallMs }: Stamp): number {
  const polled = devices.filter(({ liveness }) => !liveness.isDegraded);
  return Math.min(...polled.flatMap(({ everyMs }) => everyMs).map((everyMs) => everyMs - (wallMs % everyMs)));
}
