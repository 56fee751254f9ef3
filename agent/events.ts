import type { Buffer as Lanes } from '../buffer/buffer.ts';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log/log.ts';
import type { EventName, GatewayEvent } from './reading.ts';
import { eventBody } from './uplink/encodings.ts';

/** Events of this gateway: to the log at once, to their lane as soon as there is a buffer. */
export class Events {
  readonly #gateway: string;
  #site: string | null;
  readonly #clock: Clock;
  readonly #log: Log;
  #buffer: Lanes | null = null;
  #early: GatewayEvent[] = [];
  readonly #counts = new Map<EventName, number>();

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

  /** The site's id, for events from now on. */
  renew(site: string | null): void {
    this.#site = site;
  }

  /** How often each happened since the start. */
  counts(): ReadonlyMap<EventName, number> {
    return this.#counts;
  }

  /** Never throws, never blocks. */
  tell(event: GatewayEvent): void {
    this.#count(event);
    const facts = { event: event.event, ...(event.device ? { device: event.device } : {}) };
    this.#log[event.severity](event.message, facts, logKey(event));
    if (this.#buffer) this.#keep(event);
    else this.#early.push(event);
  }

  /** The same, for callers that must know: rejects if the buffer did not take it. */
  async accepted(event: GatewayEvent): Promise<void> {
    this.#log[event.severity](event.message, { event: event.event }, logKey(event));
    await this.#append(event);
    this.#count(event);
  }

  #count({ event }: GatewayEvent): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1);
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

/** Comes and goes: its lines differ in a number only, and must not fill the log. Its lane gets every one. */
const flapping: ReadonlySet<GatewayEvent['event']> = new Set(['device-lost', 'device-found', 'device-silent']);
/** What a person did is told each time. */
const byHand: ReadonlySet<GatewayEvent['event']> = new Set(['start', 'stop', 'config-changed', 'config-refused']);

function logKey({ event, device, message }: GatewayEvent): string | null {
  if (byHand.has(event)) return null;
  return flapping.has(event) ? `${event} ${device ?? ''}` : message;
}
