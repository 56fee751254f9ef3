import type { Clock } from '../clock.ts';
import { UplinkError, messageOf } from '../errors.ts';
import type { Fate } from '../errors.ts';
import type { Destination } from '../uplink/uplink.ts';

export type LanePhase = 'connecting' | 'connected' | 'waiting' | 'stalled' | 'stopped';
export type Log = (severity: 'info' | 'warning' | 'error', message: string) => void;

/** What one lane is doing, for `sluice status` and health. */
export interface LaneState {
  /** `waiting`: for the next attempt. `stalled`: the topic refuses everything. */
  readonly phase: LanePhase;
  /** Wall time at which this phase began. */
  readonly sinceMs: number;
  /** The newest trouble; null again after a delivery. */
  readonly lastError: {
    readonly atMs: number;
    readonly fate: Fate;
    readonly code: string;
    readonly message: string;
  } | null;
  /** Wall time of the newest ack; null: none since the start. */
  readonly lastDeliveredMs: number | null;
  /** Records acked, repeats among them; records in the dead letters. */
  readonly delivered: number;
  readonly repeated: number;
  readonly rejected: number;
}

const nothing = { delivered: 0, repeated: 0, rejected: 0 };

/** Keeps the state of a lane and tells each trouble once, and its end. */
export class LaneStatus {
  readonly #lane: Destination;
  readonly #clock: Clock;
  readonly #log: Log | undefined;
  #told: string | undefined;
  #state: LaneState;

  constructor(lane: Destination, clock: Clock, log: Log | undefined, before: LaneState | null = null) {
    this.#lane = lane;
    this.#clock = clock;
    this.#log = log;
    const sinceMs = clock.now().wallMs;
    this.#state = { phase: 'connecting', sinceMs, lastError: null, lastDeliveredMs: null, ...nothing };
    if (before !== null) this.#state = { ...before, phase: 'connecting', sinceMs, lastError: null };
  }

  get state(): LaneState {
    return this.#state;
  }

  enter(phase: LanePhase): void {
    if (this.#state.phase !== phase) this.#state = { ...this.#state, phase, sinceMs: this.#clock.now().wallMs };
  }

  /** Whatever was thrown, as an UplinkError: what nobody foresaw may pass by itself. */
  trouble(error: unknown): UplinkError {
    const known =
      error instanceof UplinkError ? error : new UplinkError('retry', 'UNEXPECTED', messageOf(error), { cause: error });
    const { fate, code } = known;
    this.#state = {
      ...this.#state,
      lastError: { atMs: this.#clock.now().wallMs, fate, code, message: known.message },
    };
    return known;
  }

  delivered(records: number, repeats: number): void {
    const { delivered, repeated } = this.#state;
    this.#state = {
      ...this.#state,
      lastError: null,
      lastDeliveredMs: this.#clock.now().wallMs,
      delivered: delivered + records,
      repeated: repeated + repeats,
    };
    this.enter('connected');
    if (this.#told !== undefined) this.tell('info', 'delivers again');
    this.#told = undefined;
  }

  rejected(): void {
    this.#state = { ...this.#state, rejected: this.#state.rejected + 1 };
  }

  /** Once until another `code` comes, or a delivery. True: it was told now. */
  tellOnce(severity: 'warning' | 'error', code: string, message: string): boolean {
    if (this.#told === code) return false;
    this.#told = code;
    this.tell(severity, message);
    return true;
  }

  tell(severity: 'info' | 'warning' | 'error', message: string): void {
    this.#log?.(severity, `${this.#lane}: ${message}`);
  }
}
