import type { Clock, Stamp, Trust } from '../../agent/clock.ts';

interface Timer {
  due: () => number;
  settle: () => void;
}

/** A clock that stands still until `advance` moves it. Wall and boot time move together; `stepWall` moves the wall alone. */
export class FakeClock implements Clock {
  boot = 'boot-1';
  bootMs: number;
  wallMs: number;
  trust: Trust = 'synced';
  #timers = new Set<Timer>();

  constructor(wall: string | number = '2026-11-22T13:00:00Z', bootMs = 1_000_000) {
    this.wallMs = typeof wall === 'number' ? wall : Date.parse(wall);
    this.bootMs = bootMs;
  }

  now(): Stamp {
    return { boot: this.boot, bootMs: this.bootMs, wallMs: this.wallMs, trust: this.trust };
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const at = this.bootMs + Math.max(0, ms);
    return this.#wait(() => at, signal);
  }

  sleepUntil(wallMs: number, signal: AbortSignal): Promise<void> {
    return this.#wait(() => this.bootMs + (wallMs - this.wallMs), signal);
  }

  stepWall(ms: number): void {
    this.wallMs += ms;
  }

  /** Moves both times on by `ms`, stopping at every timer on the way so that what it wakes runs at its own instant. */
  async advance(ms: number): Promise<void> {
    const end = this.bootMs + ms;
    await settled();
    for (;;) {
      const next = [...this.#timers].toSorted((a, b) => a.due() - b.due())[0];
      if (next === undefined || next.due() > end) break;
      this.#moveTo(Math.max(next.due(), this.bootMs));
      next.settle();
      await settled();
    }
    this.#moveTo(end);
    await settled();
  }

  #moveTo(bootMs: number): void {
    this.wallMs += bootMs - this.bootMs;
    this.bootMs = bootMs;
  }

  #wait(due: () => number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const abort = (): void => {
        this.#timers.delete(timer);
        reject(signal.reason as Error);
      };
      const timer: Timer = {
        due,
        settle: () => {
          this.#timers.delete(timer);
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#timers.add(timer);
    });
  }
}

/** Lets everything that is already due run: microtasks and immediates, a few rounds. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve));
}
