import type { WriterPulse } from '../../buffer/thread.ts';
import type { GatewayStatus } from './facts.ts';

/** Beyond what a loop promised: a machine short of breath is no hang. */
const graceMs = 30_000;
/** A commit takes milliseconds, on a poor card seconds; computing takes the writer never more than some of them. */
const writerMs = 60_000;

export interface Vitals {
  /** Boot time. */
  readonly nowMs: number;
  readonly pollers: readonly { readonly device: string; readonly dueMs: number | null }[];
  readonly lanes: readonly { readonly lane: string; readonly dueMs: number | null }[];
  readonly writer: {
    readonly silentMs: number;
    /** How long it was found computing, and never waiting, at every look. */
    readonly computingMs: number;
  };
}

/**
 * What does not move although it must, a phrase each; empty: all is well. A meter, a broker or a disk that does not answer is none of it: their
 * loops go on, and a restart helps nobody. A writer thread that waits in a system call waits for the disk; one that computes for a minute and
 * answers nothing has lost itself.
 */
export function stuck({ nowMs, pollers, lanes, writer }: Vitals): string[] {
  const late = (dueMs: number | null): number => (dueMs === null ? 0 : nowMs - dueMs);
  const writerLateMs = Math.min(writer.silentMs, writer.computingMs);
  return [
    ...pollers
      .filter(({ dueMs }) => late(dueMs) > graceMs)
      .map(({ device, dueMs }) => `the poller of ${device} is ${seconds(late(dueMs))} late`),
    ...lanes
      .filter(({ dueMs }) => late(dueMs) > graceMs)
      .map(({ lane, dueMs }) => `the forwarder of ${lane} is ${seconds(late(dueMs))} late`),
    ...(writerLateMs > writerMs
      ? [`the buffer's writer thread has answered nothing for ${seconds(writerLateMs)}`]
      : []),
  ];
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

/** Looks at a gateway from time to time, and keeps what one look alone cannot tell. */
export class Watchdog {
  #computingSinceMs: number | null = null;

  look(status: GatewayStatus, writer: WriterPulse): string[] {
    const nowMs = status.now.bootMs;
    this.#computingSinceMs = writer.isComputing ? (this.#computingSinceMs ?? nowMs) : null;
    return stuck({
      nowMs,
      pollers: status.devices,
      lanes: Object.entries(status.uplink).map(([lane, { dueMs }]) => ({ lane, dueMs })),
      writer: {
        silentMs: writer.silentMs,
        computingMs: this.#computingSinceMs === null ? 0 : nowMs - this.#computingSinceMs,
      },
    });
  }
}
