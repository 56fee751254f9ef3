import type { Clock } from '../clock.ts';
import type { Facts } from '../reading.ts';

export type Severity = 'info' | 'warning' | 'error';

/** What is said, before it has a form. */
export interface LogLine {
  readonly severity: Severity;
  readonly message: string;
  readonly facts: Facts;
}

/** From the first line of a key on, so long the others are only counted. */
const windowMs = 600_000;
/** Keys counted at a time; the oldest gives way. */
const mostKeys = 256;

interface Window {
  readonly fromMs: number;
  last: LogLine;
  more: number;
}

/** Prints the first line of a key, counts the others, and says at the end of each window how many there were. */
export class Repeats {
  readonly #clock: Clock;
  readonly #print: (line: LogLine) => void;
  /** In order of their beginning, hence of their end. */
  readonly #windows = new Map<string, Window>();
  readonly #closing = new AbortController();
  #isWatching = false;

  constructor(clock: Clock, print: (line: LogLine) => void) {
    this.#clock = clock;
    this.#print = print;
  }

  tell(key: string, line: LogLine): void {
    const known = this.#windows.get(key);
    if (known) {
      known.last = line;
      known.more++;
      return;
    }
    this.#print(line);
    if (this.#closing.signal.aborted) return;
    const [oldest] = this.#windows;
    if (oldest && this.#windows.size >= mostKeys) this.#end(...oldest);
    this.#begin(key, line);
  }

  /** Says what was counted and not told yet; afterwards every line is printed. */
  close(): void {
    this.#closing.abort(new Error('the log is closed'));
    for (const entry of this.#windows) this.#end(...entry);
  }

  #begin(key: string, last: LogLine): void {
    this.#windows.set(key, { fromMs: this.#clock.now().bootMs, last, more: 0 });
    if (!this.#isWatching) void this.#watch();
  }

  async #watch(): Promise<void> {
    this.#isWatching = true;
    try {
      for (let [oldest] = this.#windows; oldest; [oldest] = this.#windows) {
        const [key, window] = oldest;
        await this.#clock.sleep(window.fromMs + windowMs - this.#clock.now().bootMs, this.#closing.signal);
        if (this.#windows.get(key) !== window) continue;
        this.#end(key, window);
        // Still going on: told once a window.
        if (window.more > 0) this.#begin(key, window.last);
      }
    } catch {
      // Closed.
    } finally {
      this.#isWatching = false;
    }
  }

  #end(key: string, { fromMs, last, more }: Window): void {
    this.#windows.delete(key);
    if (more === 0) return;
    const times = more === 1 ? 'once more' : `${more} more times`;
    const message = `${last.message} (${times} in the last ${span(this.#clock.now().bootMs - fromMs)})`;
    this.#print({ ...last, message, facts: { ...last.facts, repeated: more } });
  }
}

function span(ms: number): string {
  return ms < 90_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
