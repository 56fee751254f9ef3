import type { Clock } from './clock.ts';
import type { GatewayEvent, Reading } from './reading.ts';

/** How often an ongoing loss is told. */
const tellEveryMs = 60_000;

/** Readings that the buffer refused, counted per device until an event about them is safely accepted. */
export class Losses {
  readonly #clock: Clock;
  readonly #event: (event: GatewayEvent) => Promise<void>;
  #devices = new Map<string, number>();
  #fromMs = 0;
  #toMs = 0;
  #reason = '';
  #toldAtMs = -Infinity;
  #telling: Promise<void> | null = null;
  #refused = 0;

  constructor(clock: Clock, event: (event: GatewayEvent) => Promise<void>) {
    this.#clock = clock;
    this.#event = event;
  }

  /** Readings refused since the start, told or not. */
  get count(): number {
    return this.#refused;
  }

  /** These were refused. Told at once when it begins, then once a minute. What only says that something was lost is not counted as one more. */
  refused(all: readonly Reading[], reason: string): void {
    const readings = all.filter(({ status }) => status !== 'BadDataLost');
    if (readings.length === 0) return;
    const now = this.#clock.now();
    if (this.#devices.size === 0) this.#fromMs = now.wallMs;
    this.#toMs = now.wallMs;
    this.#reason = reason;
    this.#refused += readings.length;
    for (const { point } of readings) this.#devices.set(point.device, (this.#devices.get(point.device) ?? 0) + 1);
    if (!this.#telling && now.bootMs - this.#toldAtMs >= tellEveryMs) void this.tell();
  }

  /** The buffer took readings: what was lost before is told, unless it was told a moment ago (at the brim of the quota every other one is refused). */
  ended(): void {
    if (this.#devices.size === 0 || this.#telling) return;
    if (this.#clock.now().bootMs - this.#toldAtMs >= tellEveryMs) void this.tell();
  }

  /** Resolves when everything refused until now has been told, or cannot be. */
  async tell(): Promise<void> {
    while (this.#telling) await this.#telling;
    if (this.#devices.size === 0) return;
    this.#telling = this.#tellNow();
    await this.#telling;
  }

  /** Refused and not told in any event: for the log, when nothing can be kept any more. */
  untold(): number {
    return [...this.#devices.values()].reduce((sum, one) => sum + one, 0);
  }

  async #tellNow(): Promise<void> {
    const devices = this.#devices;
    const count = [...devices.values()].reduce((sum, one) => sum + one, 0);
    const fromMs = this.#fromMs;
    const [from, to] = [new Date(fromMs).toISOString(), new Date(this.#toMs).toISOString()];
    this.#toldAtMs = this.#clock.now().bootMs;
    this.#devices = new Map();
    try {
      await this.#event({
        event: 'loss',
        severity: 'error',
        message: `${count === 1 ? '1 reading was' : `${count} readings were`} not taken between ${from} and ${to}: ${this.#reason}. Restore the uplink, or raise buffer.maxSize.`,
        facts: {
          count,
          from,
          to,
          reason: this.#reason,
          devices: [...devices].map(([device, lost]) => `${device}: ${lost}`).join(', '),
        },
      });
    } catch {
      // No room even for this: it is told with the next.
      for (const [device, lost] of devices) this.#devices.set(device, (this.#devices.get(device) ?? 0) + lost);
      this.#fromMs = fromMs;
    } finally {
      this.#telling = null;
    }
  }
}
