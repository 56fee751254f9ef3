import { outageBackoff } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { ForwarderState } from '../forwarder/forwarder.ts';
import { LaneStatus } from '../forwarder/lane-status.ts';
import type { LaneState, Log } from '../forwarder/lane-status.ts';
import type { Uplink, UplinkFactory } from '../uplink/uplink.ts';
import { gist, outRecord } from './record.ts';
import type { StatusRecord } from './record.ts';

const topic = 'gateway-status';
/** At least so often, that silence can be noticed; at most so often, whatever changes. */
const everyMs = 60_000;
const shortestMs = 5_000;
const backoffBaseMs = 500;
/** Between attempts when a person must act. The lanes go on without this. */
const slowMs = 60_000;
/** A broker that is just starting may deny a topic for a moment: so many such errors in a row are tried again soon, untold. */
const operatorGrace = 2;

export interface PublisherOptions {
  /** The newest state, made when it is sent. */
  readonly record: (state: StatusRecord['state']) => StatusRecord;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}

/**
 * Sends the newest state of the gateway: on connect, when it changed, each minute, and once more at an orderly stop. Nothing of it is kept: what
 * could not be sent is out of date. Has an uplink of its own, so that its troubles hold up no lane.
 */
export class StatusPublisher {
  readonly #options: PublisherOptions;
  #sending: Sending | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** From now on by this uplink; null: by none. What is being sent gets until `signal` for its answer. */
  async renew(uplinks: UplinkFactory | null, signal: AbortSignal): Promise<void> {
    const before = this.#sending;
    await before?.stop(null, signal);
    this.#sending = uplinks && new Sending(uplinks, this.#options, before?.status.state ?? null);
  }

  /** Beside the lanes of the buffer, as one of them; empty: there is no uplink for it. */
  state(): Readonly<Record<string, ForwarderState>> {
    return this.#sending ? { [topic]: { ...this.#sending.status.state, oldestMs: null, dueMs: null } } : {};
  }

  /** Says that it stopped, if it is connected and `signal` leaves time. Never rejects, idempotent. */
  async stop(signal: AbortSignal): Promise<void> {
    await this.#sending?.stop('stopped', signal);
  }
}

/** The sending by one uplink after another of one factory. */
class Sending {
  readonly status: LaneStatus;
  readonly #uplinks: UplinkFactory;
  readonly #options: PublisherOptions;
  readonly #stopping = new AbortController();
  readonly #hurry = new AbortController();
  readonly #ended: Promise<void>;
  #stopped: Promise<void> | null = null;
  #uplink: Uplink | null = null;
  #failures = 0;
  #operatorInRow = 0;
  #downSinceMs = 0;

  constructor(uplinks: UplinkFactory, options: PublisherOptions, before: LaneState | null) {
    this.#uplinks = uplinks;
    this.#options = options;
    this.status = new LaneStatus(topic, options.clock, options.log, before);
    this.#ended = this.#run();
  }

  stop(last: StatusRecord['state'] | null, signal: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(last, signal);
    return this.#stopped;
  }

  async #stop(last: StatusRecord['state'] | null, signal: AbortSignal): Promise<void> {
    const abort = (): void => this.#hurry.abort(new Error('stopping'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    this.#stopping.abort(new Error('stopping'));
    await this.#ended;
    try {
      if (last !== null && this.#uplink && !signal.aborted) await this.#send(this.#uplink, last);
    } catch {
      // Nobody waits for it: a gateway that says nothing more is noticed as well.
    }
    await this.#drop();
    this.status.enter('stopped');
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const uplink = await this.#connected();
        await this.#untilNews(await this.#send(uplink, 'running'));
      } catch (error) {
        await this.#drop();
        if (!this.#stopping.signal.aborted) await this.#wait(error);
      }
    }
  }

  async #connected(): Promise<Uplink> {
    if (this.#uplink) return this.#uplink;
    this.status.enter('connecting');
    this.#uplink = this.#uplinks(topic);
    await this.#uplink.connect(this.#stopping.signal);
    return this.#uplink;
  }

  async #send(uplink: Uplink, state: StatusRecord['state']): Promise<StatusRecord> {
    const record = this.#options.record(state);
    await uplink.send(topic, [outRecord(record)], this.#hurry.signal);
    this.#failures = 0;
    this.#operatorInRow = 0;
    this.status.delivered(1, 0);
    return record;
  }

  /** Resolves when what was sent is no longer true, or is old. */
  async #untilNews(sent: StatusRecord): Promise<void> {
    const { record } = this.#options;
    for (let waitedMs = 0; waitedMs < everyMs; waitedMs += shortestMs) {
      await this.#nap(shortestMs);
      if (this.#stopping.signal.aborted || gist(record('running')) !== gist(sent)) return;
    }
  }

  /** An uplink that failed once is never used again. */
  async #drop(): Promise<void> {
    const uplink = this.#uplink;
    this.#uplink = null;
    await uplink?.close();
  }

  /** The lanes tell that the broker is away; only what concerns this topic alone, or nobody foresaw, is told here. */
  async #wait(error: unknown): Promise<void> {
    const { clock, random } = this.#options;
    const { fate, code, message } = this.status.trouble(error);
    const { bootMs } = clock.now();
    if (this.#failures === 0) this.#downSinceMs = bootMs;
    this.#failures++;
    this.#operatorInRow = fate === 'retry' ? 0 : this.#operatorInRow + 1;
    const isSlow = this.#operatorInRow > operatorGrace;
    if (isSlow || code === 'UNEXPECTED')
      this.status.tellOnce(
        'error',
        code,
        `${message} (${code}); readings are not concerned, only the gateway's state is`,
      );
    this.status.enter('waiting');
    await this.#nap(isSlow ? slowMs : outageBackoff(this.#failures, bootMs - this.#downSinceMs, backoffBaseMs, random));
  }

  /** Ends at a stop too. */
  async #nap(ms: number): Promise<void> {
    await this.#options.clock.sleep(ms, this.#stopping.signal).catch(() => undefined);
  }
}
