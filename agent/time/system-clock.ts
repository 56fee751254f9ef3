import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { Clock, Stamp, Trust } from '../clock.ts';
import type { TrustSource, Vouched } from './time-sources.ts';

export interface ClockStep {
  /** What the wall clock would show without the step. Unix ms. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

export interface SystemClock extends Clock {
  /** Resolves when the source has answered once; until then trust is `unknown`. */
  readonly ready: Promise<void>;
  /** Returns what takes the listener away again. */
  onStep(listener: (step: ClockStep) => void): () => void;
  /** Asks this source from now on. Resolves when it has answered once; until then trust is what it was. */
  ask(source: TrustSource): Promise<void>;
  /** A wall clock that stands before this is wrong, unless a time service vouches for it: then it was trusted then. Unix ms. */
  notBefore(wallMs: number): void;
  /** Ends timers; whoever still sleeps sleeps for ever. Steps and suspends are followed no more. */
  close(): void;
}

export interface SystemClockOptions {
  readonly source: TrustSource;
  readonly builtAtMs: number;
  readonly machine?: Machine;
}

/** What the clock reads; handed in by tests only. */
export interface Machine {
  /** Monotonic, stops in suspend. Fractions of a ms. */
  monotonicMs(): number;
  wallMs(): number;
  /** Since the boot, suspend included; truncated to 10 ms by the kernel. */
  uptimeMs(): number;
  bootId(): string;
  /** Nobody reads it from now on. */
  close(): void;
}

/** Opens once what it reads every second: a process that may open no further file must still know the time. */
function linux(): Machine {
  const uptime = openSync('/proc/uptime', 'r');
  const text = Buffer.alloc(64);
  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    uptimeMs: () => Number.parseFloat(text.toString('latin1', 0, readSync(uptime, text, { position: 0 }))) * 1000,
    bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
    close: () => closeSync(uptime),
  };
}

const TICK_MS = 1_000;
/** More than truncation and a slow read explain: the machine was suspended. */
const SUSPEND_MS = 50;
const SLOW_READ_MS = 20;
/** More than slewing moves the wall between two looks. */
const STEP_MS = 500;
const ASK_AGAIN_MS = 10_000;
/** A minute of them: whoever said that the clock is wrong has gone. */
const SILENT_OFTEN = 6;
/** A synchronised clock stays good for long; asking may start a process. */
const ASK_AGAIN_SYNCED_MS = 60_000;

interface Sleeper {
  leftMs(): number;
  wake(): void;
  timer: NodeJS.Timeout | null;
}

/** The time of this machine. One timer a second in all, and one for each sleeper only in the last second of its sleep. */
export function systemClock(options: SystemClockOptions): SystemClock {
  const machine = options.machine ?? linux();
  const boot = machine.bootId();
  let newestTrustedMs = 0;
  const listeners = new Set<(step: ClockStep) => void>();
  const sleepers = new Set<Sleeper>();
  let toBootMs = machine.uptimeMs() - machine.monotonicMs();
  let wallLeadMs = machine.wallMs() - machine.monotonicMs();
  let newestBootMs = 0;
  let source = options.source;
  let said: Trust = 'unknown';
  /** What the service went by when it last said that the clock is right. */
  let proof: string | null = null;
  /** The clock was stepped since: only another proof counts. */
  let isDoubted = false;
  /** Steps after which it was. */
  let doubts = 0;
  /** Answers in a row that nobody is there to ask. */
  let silent = 0;
  let asking = false;
  let askAtMs = 0;
  let isClosed = false;

  /** Moves the offsets where the machine was suspended or the wall was stepped. */
  function follow(): void {
    if (isClosed) return;
    const startedMs = machine.monotonicMs();
    const wallMs = machine.wallMs();
    const uptimeMs = machine.uptimeMs();
    // Held up between the readings they belong to no one instant: the next look will do.
    if (machine.monotonicMs() - startedMs > SLOW_READ_MS) return;
    const offMs = uptimeMs - startedMs - toBootMs;
    const suspendMs = Math.abs(offMs) > SUSPEND_MS ? offMs : 0;
    toBootMs += suspendMs;
    const stepMs = Math.round(wallMs - startedMs - wallLeadMs - suspendMs);
    wallLeadMs = wallMs - startedMs;
    if (Math.abs(stepMs) <= STEP_MS) return;
    // Asked again at the next tick. Who vouched for it did so before the step.
    askAtMs = 0;
    if (said === 'synced' && proof !== null) {
      isDoubted = true;
      doubts += 1;
      said = 'unsynced';
    }
    for (const listener of listeners) listener({ fromMs: wallMs - stepMs, toMs: wallMs, stepMs });
  }

  function now(): Stamp {
    if (Math.abs(machine.wallMs() - machine.monotonicMs() - wallLeadMs) > SUSPEND_MS) follow();
    const wallMs = machine.wallMs();
    newestBootMs = Math.max(newestBootMs, Math.floor(machine.monotonicMs() + toBootMs));
    // A service that says yes knows better than what was once believed.
    const isBehind = wallMs < options.builtAtMs || (said !== 'synced' && wallMs < newestTrustedMs);
    return { boot, bootMs: newestBootMs, wallMs, trust: isBehind ? 'unsynced' : said };
  }

  function believe(answer: Trust | Vouched): void {
    if (typeof answer === 'object') {
      if (isDoubted && answer.proof === proof) return;
      ({ trust: said, proof } = answer);
      isDoubted = false;
      return;
    }
    silent = answer === 'unknown' ? silent + 1 : 0;
    // A time service that is started anew is silent for a moment: what it said last holds.
    if (said === 'unsynced' && silent > 0 && silent < SILENT_OFTEN) return;
    said = answer;
    proof = null;
    isDoubted = false;
  }

  async function ask(): Promise<void> {
    const asked = source;
    const doubtsBefore = doubts;
    asking = true;
    const answer = await asked();
    // Another source was chosen meanwhile: it is asked already, and only its answer counts.
    if (asked !== source) return;
    asking = false;
    // It may speak of the time before a step: asked again at the next tick.
    if (doubts !== doubtsBefore) return;
    believe(answer);
    askAtMs = machine.monotonicMs() + (said === 'synced' ? ASK_AGAIN_SYNCED_MS : ASK_AGAIN_MS);
  }

  function tick(): void {
    follow();
    if (!asking && machine.monotonicMs() >= askAtMs) void ask();
    for (const sleeper of sleepers) schedule(sleeper);
  }

  /** Far sleepers wait for a later tick, so that a step or a suspend moves them. */
  function schedule(sleeper: Sleeper): void {
    if (sleeper.timer !== null) return;
    const leftMs = sleeper.leftMs();
    if (leftMs > TICK_MS * 1.5) return;
    sleeper.timer = setTimeout(
      () => {
        sleeper.timer = null;
        if (sleeper.leftMs() > 0) schedule(sleeper);
        else sleeper.wake();
      },
      Math.max(0, leftMs),
    );
  }

  function sleepWhile(leftMs: () => number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const end = (): void => {
        sleepers.delete(sleeper);
        if (sleeper.timer !== null) clearTimeout(sleeper.timer);
        if (sleepers.size === 0) ticking.unref();
        signal.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        end();
        reject(signal.reason as Error);
      };
      const sleeper: Sleeper = {
        leftMs,
        timer: null,
        wake: () => {
          end();
          resolve();
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      sleepers.add(sleeper);
      ticking.ref();
      schedule(sleeper);
    });
  }

  const ticking = setInterval(tick, TICK_MS).unref();
  const ready = ask();

  return {
    now,
    ready,
    sleep(ms, signal) {
      const untilMs = now().bootMs + ms;
      return sleepWhile(() => untilMs - now().bootMs, signal);
    },
    sleepUntil: (wallMs, signal) => sleepWhile(() => wallMs - now().wallMs, signal),
    onStep(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    notBefore(wallMs) {
      newestTrustedMs = wallMs;
    },
    ask(another) {
      source = another;
      silent = SILENT_OFTEN;
      return ask();
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      machine.close();
      clearInterval(ticking);
      for (const sleeper of sleepers) if (sleeper.timer !== null) clearTimeout(sleeper.timer);
      sleepers.clear();
    },
  };
}
