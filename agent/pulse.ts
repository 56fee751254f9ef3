import type { Clock } from './clock.ts';

/** By when a loop will be heard of again, so that one that hangs is told from one that waits. Half a line in each loop, before each await. */
export class Pulse {
  readonly #clock: Clock;
  #dueMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What comes now ends within `ms`, whatever others do: there is a deadline or a timer for it. */
  within(ms: number): void {
    this.#dueMs = this.#clock.now().bootMs + ms;
  }

  /** What comes now may take for ever and be right: nothing to do, or somebody else's matter. */
  rest(): void {
    this.#dueMs = null;
  }

  /** Boot time; null: it owes nothing. */
  get dueMs(): number | null {
    return this.#dueMs;
  }
}
