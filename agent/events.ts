import type { Buffer as Lanes } from '../buffer/buffer.ts';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import type { GatewayEvent } from './reading.ts';
import { eventBody } from './uplink/encodings.ts';

/** Events of this gateway: to the log at once, to their lane as soon as there is a buffer. */
export class Events {
  readonly #gateway: string;
  readonly #site: string | null;
  readonly #clock: Clock;
  readonly #log: Log;
  #buffer: Lanes | null = null;
  #early: GatewayEvent[] = [];

  constructor(gateway: string, site: string | null, parts: { readonly clock: Clock; readonly log: Log }) {
    this.#gateway = gateway;
    this.#site = site;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  open(buffer: Lanes): void {
    this.#buffer = buffer;
    for (const event of this.#early.splice(0)) this.#keep(event);
  }

  /** Never throws, never blocks. */
  tell(event: GatewayEvent): void {
    this.#log[event.severity](event.message, {
      event: event.event,
      ...(event.device ? { device: event.device } : {}),
    });
    if (this.#buffer) this.#keep(event);
    else this.#early.push(event);
  }

  /** The same, for callers that must know: rejects if the buffer did not take it. */
  async accepted(event: GatewayEvent): Promise<void> {
    this.#log[event.severity](event.message, { event: event.event });
    await this.#append(event);
  }

  #keep(event: GatewayEvent): void {
    this.#append(event).catch((error: unknown) =>
      this.#log.error(`The event "${event.event}" could not be kept: ${messageOf(error)}`),
    );
  }

  #append(event: GatewayEvent): Promise<void> {
    const json = eventBody(this.#gateway, this.#site, event);
    return (
      this.#buffer?.append('gateway-events', [{ at: this.#clock.now(), key: this.#gateway, json }]) ?? Promise.resolve()
    );
  }
}
