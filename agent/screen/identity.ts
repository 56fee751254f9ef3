import type { Replaced } from './counters.ts';
import type { GatewayEvent, Observation } from '../reading.ts';

/** The serial number that a meter says of itself, as text: a number as its digits. null: it says none. */
export function serialOf({ quality, value, text }: Observation): string | null {
  if (quality === 'bad') return null;
  const said = (text ?? (value === null ? '' : String(value))).replaceAll('\0', '').trim();
  return said === '' ? null : said;
}

/** Which meter hangs there: what one device says of itself against its `asset.serial`. Pure. */
export class SerialWatch {
  readonly device: string;
  /** null: the configuration states none. */
  readonly configured: string | null;
  #seen: string | null;
  #told: string | null = null;

  /** `seen`: what it said last, perhaps in an earlier run. */
  constructor(device: string, configured: string | null, seen: string | null) {
    this.device = device;
    this.configured = configured?.trim() ?? null;
    this.#seen = seen;
  }

  get seen(): string | null {
    return this.#seen;
  }

  /** Another meter than the configured one answers. */
  get isOther(): boolean {
    return this.configured !== null && this.#seen !== null && this.#seen !== this.configured;
  }

  /** `replaced`: where the configuration names no meter, the one before was another. */
  see(serial: string): { readonly event: GatewayEvent | null; readonly replaced: Replaced | null } {
    const before = this.#seen;
    const wasOther = this.isOther;
    this.#seen = serial;
    const { device, configured } = this;
    if (configured === null) {
      const isReplaced = before !== null && before !== serial;
      return { event: null, replaced: isReplaced ? { oldSerial: before, newSerial: serial } : null };
    }
    if (!this.isOther) {
      this.#told = null;
      return { event: wasOther ? matched(device, configured, before) : null, replaced: null };
    }
    const isTold = this.#told === serial;
    this.#told = serial;
    return { event: isTold ? null : mismatch(device, configured, serial), replaced: null };
  }
}

function mismatch(device: string, configured: string, seen: string): GatewayEvent {
  return {
    event: 'serial-mismatch',
    severity: 'warning',
    device,
    message: `Device ${device}: the meter says it is ${seen}, its asset.serial is ${configured}; its readings are sent as uncertain. If the meter was replaced, write its serial number into the configuration; else look for a wrong address or swapped wires.`,
    facts: { configured, seen },
  };
}

function matched(device: string, configured: string, before: string | null): GatewayEvent {
  return {
    event: 'serial-mismatch',
    severity: 'info',
    device,
    message: `Device ${device}: the meter is the configured one again, ${configured} after ${before}.`,
    facts: { configured, seen: configured },
  };
}
