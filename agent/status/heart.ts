import type { Clock } from '../clock.ts';
import type { Gateway } from '../gateway.ts';
import type { Log } from '../log/log.ts';
import type { GatewayStatus } from './facts.ts';
import { ailments } from './health.ts';
import type { Notify } from './notify.ts';
import { Watchdog } from './watchdog.ts';

/** A commit that takes as long is no slow card any more. */
const blockedMs = 60_000;

export interface HeartOptions {
  readonly gateway: Pick<Gateway, 'status' | 'writer'>;
  readonly notify: Notify;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Looks from time to time whether everything moves, and tells systemd; what does not move is told in the log, and the watchdog is fed no more. */
export async function beat({ gateway, notify, clock, log, signal }: HeartOptions): Promise<void> {
  const watchdog = new Watchdog();
  while (!signal.aborted) {
    const status = gateway.status();
    const hanging = watchdog.look(status, gateway.writer());
    if (hanging.length > 0)
      log.error(`The daemon hangs and should be started anew: ${hanging.join('; ')}.`, {}, 'hanging');
    else if (status.buffer.committingForMs > blockedMs)
      log.error(
        `The disk has taken nothing for more than ${blockedMs / 1000} s. Readings wait in memory, 16 MB at most; a restart would not help: look at the card.`,
      );
    notify.beat(hanging.length === 0, statusLine(status));
    await clock.sleep(notify.everyMs, signal).catch(() => undefined);
  }
}

/** `12/13 devices ok, buffer 0`, and what a person must look at. */
export function statusLine(status: GatewayStatus): string {
  const { devices, buffer } = status;
  const ok = devices.filter(({ presence }) => presence === 'ok').length;
  const waiting = Object.values(buffer.waiting).reduce((sum, one) => sum + one, 0);
  return [`${ok}/${devices.length} devices ok, buffer ${waiting}`, ...ailments(status)]
    .join('; ')
    .replaceAll(/\s+/g, ' ');
}
