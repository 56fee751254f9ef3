import type { Stamp } from '../clock.ts';
import type { GatewayEvent } from '../reading.ts';

/** Statuses of a point whose device said nothing, or nothing that can be read; any other, an exception too, is an answer. */
const silent: ReadonlySet<string> = new Set([
  'BadTimeout',
  'BadNoCommunication',
  'BadNotConnected',
  'BadCommunicationError',
]);

const advice: Readonly<Record<string, string>> = {
  BadNotConnected: 'its connection is not open; check host, port and network',
  BadCommunicationError:
    'what comes back cannot be its answer; check host, port, baud rate and parity, wiring, and that it speaks this protocol',
};

/** By its status: nobody answered, which says more about the device than about the point. */
export function isSilence(status: string): boolean {
  return silent.has(status);
}

/** Whether a device answers, told once per change. */
export class Presence {
  readonly #device: string;
  #lostSince: Stamp | null = null;
  #because: string | null = null;
  #heard = false;

  constructor(device: string) {
    this.#device = device;
  }

  get lostSince(): Stamp | null {
    return this.#lostSince;
  }

  /** Why it counts as lost, for the person who must look; null: it does not. */
  get because(): string | null {
    return this.#because;
  }

  get state(): 'waiting' | 'ok' | 'lost' {
    if (this.#lostSince !== null) return 'lost';
    return this.#heard ? 'ok' : 'waiting';
  }

  silence(status: string, now: Stamp): GatewayEvent | null {
    if (this.#lostSince !== null) return null;
    this.#lostSince = now;
    const why = advice[status] ?? 'check its power, wiring and address';
    this.#because = `does not answer (${status}): ${why}`;
    return {
      event: 'device-lost',
      severity: 'warning',
      device: this.#device,
      message: `Device ${this.#device} ${this.#because}.`,
      facts: { status },
    };
  }

  answer(now: Stamp): GatewayEvent | null {
    this.#heard = true;
    if (this.#lostSince === null) return null;
    const awayMs = now.bootMs - this.#lostSince.bootMs;
    this.#lostSince = null;
    this.#because = null;
    return {
      event: 'device-found',
      severity: 'info',
      device: this.#device,
      message: `Device ${this.#device} answers again after ${Math.round(awayMs / 1000)} s.`,
      facts: { awayMs },
    };
  }
}
