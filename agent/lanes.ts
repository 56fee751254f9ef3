import type { Buffer as Lanes } from '../buffer/buffer.ts';
import type { Clock } from './clock.ts';
import type { SiteConfig } from './config/site-config.ts';
import { startForwarder } from './forwarder/forwarder.ts';
import type { Forwarder, ForwarderState } from './forwarder/forwarder.ts';
import type { Log } from './log/log.ts';
import type { GatewayEvent, Stream } from './reading.ts';
import { streams } from './reading.ts';
import { chooseUplink, uplinkIdentity } from './uplink/choose.ts';
import { jsonEncoding } from './uplink/encodings.ts';
import type { UplinkFactory } from './uplink/uplink.ts';

const drainLookMs = 20;

export interface LanesOptions {
  readonly buffer: Lanes;
  readonly clock: Clock;
  readonly log: Log;
  readonly event: (event: GatewayEvent) => void;
}

/** An uplink that is ready to be used. */
export interface Prepared {
  readonly identity: string;
  readonly uplinks: UplinkFactory;
}

/** One forwarder for each lane of the buffer, all of one uplink. */
export class ForwardedLanes {
  readonly #options: LanesOptions;
  #identity: string | null = null;
  #forwarders: ReadonlyMap<Stream, Forwarder> = new Map();

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** Loads the uplink's library, reads its secrets and certificates; rejects when they cannot be used. Changes nothing yet. null: it is the one in use. */
  async prepare(uplink: SiteConfig['uplink']): Promise<Prepared | null> {
    const identity = uplinkIdentity(uplink);
    return identity === this.#identity ? null : { identity, uplinks: await chooseUplink(uplink) };
  }

  /** Takes the lanes over to this uplink. What was being sent gets until `signal` for its answer; then it is sent again, marked. */
  async renew({ identity, uplinks }: Prepared, signal: AbortSignal): Promise<void> {
    const { buffer, clock, event, log } = this.#options;
    await this.stop(signal);
    const before = this.state();
    this.#identity = identity;
    this.#forwarders = new Map(
      streams.map((lane) => [
        lane,
        startForwarder({
          lane,
          buffer,
          uplinks,
          encode: jsonEncoding(),
          clock,
          event,
          log: (severity, message) => log[severity](message),
          before: before[lane],
        }),
      ]),
    );
  }

  state(): Readonly<Partial<Record<Stream, ForwarderState>>> {
    return Object.fromEntries([...this.#forwarders].map(([lane, one]) => [lane, one.state()]));
  }

  /** Resolves when nothing waits that has somewhere to go, or `signal` fires: the rest lies on disk for the next start. */
  async drained(signal: AbortSignal): Promise<void> {
    const { buffer, clock } = this.#options;
    const sendable = (lane: Stream): number => {
      const { waiting, held } = buffer.stats();
      return waiting[lane] - held[lane];
    };
    const isUnderWay = ([lane, forwarder]: [Stream, Forwarder]): boolean =>
      forwarder.state().phase === 'connected' && sendable(lane) > 0;
    try {
      while ([...this.#forwarders].some(isUnderWay)) await clock.sleep(drainLookMs, signal);
    } catch {
      // Out of time.
    }
  }

  /** Takes nothing new; what is being sent gets until `signal` for its answer. Idempotent. */
  async stop(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#forwarders.values()].map((one) => one.stop(signal)));
  }
}
